package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// classWords say a class in the sentence of an incident, after how many calls it is.
var classWords = map[reconcile.Class]string{
	reconcile.Matched:         "the same",
	reconcile.Rounding:        "rounded otherwise",
	reconcile.StillOpen:       "still up here",
	reconcile.KeyMissing:      "without their key there",
	reconcile.ClockSkew:       "at another time there",
	reconcile.ZoneShift:       "in another time zone there",
	reconcile.DurationDiffers: "of another length there",
	reconcile.RanOn:           "going on there after their end (one-sided BYE)",
	reconcile.Ringing:         "with their ringing counted as talking there",
	reconcile.ZeroDuration:    "of no length there, though they were talked",
	reconcile.Duplicate:       "twice there",
	reconcile.MissingHere:     "there, of which byeguard has no record",
	reconcile.MissingThere:    "of byeguard's, and not there",
}

// FileFindings makes incidents of what a comparison found, one a class, so that
// alerts tell of it: cdr_missing where byeguard lacks calls, records_differ for all
// else. with names the other side. An incident of the same comparison (same other
// side, time, node and carrier) that is open is brought up to date, or resolved
// where the class is not found any more.
func FileFindings(ctx context.Context, s *store.Store, r *Reconciliation, with string, opts *ReconcileOptions) (opened, resolved int64, err error) {
	scope := strings.Join([]string{"reconcile", with, stamp(opts.Since), stamp(opts.Until), opts.Carrier}, "\x00")
	var list []store.FiledIncident
	var settled []call.Key
	lines := r.Summary.Lines()
	for _, class := range reconcile.Classes() {
		key := call.NewKey(scope, opts.Node, string(class), call.DialogID{})
		of := slices.DeleteFunc(slices.Clone(lines), func(l reconcile.Line) bool { return l.Class != class })
		if len(of) == 0 || slices.Contains(opts.Clean, class) {
			settled = append(settled, key)
			continue
		}
		in := store.FiledIncident{
			Key: key, Node: opts.Node, Kind: call.IncidentMismatch, Severity: call.SeverityWarning,
			Reason: string(class), Detail: "comparison with " + with + period(opts) + ": " + sentence(class, of),
		}
		if class == reconcile.MissingHere {
			in.Kind, in.Severity = call.IncidentCDRMissing, call.SeverityCritical
		}
		list = append(list, in)
	}
	return s.FileIncidents(ctx, list, settled, "a later comparison with "+with+" found none any more")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func period(o *ReconcileOptions) string {
	out := ""
	if !o.Since.IsZero() {
		out += " from " + stamp(o.Since)
	}
	if !o.Until.IsZero() {
		out += " to " + stamp(o.Until)
	}
	return out
}

// sentence tells count, minutes and money of a class, over all carriers.
func sentence(class reconcile.Class, lines []reconcile.Line) string {
	var calls, ours, theirs int64
	type money struct {
		here, there billing.Money
		priced      bool
	}
	costs := map[string]*money{}
	carriers := map[string]int64{}
	for i := range lines {
		l := &lines[i]
		calls, ours, theirs = calls+l.Calls, ours+l.OursMS, theirs+l.TheirsMS
		if l.Carrier != "" {
			carriers[l.Carrier] += l.Calls
		}
		if l.Currency == "" {
			continue
		}
		m := costs[l.Currency]
		if m == nil {
			m = &money{}
			costs[l.Currency] = m
		}
		m.here, m.there, m.priced = m.here+l.OursCost, m.there+l.TheirsCost, m.priced || l.Priced
	}
	noun := "calls"
	if calls == 1 {
		noun = "call"
	}
	out := fmt.Sprintf("%d %s %s; %s min here, %s there", calls, noun, classWords[class], minutes(ours), minutes(theirs))
	for _, c := range sortedKeys(costs) {
		m := costs[c]
		out += fmt.Sprintf("; %s %s here", m.here, c)
		if m.priced {
			out += fmt.Sprintf(", %s there", m.there)
		}
	}
	if len(carriers) > 0 {
		names := sortedKeys(carriers)
		slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(carriers[b], carriers[a]) })
		const most = 5
		for i := range names {
			names[i] = fmt.Sprintf("%s %d", names[i], carriers[names[i]])
		}
		if len(names) > most {
			names = append(names[:most:most], fmt.Sprintf("and %d more", len(names)-most))
		}
		out += " (" + strings.Join(names, ", ") + ")"
	}
	return out
}

func minutes(ms int64) string {
	n := (ms + 300) / 600
	return fmt.Sprintf("%d.%02d", n/100, n%100)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
