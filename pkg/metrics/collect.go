package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/byeguard/byeguard/pkg/call"
)

// Figures of the core, of what it found, and of the way to people.
var (
	ready    = gauge("ready", "1 if /readyz answers 200.")
	modeInfo = gauge("mode_info", "1; the label says whether BYEs are sent (compensate) or only recorded (observe).", "mode")
	quieted  = counter("log_lines_suppressed_total", "Log lines that were summed up with others instead of being written.")

	coreEvents  = counter("core_events_total", "Events that calls were stepped by: the proxies', byeguard's own (tick, asked, result, …).", "kind")
	coreStrays  = counter("core_stray_events_total", "Events that belong to no call that is known.")
	coreDropped = counter("core_dropped_events_total", "Events lost because a lane was full.")
	coreDone    = counter("calls_done_total", "Calls that ended with both legs accounted for.")
	calls       = gauge("calls", "Calls in memory; those that ended stay for some 40 s.", "state")
	legs        = gauge("legs", "Legs of the answered calls in memory.", "state")
	callsHeld   = gauge("calls_held_back", "Calls with a BYE that is due and held back.")
	lanes       = gauge("lanes", "Lanes that step calls.")
	laneQueue   = gauge("lane_queue_events", "Events that wait in a lane.", "lane")
	laneLimit   = gauge("lane_queue_limit_events", "Events that may wait in a lane; above it they are lost and the node's dialogs are looked through.")
	pending     = gauge("journal_waiting_turns", "Turns of lanes whose outcome waits for the journal.")

	incidentsOpened   = counter("incidents_opened_total", "Incidents raised, also those that were resolved at once.", "node", "kind")
	incidentsResolved = counter("incidents_resolved_total", "Incidents that byeguard resolved.", "node", "kind")
	oneSided          = counter("one_sided_byes_total", "Legs that got no BYE from the proxy, by how that is known.", "node", "reason")
	overrun           = counter("overrun_seconds_total", "Time that legs ran on after the other one had ended. bound upper: the leg was found to be gone, and ended then or before.", "node", "bound")

	alertSent   = counter("alert_messages_sent_total", "Messages that the route's receiver has taken.", "route", "type")
	alertFailed = counter("alert_tries_failed_total", "Tries that the route's receiver did not take.", "route", "type")
	alertDead   = counter("alert_messages_given_up_total", "Messages given up after a day of trying.", "route", "type")
	alertLast   = gauge("alert_last_sent_timestamp_seconds", "When the route's receiver last took a message.", "route", "type")

	pollTime    = gauge("database_figures_timestamp_seconds", "When the figures that PostgreSQL alone knows were read; they are not shown when they are older than 5 minutes.")
	pollFails   = counter("database_figures_failures_total", "Times that they could not be read.")
	cdrs        = gauge("cdrs", "Open records of the whole database: calls that are up, or whose end is not settled.", "state")
	cdrsClosed  = counter("cdrs_closed_total", "Records of the whole database that were closed since this process began to count. late: long after the call's end; corrected: replaces another.", "state")
	outbox      = gauge("outbox_commands", "Commands (BYEs) of the whole database without an outcome.", "state")
	outboxAge   = gauge("outbox_oldest_command_timestamp_seconds", "When the oldest of them was made.")
	alertNews   = gauge("alert_news", "Changes of incidents that were not filed under a message yet.")
	alertQueue  = gauge("alert_messages", "Messages that were not sent: gathering, sending, or dead (given up).", "route", "state")
	alertOldest = gauge("alert_oldest_message_timestamp_seconds", "When the oldest of them was begun.", "route", "state")
	unresolved  = gauge("incidents", "Incidents of the whole database that are not resolved.", "kind", "state")
	skewLimit   = gauge("clock_skew_limit_seconds", "Above it (clock_skew) an incident is raised.")
)

// reasons of one-sided BYEs that are there from the start.
var reasons = [...]call.Reason{
	call.ReasonByeMissing, call.ReasonProxyEnded, call.ReasonLogLine, call.ReasonByeUnanswered,
	call.ReasonByeFailed, call.ReasonOtherEndGone, call.ReasonProbedGone,
}

// ofNodes are the kinds of incidents that are there from the start.
var ofNodes = [...]call.IncidentKind{
	call.IncidentOneSided, call.IncidentUnconfirmed, call.IncidentStuck, call.IncidentRefused, call.IncidentForgotten,
	call.IncidentHalfGone, call.IncidentZombie, call.IncidentRestarted, call.IncidentMissed, call.IncidentHidden,
	call.IncidentMassAction, call.IncidentClock, call.IncidentWrongNode, call.IncidentNodeLost,
}

// Bounds of an overrun.
const (
	BoundExact = "exact"
	BoundUpper = "upper"
)

type collector struct{ take func() *Snapshot }

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
	ch <- journalCommit
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s, o := c.take(), out(ch)
	o.flag(ready, s.Ready)
	o.flag(modeInfo, true, s.Mode)
	o.count(quieted, s.Quieted)
	o.put(skewLimit, s.SkewLimit.Seconds())
	for i := range s.Nodes {
		o.node(&s.Nodes[i])
	}
	o.core(&s.Core)
	o.incidents(s)
	o.database(&s.Database)
	if s.Journal != nil {
		o.journal(s.Journal)
	}
	for i := range s.Alerts {
		r := &s.Alerts[i]
		o.count(alertSent, r.Sent, r.Name, r.Type)
		o.count(alertFailed, r.Failed, r.Name, r.Type)
		o.count(alertDead, r.Dead, r.Name, r.Type)
		o.time(alertLast, r.LastSent, r.Name, r.Type)
	}
	o.figures(s)
}

func (o out) core(c *Core) {
	for k := range call.KindCount {
		if kind := call.Kind(k); kind != call.KindUnknown {
			o.count(coreEvents, c.Kinds[kind], kind.String())
		}
	}
	for s := call.StateNew; s <= call.StateFailed; s++ {
		o.put(calls, float64(c.Calls[s]), s.String())
	}
	for _, s := range [...]call.LegState{call.LegUp, call.LegOwnBye, call.LegConfirmed, call.LegGone, call.LegUnconfirmed} {
		o.put(legs, float64(c.Legs[s]), string(s))
	}
	o.count(coreStrays, c.Strays)
	o.count(coreDropped, c.Dropped)
	o.count(coreDone, c.Done)
	o.put(callsHeld, float64(c.Waiting))
	o.size(lanes, len(c.Queued))
	for i, n := range c.Queued {
		o.size(laneQueue, n, strconv.Itoa(i))
	}
	o.size(laneLimit, c.QueueLimit)
	o.size(pending, c.Pending)
}

// incidents tells those that were raised, and zeros for the rest: a rate needs a
// series that was there before.
func (o out) incidents(s *Snapshot) {
	type place struct {
		node string
		kind call.IncidentKind
	}
	raised := map[place]*Incidents{}
	for i := range s.Incidents {
		in := &s.Incidents[i]
		raised[place{in.Node, in.Kind}] = in
	}
	tell := func(node string, kind call.IncidentKind) {
		in := raised[place{node, kind}]
		if in == nil {
			in = &Incidents{}
		}
		delete(raised, place{node, kind})
		o.count(incidentsOpened, in.Opened, node, string(kind))
		o.count(incidentsResolved, in.Resolved, node, string(kind))
		if kind != call.IncidentOneSided {
			return
		}
		told := map[call.Reason]bool{}
		for _, r := range reasons {
			told[r] = true
			o.count(oneSided, in.Reasons[r], node, string(r))
		}
		for r, n := range in.Reasons {
			if !told[r] {
				o.count(oneSided, n, node, string(r))
			}
		}
		for _, b := range [...]string{BoundExact, BoundUpper} {
			o.put(overrun, in.Overrun[b].Seconds(), node, b)
		}
	}
	for i := range s.Nodes {
		for _, kind := range ofNodes {
			tell(s.Nodes[i].Name, kind)
		}
	}
	for p := range raised {
		tell(p.node, p.kind)
	}
}

func (o out) figures(s *Snapshot) {
	o.count(pollFails, s.PollFails)
	o.time(pollTime, s.Polled)
	f := s.Figures
	if f == nil {
		return
	}
	o.put(cdrs, float64(f.OpenCDRs), "open")
	for _, state := range [...]string{"final", "late", "corrected"} {
		o.count(cdrsClosed, f.Closed[state], state)
	}
	o.put(outbox, float64(f.Pending), "pending")
	o.time(outboxAge, f.OldestPending)
	o.put(alertNews, float64(f.News))
	for i := range f.Messages {
		m := &f.Messages[i]
		o.put(alertQueue, float64(m.Count), m.Route, m.State)
		o.time(alertOldest, m.Oldest, m.Route, m.State)
	}
	for i := range f.IncidentsByWay {
		n := &f.IncidentsByWay[i]
		o.put(unresolved, float64(n.Count), n.Kind, n.State)
	}
}
