package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Options says what an Engine needs.
type Options struct {
	Config Config // validated
	Outbox Outbox
	Logger logrus.FieldLogger
	Now    func() time.Time // default: time.Now
	// Away says whether PostgreSQL is away: what is told to [Engine.Tell] then
	// goes out without it. nil = never.
	Away func() bool
	// RetryMin and RetryMax bound the wait between tries, which doubles.
	// Defaults 5 s and 15 min.
	RetryMin, RetryMax time.Duration
	// Poll is how often the outbox is looked at. Default 250 ms.
	Poll time.Duration
}

// Engine sends what the outbox holds.
type Engine struct {
	opts    Options
	planner *planner
	workers []*worker
	direct  *direct

	mu   sync.Mutex
	told string // the last complaint about the outbox
}

// New returns an engine. Its routes must be valid.
func New(opts Options) *Engine {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Away == nil {
		opts.Away = func() bool { return false }
	}
	def(&opts.RetryMin, 5*time.Second)
	def(&opts.RetryMax, 15*time.Minute)
	def(&opts.Poll, 250*time.Millisecond)
	e := &Engine{opts: opts, planner: newPlanner(opts.Config.Routes)}
	for i := range opts.Config.Routes {
		e.workers = append(e.workers, &worker{e: e, route: &opts.Config.Routes[i], wake: make(chan struct{}, 1)})
	}
	e.direct = newDirect(e)
	e.planner.skip = e.direct.wasTold
	return e
}

// RouteStats is what became of a route's messages since the start.
type RouteStats struct {
	Route     string
	Type      string
	Sent      uint64
	Failed    uint64 // tries
	Dead      uint64
	LastSent  time.Time
	LastError string // "" = the last try went well
}

// Stats returns the routes in the order of the configuration.
func (e *Engine) Stats() []RouteStats {
	list := make([]RouteStats, 0, len(e.workers))
	for _, w := range e.workers {
		w.mu.Lock()
		list = append(list, w.stats)
		w.mu.Unlock()
		list[len(list)-1].Route, list[len(list)-1].Type = w.route.Name, w.route.Type
	}
	return list
}

// Run sends until ctx ends. What is under way then is claimed again by the next
// run.
func (e *Engine) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { e.dispatch(ctx) })
	for _, w := range e.workers {
		wg.Go(func() { w.run(ctx) })
	}
	wg.Go(func() { e.direct.run(ctx) })
	wg.Wait()
	return nil
}

// dispatch files news under messages.
func (e *Engine) dispatch(ctx context.Context) {
	tick := time.NewTicker(e.opts.Poll)
	defer tick.Stop()
	swept := time.Time{}
	for {
		n, err := e.opts.Outbox.Take(ctx, func(news []News) []Placement {
			return e.planner.plan(e.opts.Now(), news, nil)
		})
		if err == nil && time.Since(swept) > time.Minute {
			swept = time.Now()
			err = e.opts.Outbox.Sweep(ctx)
		}
		e.complain(ctx, err)
		if n > 0 && err == nil {
			if ctx.Err() == nil {
				continue
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// complain logs a trouble with the outbox once, until it is over.
func (e *Engine) complain(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	text := ""
	if err != nil {
		text = "trouble"
	}
	e.mu.Lock()
	news := text != e.told
	e.told = text
	e.mu.Unlock()
	switch {
	case news && err != nil:
		e.opts.Logger.WithError(err).Warn("alerts: PostgreSQL cannot be asked; incidents of now are told without it")
	case news:
		e.opts.Logger.Info("alerts: PostgreSQL answers again")
	}
}

// worker sends the messages of one route, one after the other.
type worker struct {
	e     *Engine
	route *Route
	wake  chan struct{}

	mu    sync.Mutex
	stats RouteStats
}

// atOnce is how many messages of a route are claimed at once: each may take the
// route's whole time-out.
const atOnce = 5

func (w *worker) run(ctx context.Context) {
	tick := time.NewTicker(w.e.opts.Poll)
	defer tick.Stop()
	for {
		if w.round(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round sends what is due; more says that there may be more of it.
func (w *worker) round(ctx context.Context) (more bool) {
	hold := atOnce*w.route.Timeout + time.Minute
	claims, err := w.e.opts.Outbox.Claim(ctx, w.route.Name, w.e.opts.Now(), atOnce, hold)
	if err != nil {
		w.e.opts.Logger.WithError(err).WithField("route", w.route.Name).Debug("alerts: no messages can be claimed")
		return false
	}
	for i := range claims {
		if ctx.Err() != nil {
			return false
		}
		if err := w.one(ctx, &claims[i]); err != nil {
			w.e.opts.Logger.WithError(err).WithField("route", w.route.Name).Debug("alerts: outcome not noted: it is sent again")
			return false
		}
	}
	return len(claims) == atOnce
}

// one sends a message. An error means that its outcome could not be noted.
func (w *worker) one(ctx context.Context, c *Claim) error {
	m, err := w.message(ctx, c)
	if err != nil || m == nil {
		return err
	}
	err = Send(ctx, w.route, m, w.e.opts.Now())
	if ctx.Err() != nil {
		return ctx.Err() // the next run tells
	}
	// Noted even if the end comes meanwhile: a message less is sent twice.
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	log := w.e.opts.Logger.WithFields(logrus.Fields{"route": w.route.Name, "alert": m.ID, "incidents": m.Count})
	if err == nil {
		w.count(func(s *RouteStats) { s.Sent++; s.LastSent, s.LastError = w.e.opts.Now(), "" })
		log.Info("alert sent")
		return w.e.opts.Outbox.Sent(note, m.ID)
	}
	wait := w.e.backoff(c.Tries)
	if later, ok := errors.AsType[*LaterError](err); ok {
		wait = max(wait, later.After)
	}
	dead, noteErr := w.e.opts.Outbox.Failed(note, m.ID, err.Error(), w.e.opts.Now().Add(wait))
	w.count(func(s *RouteStats) {
		s.Failed++
		s.LastError = err.Error()
		if dead {
			s.Dead++
		}
	})
	switch {
	case dead:
		log.WithError(err).Error("alert given up: byeguard alerts retry sends it again")
	case c.Tries == 1:
		log.WithError(err).Warnf("alert not taken by its receiver; trying again for %v", GiveUpAfter)
	default:
		log.WithError(err).WithField("tries", c.Tries).Debug("alert not taken by its receiver")
	}
	return noteErr
}

// message reads or composes what is to be sent; nil = nothing is.
func (w *worker) message(ctx context.Context, c *Claim) (m *Message, err error) {
	if c.Message != nil {
		m = &Message{}
		if err := json.Unmarshal(c.Message, m); err != nil {
			return nil, fmt.Errorf("read message %s: %w", c.ID, err)
		}
		return m, nil
	}
	comp := newComposer(w.route, c.ID, w.e.opts.Config.Link, w.e.opts.Now())
	err = w.e.opts.Outbox.Compose(ctx, c.ID, comp.add, func() (*Message, error) {
		if m = comp.message(); m.Count == 0 {
			m = nil
		}
		return m, nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (w *worker) count(change func(*RouteStats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.stats)
}

// backoff is the wait after the given number of tries, with a fifth of chance
// so that receivers are not asked by all at once.
func (e *Engine) backoff(tries int) time.Duration {
	wait := e.opts.RetryMin << min(max(tries-1, 0), 20)
	wait = min(wait, e.opts.RetryMax)
	return wait*9/10 + rand.N(wait/5+1)
}
