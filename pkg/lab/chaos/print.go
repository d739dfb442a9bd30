package chaos

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/lab/judge"
)

// examples is how many cases of each kind of failure are shown.
const examples = 5

// Print writes the report as people read it, at most 100 columns wide where
// what was found does not need more.
func (r *Report) Print(out io.Writer) {
	say := func(name, format string, args ...any) {
		fmt.Fprintf(out, "  %-44s %s\n", name, fmt.Sprintf(format, args...))
	}
	head := func(text string) { fmt.Fprintf(out, "\n%s\n%s\n", text, strings.Repeat("-", len(text))) }
	v := &r.Verdict

	head("What was done")
	say("seed, Kamailio", "%d, %s", r.Seed, r.Kamailio)
	say("calls and faults, all in all", "%v, %v", r.Duration, r.Took.Round(time.Second))
	say("calls placed", "%d: %d answered, %d refused, %d failed", r.Placed, r.Answered, r.Refused, r.Failed)
	say("ended by Kamailio (dlg.end_dlg)", "%d", r.Ordered)
	say("hung up by an end point", "%d, %d of them as Kamailio had forgotten the call", r.HungUp, r.Instead)
	say("re-INVITEs", "%d", r.Reinvited)
	say("datagrams lost, delayed", "%d, %d", r.Lost, r.Delayed)
	say("events; JSON-RPC requests, spoiled ones", "%d; %d, %d", r.Events, r.Requests, r.Spoiled)
	for _, k := range Kinds() {
		n, total := 0, time.Duration(0)
		for _, s := range r.Done {
			if s.Kind == k {
				n, total = n+1, total+s.For
			}
		}
		if n > 0 {
			say("fault "+string(k), "%d times, %.1f s in all", n, total.Seconds())
		}
	}
	for _, text := range r.Skipped {
		say("NOT DONE HERE", "%s", text)
	}

	head("What byeguard made of it")
	say("calls that ended; still up", "%d; %d", v.Ended, v.Alive)
	say("ends told by Kamailio or the other end", "%d callers, %d callees", v.CallersTold, v.CalleesTold)
	say("repaired by byeguard", "%d; median %v, 99 %% %v after the other end", len(v.Repairs),
		v.Gap(.5).Round(time.Millisecond), v.Gap(.99).Round(time.Millisecond))
	say("up on one side, with an incident or without", "%d", len(v.Lost))
	say("ended calls with one final CDR", "%d", v.Records)
	say("answered across a restart, and told to nobody", "%d", v.Untold)
	say("incidents still open", "%d", r.OpenIncidents)
	say("byeguard ended by itself", "%d times", r.Exits)
	say("all settled", "%.0f s after the last call's end", r.Settled.Seconds())
	if r.DiskUsed > 0 {
		say("its data directory at the end", "%.1f MB", float64(r.DiskUsed)/(1<<20))
	}
	for _, p := range []struct {
		name string
		s    *PingStats
	}{{"OPTIONS to the guarded proxy", &r.Guarded}, {"to its twin without byeguard, no calls", &r.Twin}} {
		say(p.name, "%d: %d lost, %d over 50 ms; median %s, 99 %% %s, 99.9 %% %s, longest %s", p.s.Sent, p.s.Lost, p.s.Late,
			short(p.s.Median), short(p.s.P99), short(p.s.P999), short(p.s.Worst))
	}

	head("The verdict, from the user agents' own records and the database")
	for _, k := range judge.FaultKinds() {
		n := v.Count(k)
		word := "ok   "
		if n > 0 {
			word = "WRONG"
		}
		fmt.Fprintf(out, "  %s %6d  %s\n", word, n, k)
		shown := 0
		for _, p := range v.Problems {
			if p.Kind == k && shown < examples {
				shown++
				fmt.Fprintf(out, "                %s\n", p.Detail)
			}
		}
	}
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
