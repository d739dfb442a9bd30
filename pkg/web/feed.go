package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// feed tells changes to everybody who listens. One goroutine looks for them,
// however many listen, and makes each message once; each client has a queue of
// its own, and one that does not take its messages is dropped.
//
// Changes are numbered in the order in which they are committed (see
// docs/decisions/0016-web.md), so the number of the newest one that a client has
// is all that is needed to go on.
type feed struct {
	s    *Server
	wake chan struct{}
	look sync.Mutex // held by whoever asks for changes

	mu      sync.Mutex
	clients map[*client]struct{}
	coming  int // clients that are about to join
	closed  bool
	known   bool // name and pos are
	name    string
	pos     int64     // number of the newest change that was told
	ring    []message // the newest ones
	asked   time.Time // when PostgreSQL last answered
	state   []byte    // the overview as it was last told, without its time
	current *message  // and the message
	view    Overview
	viewed  time.Time
}

// message is one for all clients. number is that of its change, 0 = none.
type message struct {
	number int64
	text   *websocket.PreparedMessage
}

const (
	ringSize   = 2048 // changes that are kept for those who come back
	feedPage   = 500
	feedLimit  = 5 * time.Second // for one look
	feedRest   = time.Second     // after a look that failed
	stateEvery = time.Second
	viewFor    = 200 * time.Millisecond // how old an overview may be
)

func newFeed(s *Server) *feed {
	return &feed{s: s, wake: make(chan struct{}, 1), clients: map[*client]struct{}{}}
}

// hurry has the feed look now.
func (f *feed) hurry() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run looks and tells until ctx ends.
func (f *feed) run(ctx context.Context) {
	tick := time.NewTicker(f.s.opts.FeedEvery)
	defer tick.Stop()
	var rest, stated time.Time
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-f.wake:
		}
		if !f.wanted() {
			continue
		}
		now := time.Now()
		if now.Sub(stated) >= stateEvery {
			stated = now
			f.tellState()
		}
		if now.Before(rest) {
			continue
		}
		err := f.lookOnce(ctx)
		if err != nil {
			rest = time.Now().Add(feedRest)
			if err.Error() != told && ctx.Err() == nil {
				f.s.log.WithError(err).Warn("the feed cannot look for changes; trying again")
			}
			told = err.Error()
		} else {
			told = ""
		}
	}
}

// wanted says whether anybody listens. While nobody does, the place is forgotten.
func (f *feed) wanted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.clients)+f.coming == 0 {
		f.known, f.ring, f.current, f.state = false, nil, nil, nil
	}
	return len(f.clients) > 0
}

// ready finds the feed's place before its first client joins.
func (f *feed) ready(ctx context.Context) {
	f.mu.Lock()
	f.coming++
	known := f.known
	f.mu.Unlock()
	if known {
		return
	}
	f.look.Lock()
	defer f.look.Unlock()
	f.mu.Lock()
	known = f.known
	f.mu.Unlock()
	if !known {
		ctx, cancel := context.WithTimeout(ctx, beginLimit)
		defer cancel()
		_ = f.begin(ctx) // the feed itself tries again, and tells why not
	}
}

// lookOnce tells what has changed.
func (f *feed) lookOnce(ctx context.Context) error {
	f.look.Lock()
	defer f.look.Unlock()
	ctx, cancel := context.WithTimeout(ctx, feedLimit)
	defer cancel()
	for more := true; more; {
		f.mu.Lock()
		known, name, pos := f.known, f.name, f.pos
		f.mu.Unlock()
		if !known {
			return f.begin(ctx)
		}
		ch, err := f.s.opts.Backend.Changes(ctx, pos, math.MaxInt64, feedPage)
		if err != nil {
			return err
		}
		if ch.Feed != name || ch.Last < pos { // another database, or an older state of it
			f.startAnew("the database is another one")
			return nil
		}
		f.tell(ch)
		more = ch.More
	}
	return nil
}

// begin finds the place to begin at. Those who waited for it read anew.
func (f *feed) begin(ctx context.Context) error {
	ch, err := f.s.opts.Backend.Changes(ctx, 0, 0, 0)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known, f.name, f.pos, f.ring, f.asked = true, ch.Feed, ch.End, nil, time.Now()
	for c := range f.clients {
		if c.waiting {
			c.end(websocket.CloseServiceRestart, "the database is back")
		}
	}
	return nil
}

func (f *feed) startAnew(why string) {
	f.s.log.Warn("the feed begins anew: " + why)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known, f.ring = false, nil
	for c := range f.clients {
		c.end(websocket.CloseServiceRestart, why)
	}
}

func (f *feed) tell(ch Changes) {
	list := make([]message, 0, len(ch.Incidents))
	for i := range ch.Incidents {
		in := &ch.Incidents[i]
		m, err := newMessage(in.Number, incidentMessage{Type: "incident", Cursor: cursorOf(ch.Feed, in.Number), Incident: &in.Incident})
		if err != nil {
			f.s.log.WithError(err).Errorf("incident %d cannot be told", in.Incident.ID)
			continue
		}
		list = append(list, m)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = time.Now()
	for _, m := range list {
		f.send(m)
		f.pos = m.number
	}
	if !ch.More {
		f.pos = max(f.pos, ch.End)
	}
	f.ring = append(f.ring, list...)
	if over := len(f.ring) - ringSize; over > 0 {
		f.ring = append(f.ring[:0:0], f.ring[over:]...)
	}
}

// send queues a message for everybody. Callers hold f.mu.
func (f *feed) send(m message) {
	for c := range f.clients {
		if !c.waiting || m.number == 0 {
			c.put(m)
		}
	}
}

// overview is the backend's, a moment old at most.
func (f *feed) overview() Overview {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.overviewLocked()
}

func (f *feed) overviewLocked() Overview {
	now := time.Now()
	if f.viewed.IsZero() || now.Sub(f.viewed) > viewFor {
		f.view, f.viewed = f.s.opts.Backend.Overview(), now
	}
	o := f.view
	if len(f.clients) > 0 && !f.asked.IsZero() {
		age := now.Sub(f.asked).Milliseconds()
		if age < 2*feedRest.Milliseconds() {
			age = 0 // nothing to worry about, and no news
		}
		o.FeedDelay = &age
	}
	return o
}

// tellState tells the overview if it is another one.
func (f *feed) tellState() {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.overviewLocked()
	now := o.Now
	o.Now = Time{}
	state, err := json.Marshal(&o)
	if err != nil || bytes.Equal(state, f.state) {
		return
	}
	o.Now = now
	m, err := newMessage(0, overviewMessage{Type: "overview", Overview: &o})
	if err != nil {
		f.s.log.WithError(err).Error("the overview cannot be told")
		return
	}
	f.state, f.current = state, &m
	f.send(m)
}

// join lets a client take part, after ready. p is the place from which on changes
// are queued for it.
func (f *feed) join(c *client) (p place, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.coming--
	if f.closed || len(f.clients) >= f.s.opts.Config.MaxClients {
		return p, false
	}
	f.clients[c] = struct{}{}
	c.waiting = !f.known
	p = place{known: f.known, name: f.name, pos: f.pos, state: f.current}
	if f.known {
		p.ring = f.ring // it is never written to, only appended to
	}
	return p, true
}

// place is where the feed was when a client joined.
type place struct {
	known bool
	name  string
	pos   int64
	ring  []message
	state *message
}

func (f *feed) leave(c *client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.clients, c)
}

// full says that nobody else may join.
func (f *feed) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed || len(f.clients) >= f.s.opts.Config.MaxClients
}

// drop ends the clients of a session.
func (f *feed) drop(session [32]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.clients {
		if c.id.Via == viaSession && c.id.session == session {
			c.end(websocket.ClosePolicyViolation, "logged out")
		}
	}
}

// close ends all clients.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for c := range f.clients {
		c.end(websocket.CloseGoingAway, "byeguard stops")
	}
}

// Clients returns how many listen to the feed, and how many were dropped since
// the start because they were too slow.
func (s *Server) Clients() (now int, slow int64) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	return len(s.feed.clients), s.slow.Load()
}

type helloMessage struct {
	Type   string  `json:"type"`
	Cursor *string `json:"cursor"` // null: PostgreSQL is away; a resync follows when it is back
	Now    Time    `json:"now"`
}

type incidentMessage struct {
	Type     string    `json:"type"`
	Cursor   string    `json:"cursor"`
	Incident *Incident `json:"incident"`
}

type overviewMessage struct {
	Type     string    `json:"type"`
	Overview *Overview `json:"overview"`
}

type resyncMessage struct {
	Type string `json:"type"`
	Why  string `json:"reason"`
}

func newMessage(number int64, v any) (message, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return message{}, err
	}
	p, err := websocket.NewPreparedMessage(websocket.TextMessage, text)
	return message{number: number, text: p}, err
}

// FeedCursor is how a place in the feed of a database is written.
func FeedCursor(feed string, number int64) string { return cursorOf(feed, number) }

func cursorOf(feed string, number int64) string { return feed + "-" + strconv.FormatInt(number, 10) }

// parseFeedCursor reads what cursorOf wrote.
func parseFeedCursor(text string) (feed string, number int64, err error) {
	feed, digits, ok := strings.Cut(text, "-")
	number, err = strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || feed == "" || len(feed) > 32 || number < 0 {
		return "", 0, fmt.Errorf("%q is no cursor of the feed: use the last one that it told", short(text))
	}
	return feed, number, nil
}
