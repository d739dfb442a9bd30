package alert

import (
	"slices"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Change is what happened to an incident.
type Change string

// Changes of incidents.
const (
	ChangeOpened       Change = "opened" // it may be over already
	ChangeWorse        Change = "worse"  // its severity has grown
	ChangeAcknowledged Change = "acknowledged"
	ChangeResolved     Change = "resolved"
)

// News is a change of an incident that somebody may have to hear of.
type News struct {
	Incident Incident
	Change   Change
}

// Placement files an incident under a message of a route.
type Placement struct {
	Route    string
	Group    string // incidents of one route and group that come before Due are one message
	Node     string // "" = any byeguard may send it
	Severity string
	Incident int64
	Due      time.Time
	Over     bool // the incident is resolved: not told where the route was told so
}

// planner says which message tells of which incident. The first incident of a
// cause is told after group_wait, those that follow it within group_interval
// are one message at its end. It belongs to one goroutine.
type planner struct {
	routes []Route
	last   map[groupKey]time.Time           // when the newest message is due
	skip   func(route string, n *News) bool // what a route knows already; nil = nothing
}

type groupKey struct{ route, group string }

func newPlanner(routes []Route) *planner {
	return &planner{routes: routes, last: map[groupKey]time.Time{}}
}

// digestGroup is the group of what waits for a digest or for the end of quiet
// hours: one message for all of it.
const digestGroup = "digest"

// plan files the news of this moment.
func (p *planner) plan(now time.Time, news []News, out []Placement) []Placement {
	for i := range news {
		n := &news[i]
		if n.Change == ChangeAcknowledged {
			continue
		}
		for j := range p.routes {
			if r := &p.routes[j]; r.wants(n) && (p.skip == nil || !p.skip(r.Name, n)) {
				out = append(out, p.place(r, n, now))
			}
		}
	}
	if len(p.last) > 10_000 {
		p.forget(now)
	}
	return out
}

// wants says whether the route tells of it.
func (r *Route) wants(n *News) bool {
	in := &n.Incident
	switch {
	case n.Change == ChangeResolved && (r.OnlyOpened || in.State == StateGivenUp && r.Type != TypeAlertmanager),
		rank(in.Severity) < rank(r.Severity),
		len(r.Kinds) > 0 && !slices.Contains(r.Kinds, in.Kind),
		len(r.Nodes) > 0 && !slices.Contains(r.Nodes, in.Node),
		len(r.Carriers) > 0 && !slices.Contains(r.Carriers, in.Carrier):
		return false
	}
	return true
}

func (r *Route) urgent(severity string) bool {
	return r.Urgent != UrgentNone && rank(severity) >= rank(r.Urgent)
}

func (p *planner) place(r *Route, n *News, now time.Time) Placement {
	in := &n.Incident
	out := Placement{
		Route: r.Name, Group: in.Kind + "/" + in.Severity + "/" + in.Node, Node: in.Node, Severity: in.Severity,
		Incident: in.ID, Over: n.Change == ChangeResolved,
	}
	out.Due = p.due(r, out.Group, now)
	if r.urgent(in.Severity) {
		return out
	}
	due := out.Due
	if r.Digest != "" {
		due, _ = nextDigest(r.Digest, now, r.zone) // Validate has read it
	}
	if until, ok := quietUntil(r.Quiet, due, r.zone); ok {
		due = until
	}
	if !due.Equal(out.Due) {
		out.Group, out.Node, out.Severity, out.Due = digestGroup, "", string(call.SeverityInfo), due
	}
	return out
}

// due is when the message that the group's next incident belongs to goes out.
func (p *planner) due(r *Route, group string, now time.Time) time.Time {
	key := groupKey{r.Name, group}
	last, known := p.last[key]
	switch {
	case known && now.Before(last):
		return last // it is still gathering
	case known && now.Before(last.Add(r.GroupInterval)):
		p.last[key] = last.Add(r.GroupInterval)
	default:
		p.last[key] = now.Add(r.GroupWait)
	}
	return p.last[key]
}

// forget drops what has no bearing on new messages.
func (p *planner) forget(now time.Time) {
	for k, t := range p.last {
		if now.Sub(t) > 24*time.Hour {
			delete(p.last, k)
		}
	}
}
