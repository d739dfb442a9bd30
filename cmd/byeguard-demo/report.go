package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/lab/judge"
)

// title says what is going to happen.
func (p *printer) title(o *options) {
	fmt.Fprintln(p.out, p.paint(bold, "byeguard demo"))
	p.say(`A stock Kamailio carries %s, and is then told to end them, as an
operator's timer would. To end a call it must send a BYE to both phones: one
that gets none goes on, and so does its bill. byeguard runs beside it.
All of it uses free ports of this machine and is removed at the end.
`, plural(o.calls, "call"))
}

// report prints what happened.
func (s *show) report(ctx context.Context, p *printer, v *judge.Verdict) error {
	if err := s.versions(ctx, p); err != nil {
		return err
	}
	s.alone(p, v)
	if err := s.helped(ctx, p, v); err != nil {
		return err
	}
	if err := s.someRecords(ctx, p, v); err != nil {
		return err
	}
	if err := s.ladder(ctx, p, v); err != nil {
		return err
	}
	p.verdict(v)
	p.next(s.opts.hold)
	return nil
}

func (s *show) versions(ctx context.Context, p *printer) error {
	var postgres string
	if err := s.db.GetContext(ctx, &postgres, "SHOW server_version"); err != nil {
		return fmt.Errorf("ask PostgreSQL for its version: %w", err)
	}
	own, err := s.daemon.cli(ctx, "--version")
	if err != nil {
		return err
	}
	own = strings.TrimPrefix(strings.TrimSpace(own), "byeguard version ")
	p.head("What ran here")
	p.say("Kamailio %s", s.kam.Version())
	p.say("byeguard %s (%s)", own, runtime.Version())
	p.say("PostgreSQL %s", postgres)
	if name := system(); name != "" {
		p.say("%s, %s", name, plural(runtime.NumCPU(), "processor"))
	}
	return nil
}

// system is the name of the operating system (os-release(5)), "" if unknown.
func system() string {
	raw, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return ""
	}
	for line := range strings.SplitSeq(string(raw), "\n") {
		if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return ""
}

// alone says what Kamailio did by itself.
func (s *show) alone(p *printer, v *judge.Verdict) {
	p.head("What Kamailio did alone")
	p.fact("calls that it was told to end", "%d, in %.1f s", v.Ended, s.took.Seconds())
	p.fact("callers that got a BYE from it", "%d", v.CallersTold)
	p.fact("callees that got a BYE from it", "%d", v.CalleesTold)
	lost := v.Ended - v.CalleesTold
	p.fact("callees that got none", "%s", p.paint(bold, fmt.Sprintf("%d (%.1f %%)", lost, 100*float64(lost)/float64(v.Ended))))
	if n := s.complaints(); n > 0 {
		p.fact("lines in its log: a BYE was not sent", "%d", n)
	}
	switch {
	case len(v.Lost) == 0:
		p.say(`
Kamailio lost no BYE this time. The fault is a race, and newer versions (from
6.0.4 on) do not have it in this form; byeguard had nothing to do.`)
	default:
		p.say(`
Kamailio has forgotten %s. Nothing in it would ever end the callee's
side; a carrier that was called would go on billing until its own limit.`, these(len(v.Lost)))
	}
}

// helped says what byeguard did.
func (s *show) helped(ctx context.Context, p *printer, v *judge.Verdict) error {
	var found int
	err := s.db.GetContext(ctx, &found, "SELECT count(DISTINCT call_key) FROM byeguard.incidents WHERE kind = 'one_sided_bye'")
	if err != nil {
		return fmt.Errorf("count incidents: %w", err)
	}
	p.head("What byeguard did")
	p.fact("calls that it found ended on one side only", "%d", found)
	p.fact("callees that got their BYE from it", "%s", p.paint(bold, fmt.Sprint(len(v.Repairs))))
	if len(v.Repairs) > 0 {
		ms := func(q float64) string { return v.Gap(q).Round(time.Millisecond).String() }
		p.fact("from the caller's BYE to the callee's: median", "%s", ms(0.5))
		p.fact("                            99th percentile", "%s", ms(0.99))
		p.fact("                                    longest", "%s", ms(1))
	}
	p.fact("calls that had to stay up, and did", "%d of %d", v.Alive, v.Stayed)
	p.fact("CDRs: one for each ended call, final", "%d of %d", v.Records, v.Ended)
	if len(v.Repairs) > 0 {
		p.say(`
Before it sends a BYE it waits 250 ms, for Kamailio may be about to do so, and
asks Kamailio whether it still holds the call. How the demo tells their BYEs
apart: Kamailio counts the CSeq on by 1, byeguard goes 100 ahead.`)
	}
	return nil
}

// verdict prints each thing that could have gone wrong.
func (p *printer) verdict(v *judge.Verdict) {
	p.head("The verdict, from the phones' own records and the database")
	lines := []struct {
		good  string
		kinds []judge.Kind
	}{
		{"no leg of an ended call was left up", []judge.Kind{judge.LeftUp}},
		{"every call that had to stay up is up and answered a re-INVITE", []judge.Kind{judge.LiveEnded}},
		{"each call has exactly one CDR, final if the call ended", []judge.Kind{judge.Missing, judge.Doubled, judge.Stray, judge.OpenCDR}},
		{"the CDRs say what the phones saw (who ended, repaired or not, duration)", []judge.Kind{judge.WrongCDR}},
		{"each phone got exactly one BYE, and none that breaks the protocol", []judge.Kind{judge.NotOneBye, judge.Violation}},
		{"Kamailio holds just the calls that stay up, no incident is open", []judge.Kind{judge.Held, judge.Incident}},
	}
	for _, line := range lines {
		wrong := false
		for _, k := range line.kinds {
			if n := v.Count(k); n > 0 {
				wrong = true
				p.check(false, fmt.Sprintf("%s: %s", k, plural(n, "time")))
				p.examples(v, k)
			}
		}
		if !wrong {
			p.check(true, line.good)
		}
	}
}

// examples prints a few problems of a kind.
func (p *printer) examples(v *judge.Verdict, k judge.Kind) {
	const most = 3
	shown := 0
	for _, problem := range v.Problems {
		if problem.Kind != k {
			continue
		}
		if shown == most {
			p.say("         ...")
			return
		}
		shown++
		p.say("         %s", problem.Detail)
	}
}

// next says where to look next.
func (p *printer) next(hold bool) {
	p.head("Where to look next")
	p.say("make demo CALLS=1000           the same with more calls")
	if !hold {
		p.say("make demo DEMOFLAGS=--hold     keep it running, to look around in it")
	}
	p.say("bin/byeguard --help            the commands: serve, calls, cdrs, dialogs, incidents")
	p.say("README.md                      what byeguard is, and how to start it")
	p.say("docs/kamailio.md               hook it into your own Kamailio, in at most 12 lines")
	p.say("docs/architecture.md           how it decides, and why it never ends a live call")
}

// holding says how to look at the site that is kept running.
func (p *printer) holding(d *daemon) {
	p.head("Still running: try these in another terminal, and end it with Ctrl-C")
	for _, c := range []string{"cdrs list", "calls show call-0001", "dialogs list", "incidents list"} {
		p.say("%s %s --data-dir %s", d.program, c, d.DataDir())
	}
}
