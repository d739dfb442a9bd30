package app

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// makeAlerts makes what sends alerts. It is there before the store, which tells
// it of incidents.
func (a *App) makeAlerts() error {
	if err := a.cfg.Alerts.Check(); err != nil {
		return err
	}
	rates, err := billing.LoadRates(a.cfg.Rates)
	if err != nil {
		return err
	}
	a.alerts = alert.New(alert.Options{
		Config: a.cfg.Alerts, Outbox: &alertOutbox{a: a, view: IncidentView{Rates: rates, Mask: a.cfg.MaskNumbers}},
		Logger: a.log, Away: func() bool { return a.desk.reached() != nil || !a.store.Stats().Up },
	})
	return nil
}

func (a *App) startAlerts() {
	a.parts.run("alerts", 2*time.Second, func(ctx context.Context) error {
		done := make(chan error, 1)
		go func() { done <- a.alerts.Run(ctx) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
		}
		// A PostgreSQL that hangs may hold it for longer than a stop may take. What it
		// was doing is in the outbox, and is done again.
		patience := time.NewTimer(time.Second)
		defer patience.Stop()
		select {
		case err := <-done:
			return err
		case <-patience.C:
			return nil
		}
	})
}

// Alerts returns what became of the alerts of each route since the start.
func (a *App) Alerts() []alert.RouteStats { return a.alerts.Stats() }

// raised hands an incident on that PostgreSQL does not have yet.
func (a *App) raised(r store.Raised) {
	a.tally(r)
	a.minute(&r)
	in := &r.Incident
	out := alert.Incident{
		Key: in.Key.String(), CallID: store.Escape(in.CallID), Node: store.Escape(r.Node), Kind: string(in.Kind), Severity: string(in.Severity),
		State: string(store.IncidentOpen), Leg: in.Leg.String(), Reason: string(r.Reason), Detail: store.Escape(in.Detail),
		Opened: r.Seen, Overrun: -1,
	}
	if in.Resolved {
		out.State, out.Resolved = string(store.IncidentResolved), r.Seen
	}
	a.alerts.Tell(&out)
}

// IncidentView makes of an incident and its call's record what people are shown.
type IncidentView struct {
	Rates *billing.Rates
	Mask  bool // numbers
}

// Stake is the money that an incident is about.
func (v *IncidentView) Stake(in *store.IncidentFacts, now time.Time) billing.Stake {
	if in.Row.State == "" {
		return billing.Stake{OverrunMS: -1}
	}
	leg := call.SideNone
	for _, s := range [...]call.Side{call.Caller, call.Callee} {
		if s.String() == in.Leg {
			leg = s
		}
	}
	return v.Rates.Stake(&in.Row, leg, in.State == store.IncidentResolved, now)
}

// Alert is the incident as alerts tell of it.
func (v *IncidentView) Alert(in *store.IncidentFacts, now time.Time) alert.Incident {
	st := v.Stake(in, now)
	out := alert.Incident{
		ID: in.ID, Key: in.Key, CallID: in.CallID, Node: in.Node, Kind: in.Kind, Severity: in.Severity, State: string(in.State),
		Leg: in.Leg, Reason: in.Reason, Detail: in.Detail, Opened: in.Opened, Carrier: st.Carrier, Overrun: st.OverrunMS,
		Stake: alert.Stake{Currency: st.Currency, Amount: st.Amount, PerMinute: st.PerMinute},
	}
	switch in.State {
	case store.IncidentResolved:
		out.By = in.ResolvedBy
		if in.Resolved != nil {
			out.Resolved = *in.Resolved
		}
	case store.IncidentAcknowledged:
		out.By = in.AckedBy
	case store.IncidentOpen:
	}
	if in.Kind == string(call.IncidentOneSided) && in.State == store.IncidentResolved && in.ResolvedBy == "" {
		how := in.Row.CalleeHow
		if in.Leg == call.Caller.String() {
			how = in.Row.CallerHow
		}
		switch call.LegState(how) {
		case call.LegUnconfirmed:
			out.State = alert.StateGivenUp
		case call.LegConfirmed, call.LegGone, call.LegOwnBye:
			out.Repaired = true
		case call.LegUp:
		}
	}
	if in.Row.State != "" {
		out.Caller, out.Callee = store.Escape(v.number(in.Row.CallerURI)), store.Escape(v.number(in.Row.CalleeURI))
	}
	return out
}

func (v *IncidentView) number(uri string) string {
	n := billing.Number(uri)
	if v.Mask {
		return billing.MaskNumber(n)
	}
	return n
}

// alertOutbox is the store as alerts need it.
type alertOutbox struct {
	a    *App
	view IncidentView

	mu       sync.Mutex
	released bool // what the run before had claimed
}

// release has sent again what the run before was sending when it ended.
func (o *alertOutbox) release(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.released {
		return nil
	}
	err := o.a.store.ReleaseAlerts(ctx, o.a.instance)
	o.released = err == nil
	return err
}

// nodes are those that this byeguard acts for.
func (o *alertOutbox) nodes() (names []string) {
	for _, n := range o.a.nodes {
		if ok, _ := o.a.lease.acts(n.cfg.Name); ok {
			names = append(names, n.cfg.Name)
		}
	}
	return names
}

// Take implements alert.Outbox.
func (o *alertOutbox) Take(ctx context.Context, plan func([]alert.News) []alert.Placement) (int, error) {
	nodes := o.nodes()
	if len(nodes) == 0 {
		return 0, nil // a standby
	}
	return o.a.store.TakeAlertNews(ctx, nodes, func(list []store.AlertNews) []store.AlertPlacement {
		now := o.a.now()
		news := make([]alert.News, len(list))
		for i := range list {
			news[i] = alert.News{Incident: o.view.Alert(&list[i].Incident, now), Change: alert.Change(list[i].Change)}
		}
		placed := plan(news)
		out := make([]store.AlertPlacement, len(placed))
		for i, p := range placed {
			out[i] = store.AlertPlacement{
				Route: p.Route, Group: p.Group, Node: store.Unescape(p.Node), Severity: p.Severity, Incident: p.Incident,
				Due: p.Due, GiveUp: p.Due.Add(alert.GiveUpAfter), Over: p.Over,
			}
		}
		return out
	})
}

// Claim implements alert.Outbox.
func (o *alertOutbox) Claim(ctx context.Context, route string, now time.Time, limit int, hold time.Duration) ([]alert.Claim, error) {
	nodes := o.nodes()
	if len(nodes) == 0 {
		return nil, nil
	}
	if err := o.release(ctx); err != nil {
		return nil, err
	}
	list, err := o.a.store.ClaimAlerts(ctx, o.a.instance, route, nodes, now, limit, hold)
	out := make([]alert.Claim, len(list))
	for i, c := range list {
		out[i] = alert.Claim{ID: c.ID, Tries: c.Tries, Message: c.Message}
	}
	return out, err
}

// Compose implements alert.Outbox.
func (o *alertOutbox) Compose(ctx context.Context, id string, add func(*alert.Incident), done func() (*alert.Message, error)) error {
	now := o.a.now()
	return o.a.store.ComposeAlert(ctx, id, func(in *store.IncidentFacts) {
		one := o.view.Alert(in, now)
		add(&one)
	}, func() (*store.ComposedAlert, error) {
		m, err := done()
		if err != nil || m == nil {
			return nil, err
		}
		text, err := json.Marshal(m)
		return &store.ComposedAlert{Message: text, Title: m.Title, Severity: m.Severity, Incidents: m.Count}, err
	})
}

// Sent implements alert.Outbox.
func (o *alertOutbox) Sent(ctx context.Context, id string) error { return o.a.store.AlertSent(ctx, id) }

// Failed implements alert.Outbox.
func (o *alertOutbox) Failed(ctx context.Context, id, why string, next time.Time) (bool, error) {
	return o.a.store.AlertFailed(ctx, id, why, next)
}

// Sweep implements alert.Outbox.
func (o *alertOutbox) Sweep(ctx context.Context) error { return o.a.store.SweepAlerts(ctx) }
