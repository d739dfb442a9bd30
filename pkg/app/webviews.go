package app

import (
	"encoding/json"
	"time"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/web"
)

// The functions below make of what the store has what the API shows. Texts of the
// database are valid UTF-8 and stay as they are.

func (s *webSite) incident(in *store.IncidentFacts) web.Incident {
	a := s.view.Alert(in, s.a.now())
	out := web.Incident{
		ID: in.ID, Kind: in.Kind, KindWords: alert.KindWords(in.Kind), Severity: in.Severity, State: string(in.State), Leg: in.Leg,
		Reason: in.Reason, ReasonWords: plainReason(in.Reason), Detail: in.Detail, Node: in.Node, CallID: in.CallID, Key: in.Key,
		Opened: web.Time{Time: in.Opened}, Updated: web.Time{Time: in.Updated}, Resolved: web.Ptr(in.Resolved), ResolvedBy: in.ResolvedBy,
		Acked: web.Ptr(in.Acked), AckedBy: in.AckedBy, Note: in.Note,
		Caller: a.Caller, Callee: a.Callee, Carrier: a.Carrier, Repaired: a.Repaired,
	}
	if a.Overrun >= 0 {
		out.OverrunMS = &a.Overrun
	}
	if a.Stake.Currency != "" {
		out.Stake = &web.Stake{Currency: a.Stake.Currency, Amount: a.Stake.Amount.String(), PerMinute: a.Stake.PerMinute.String()}
	}
	return out
}

// bare is an incident of a story, whose record is beside it.
func (s *webSite) bare(in *store.Incident, cdr *store.CDR) web.Incident {
	f := store.IncidentFacts{Incident: *in}
	if cdr != nil {
		f.Row = cdr.Row()
	}
	return s.incident(&f)
}

func (s *webSite) cdr(c *store.CDR) web.CDR {
	rec := billing.Record{Row: c.Row()}
	rec.Derive(s.rates)
	if s.view.Mask {
		rec.CallerNumber, rec.CalleeNumber = billing.MaskNumber(rec.CallerNumber), billing.MaskNumber(rec.CalleeNumber)
		rec.CallerURI, rec.CalleeURI = billing.MaskURI(rec.CallerURI), billing.MaskURI(rec.CalleeURI)
	}
	out := web.CDR{
		Key: c.Key, CallID: c.CallID, Node: c.Node, State: string(rec.State), Disposition: c.Disposition, Revision: c.Revision, Why: c.Why,
		Caller: store.Escape(rec.CallerNumber), Callee: store.Escape(rec.CalleeNumber),
		CallerURI: store.Escape(rec.CallerURI), CalleeURI: store.Escape(rec.CalleeURI), CallerAddr: c.CallerAddr, CalleeAddr: c.CalleeAddr,
		Started: web.Time{Time: c.Started}, Setup: web.Ptr(c.Setup), Answered: web.Ptr(c.Answered), Confirmed: web.Ptr(c.Confirmed),
		Ended: web.Ptr(c.Ended), DurationMS: c.DurationMS, CallerEnd: web.Ptr(c.CallerEnd), CallerHow: c.CallerHow,
		CalleeEnd: web.Ptr(c.CalleeEnd), CalleeHow: c.CalleeHow, ReleasedBy: c.ReleasedBy, Code: c.Code, Cause: c.Cause,
		Repaired: c.Repaired, RepairedLeg: c.RepairedLeg, RepairWhy: c.RepairWhy, RepairWords: plainReason(c.RepairWhy), Attempts: c.Attempts,
		OverrunLeg: rec.OverrunLeg.String(), OverrunBound: string(rec.OverrunBound),
		Carrier: rec.Rating.Carrier, Currency: rec.Rating.Currency, NotSeen: c.NotSeen, Closed: web.Ptr(c.Closed), Updated: web.Time{Time: c.Updated},
	}
	if rec.OverrunLeg != call.SideNone && rec.OverrunMS >= 0 {
		out.OverrunMS = &rec.OverrunMS
	}
	if rec.Rating.Rated {
		out.BillableS = &rec.Rating.Billable
	}
	if rec.Rating.Currency != "" {
		cost := rec.Rating.Cost.String()
		out.Cost = &cost
	}
	if rec.OverrunRated {
		cost := rec.OverrunCost.String()
		out.OverrunCost = &cost
	}
	return out
}

func (s *webSite) live(d *store.Dialog) web.Call {
	if s.view.Mask {
		masked := *d
		MaskDialog(&masked)
		d = &masked
	}
	return web.Call{
		Key: d.Key, CallID: d.CallID, Node: d.Node, State: d.State, StateWords: StateWords(d.State),
		Caller: numberOf(d.CallerURI), Callee: numberOf(d.CalleeURI), CallerURI: d.CallerURI, CalleeURI: d.CalleeURI,
		CallerState: d.CallerState, CalleeState: d.CalleeState, OpenIncidents: d.OpenIncidents, NotSeen: d.NotSeen,
		Started: web.Time{Time: d.Started}, Answered: web.Ptr(d.Answered), Ended: web.Ptr(d.Ended), Updated: web.Time{Time: d.Updated},
	}
}

func numberOf(uri string) string { return store.Escape(billing.Number(store.Unescape(uri))) }

// plainReason is a reason for people, "" where there is none.
func plainReason(reason string) string { return say(reasonWords, reason) }

func (s *webSite) story(st *store.Story, history []store.CDR) web.Story {
	if s.view.Mask {
		MaskStory(st)
	}
	parties := Parties()
	out := web.Story{Key: st.Key, Parties: parties[:], Ladder: []web.Step{}, Events: []web.Event{}, Incidents: []web.Incident{},
		Commands: []web.Command{}, History: []web.CDR{}}
	if st.Dialog != nil {
		d := s.live(st.Dialog)
		out.Call, out.CallID = &d, d.CallID
	}
	if st.CDR != nil {
		c := s.cdr(st.CDR)
		out.CDR, out.CallID, out.Outcome = &c, c.CallID, Outcome(st.CDR)
	}
	for _, one := range Ladder(st.Events) {
		step := web.Step{At: web.Time{Time: one.Event.At}, SinceMS: one.Since.Milliseconds(), Label: store.Escape(one.Label),
			Note: store.Escape(one.Note), Own: one.Own, Node: one.Event.Node}
		if one.From >= 0 {
			step.From, step.To = &one.From, &one.To
		}
		out.Ladder = append(out.Ladder, step)
	}
	for i := range st.Events {
		e := &st.Events[i]
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			detail = []byte("null")
		}
		out.Events = append(out.Events, web.Event{At: web.Time{Time: e.At}, LagUS: e.LagUS, Node: e.Node, Kind: e.Kind, Src: e.Src, Dst: e.Dst,
			Method: e.Method, CSeq: e.CSeq, Code: e.Code, Reason: e.Reason, Detail: detail})
	}
	for i := range st.Incidents {
		out.Incidents = append(out.Incidents, s.bare(&st.Incidents[i], st.CDR))
	}
	for i := range st.Commands {
		c := &st.Commands[i]
		out.Commands = append(out.Commands, web.Command{ID: c.ID, Node: c.Node, Leg: c.Leg, Attempt: c.Attempt, CSeq: c.CSeq, Reason: c.Reason,
			Words: plainReason(c.Reason), State: string(c.State), Code: c.Code, Created: web.Time{Time: c.Created}, Done: web.Ptr(c.Done)})
	}
	for i := range history {
		out.History = append(out.History, s.cdr(&history[i]))
	}
	return out
}

// Outcome is how a call went, in one line.
func Outcome(c *store.CDR) string {
	switch {
	case c.State == string(billing.StateOpen) && c.Ended == nil:
		return "in progress"
	case c.State == string(billing.StateOpen):
		return "ending"
	case c.Disposition == string(billing.DispositionFailed):
		return "not answered"
	}
	out := "ended"
	if c.DurationMS != nil {
		out += " after " + (time.Duration(*c.DurationMS) * time.Millisecond).Round(time.Second).String()
	}
	if c.ReleasedBy != string(call.ReleasedUnknown) && c.ReleasedBy != "" {
		out += ", ended by the " + c.ReleasedBy
		if c.ReleasedBy == string(call.ReleasedByeguard) {
			out = out[:len(out)-len("the byeguard")] + "byeguard"
		}
	}
	if c.Repaired {
		out += "; the " + c.RepairedLeg + "'s side was not told, and byeguard told it"
	} else if c.CallerHow == string(call.LegUnconfirmed) || c.CalleeHow == string(call.LegUnconfirmed) {
		out += "; one side does not confirm the end"
	}
	return out
}
