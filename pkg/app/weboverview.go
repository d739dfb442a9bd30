package app

import (
	"context"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/control"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/web"
)

// Health implements web.Backend.
func (s *webSite) Health() (bool, any) {
	h := s.a.health()
	return h.Ready, h
}

// Status implements web.Backend.
func (s *webSite) Status() any { return s.a.Status() }

// Overview implements web.Backend.
func (s *webSite) Overview() web.Overview {
	a, now := s.a, s.a.now()
	st := a.Status()
	o := web.Overview{
		Now: web.Time{Time: now}, Instance: st.Instance, Version: st.Version, Mode: st.Mode, Started: web.Time{Time: st.Started},
		Ready: st.Ready, Live: st.Live, HeldBack: st.Waiting, OneSided: a.oneSided.sum(now),
		Database: st.Database, Journal: st.Journal, Switches: webSwitches(st.Switches), Nodes: []web.Node{},
	}
	for i := range st.Nodes {
		n := &st.Nodes[i]
		o.Nodes = append(o.Nodes, web.Node{
			Name: store.Escape(n.Name), Connected: n.Connected, Ready: n.Connected, Reason: store.Escape(n.Problem), Role: n.Role,
			Sending: store.Escape(n.Sending), Gate: a.nodes[i].creditGate(), Backlog: n.Backlog, InFlight: n.InFlight, SkewMS: n.SkewMS,
		})
	}
	if t := s.day.get(now); t != nil {
		o.Today = t
		prevented := t.Prevented
		o.PreventedMinutes = &prevented
		if t.OneSided > 0 {
			share := float64(t.Repaired) / float64(t.OneSided)
			o.RepairedShare = &share
		}
	}
	return o
}

func webSwitches(list []control.Switch) []web.Switch {
	out := make([]web.Switch, 0, len(list))
	for _, s := range list {
		out = append(out, web.Switch{Node: store.Escape(s.Node), Kind: string(s.Kind), By: store.Escape(s.By), Reason: store.Escape(s.Reason), At: web.Time{Time: s.At}})
	}
	return out
}

// today sums the day up now and then, while somebody looks.
type today struct {
	mu     sync.Mutex
	asked  time.Time
	made   time.Time
	figure *web.Today
}

const (
	dayEvery   = 15 * time.Second // how old the figures may be
	dayWanted  = time.Minute      // after the last look they are not made any more
	dayAssume  = time.Hour        // as `byeguard report` assumes
	dayLimit   = 20 * time.Second // for making them
	dayGoneOld = 10 * time.Minute // older ones are not shown
)

func (d *today) get(now time.Time) *web.Today {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = now
	if d.figure == nil || now.Sub(d.made) > dayGoneOld {
		return nil
	}
	f := *d.figure
	return &f
}

// refresh makes the figures anew if they are old and wanted.
func (d *today) refresh(ctx context.Context, s *webSite) {
	now := s.a.now()
	d.mu.Lock()
	due := now.Sub(d.asked) < dayWanted && now.Sub(d.made) >= dayEvery
	d.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, dayLimit)
	defer cancel()
	f, err := s.sumUp(ctx, now)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made = now
	if err != nil {
		s.a.log.WithError(err).Debug("the figures of the day cannot be made")
		return
	}
	d.figure = f
}

// sumUp counts all calls in PostgreSQL, and looks at those alone with which
// something was wrong.
func (s *webSite) sumUp(ctx context.Context, now time.Time) (*web.Today, error) {
	y, m, d := now.Local().Date()
	since := time.Date(y, m, d, 0, 0, 0, 0, time.Local)
	counts, err := s.db.Count(ctx, since)
	if err != nil {
		return nil, err
	}
	report := billing.NewReport(billing.By{}, time.UTC, dayAssume)
	filter := store.Filter{Since: since, CDRs: store.CDRFilter{Troubled: true}}
	var rec billing.Record
	if err := s.db.ScanCDRs(ctx, &filter, func(p *store.Page) error {
		rows, err := p.Rows()
		for i := range rows {
			rec.Row = rows[i]
			rec.Derive(s.rates)
			report.Add(&rec)
		}
		return err
	}); err != nil {
		return nil, err
	}
	out := &web.Today{
		Since: web.Time{Time: since}, AsOf: web.Time{Time: now}, Attempts: counts.Attempts, Answered: counts.Answered, Open: counts.Open,
		Cost: map[string]string{}, Saved: map[string]string{},
	}
	for _, severity := range []string{"info", "warning", "critical"} {
		out.Open[severity] += 0
	}
	for _, t := range report.Lines() {
		out.OneSided, out.Repaired, out.Lost = t.OneSided, t.Repaired, t.Lost
		out.Suffered, out.Prevented = inMinutes(t.Suffered), inMinutes(t.Prevented)
		out.Cost, out.Saved = amounts(t.CostSuffered), amounts(t.CostPrevented)
	}
	return out, nil
}

// inMinutes are those of so many ms, with two decimals.
func inMinutes(ms int64) float64 { return float64((ms+300)/600) / 100 }

func amounts(m map[string]billing.Money) map[string]string {
	out := make(map[string]string, len(m))
	for currency, amount := range m {
		out[currency] = amount.String()
	}
	return out
}
