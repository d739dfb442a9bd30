package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/lab/judge"
)

// errLeftover says that something of the demo could not be removed.
var errLeftover = errors.New("cannot clean up")

// show is one run of the demo: the site, and what happened on it.
type show struct {
	opts  options
	steps steps
	dir   string

	kam    *lab.Kamailio
	daemon *daemon
	db     *sqlx.DB
	caller *lab.UA
	callee *lab.UA

	ended, stayed []lab.Pair
	proofs        map[string]int // by Call-ID, see judge.Call
	took          time.Duration  // for Kamailio to carry out all orders to end calls
}

// play runs the demo. ok is the judge's word.
func play(interrupt context.Context, o options, out *os.File) (ok bool, err error) {
	ctx, cancel := context.WithCancelCause(interrupt)
	s := &show{opts: o, proofs: make(map[string]int), steps: steps{out: out, terminal: isTerminal(out)}}
	p := newPrinter(out, s.steps.terminal)
	defer func() {
		cancel(nil)
		if left := s.close(); left != nil {
			ok, err = false, errors.Join(err, fmt.Errorf("%w: %w", errLeftover, left))
		}
	}()
	p.title(&o)
	v, err := s.run(ctx, cancel)
	if err == nil {
		err = s.report(ctx, p, &v)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if interrupt.Err() == nil && (err != nil || !v.OK()) {
		s.logs(p.out)
	}
	if err != nil {
		return false, err
	}
	if o.hold {
		p.holding(s.daemon)
		<-ctx.Done()
		fmt.Fprintln(p.out, "\nStopping and removing everything.")
	}
	return v.OK(), nil
}

// run does everything that is to be judged, and has it judged.
func (s *show) run(ctx context.Context, cancel context.CancelCauseFunc) (judge.Verdict, error) {
	if err := s.start(ctx); err != nil {
		return judge.Verdict{}, err
	}
	go func() {
		<-s.daemon.Done()
		cancel(errDaemonEnded) // no-op when the demo is over
	}()
	if err := s.placeStaying(ctx); err != nil {
		return judge.Verdict{}, err
	}
	for round := 1; ; round++ {
		if err := s.round(ctx, round); err != nil {
			return judge.Verdict{}, err
		}
		v, err := s.judge(ctx)
		if err != nil {
			return v, err
		}
		if len(v.Lost) > 0 || round == s.opts.rounds {
			break
		}
		fmt.Fprintf(s.steps.out, "  This time Kamailio told every callee; once more with %d calls.\n", s.opts.calls)
	}
	if err := s.prove(ctx); err != nil {
		return judge.Verdict{}, err
	}
	return s.judge(ctx)
}

// start brings up Kamailio, byeguard and the agents.
func (s *show) start(ctx context.Context) (err error) {
	st := s.steps.begin("starting Kamailio", 0)
	defer func() {
		if st != nil {
			err = st.end(err)
		}
	}()
	if s.dir, err = os.MkdirTemp("", "byeguard-demo-"); err != nil {
		return err
	}
	// PostgreSQL runs as another user when we are root.
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	// dlg.list makes its whole answer in the private memory of one process.
	memory := 0
	if s.opts.calls > 1000 {
		memory = 16 + s.opts.calls/100
	}
	if s.kam, err = lab.StartKamailio(ctx, lab.KamailioOptions{PkgMemMB: memory}); err != nil {
		return err
	}
	_ = st.end(nil)
	st = s.steps.begin("starting byeguard and its own PostgreSQL", 0)
	if s.daemon, err = startDaemon(ctx, s.opts.byeguard, s.dir, s.kam); err != nil {
		return err
	}
	_ = st.end(nil)
	st = nil
	url, err := s.daemon.database()
	if err != nil {
		return err
	}
	if s.db, err = sqlx.Open("postgres", url); err != nil {
		return err
	}
	if s.caller, err = lab.NewUA(lab.UAOptions{Name: "alice", Proxy: s.kam.SIPAddr}); err != nil {
		return err
	}
	s.callee, err = lab.NewUA(lab.UAOptions{Name: "bob", Proxy: s.kam.SIPAddr})
	return err
}

// close stops and removes everything.
func (s *show) close() error {
	var errs []error
	if s.db != nil {
		s.db.Close()
	}
	for _, ua := range []*lab.UA{s.caller, s.callee} {
		if ua != nil {
			ua.Close()
		}
	}
	if s.daemon != nil {
		errs = append(errs, s.daemon.stop())
	}
	if s.kam != nil {
		errs = append(errs, s.kam.Close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// logs shows what byeguard and Kamailio wrote last.
func (s *show) logs(out io.Writer) {
	if s.daemon != nil {
		fmt.Fprintf(out, "\nThe end of byeguard's log:\n%s\n", lastLines(s.daemon.Log(), 25))
	}
	if s.kam != nil {
		fmt.Fprintf(out, "\nThe end of Kamailio's log:\n%s\n", lastLines(s.kam.Log(), 15))
	}
}
