package watchdog

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

// signalBase is what shells add to a signal's number to make an exit status of
// it.
const signalBase = 128

// parent supervises one child after the other.
type parent struct {
	Options
	sigs     chan os.Signal
	stopping bool // the child was told to end: it is not started again
}

// Run starts the program as a child, kills it when its heartbeat stops, and
// restarts it after such a kill and after a crash. It passes SIGTERM, SIGINT and
// SIGHUP on; the end of ctx counts as SIGTERM. As a terminal, or a service
// manager, may send a signal to parent and child both, the child must bear to
// get it twice.
//
// Run returns when the child has ended by itself, with the child's exit status,
// or 128 + the signal's number when it ended by a signal while it was told to
// end. The caller exits with it. An error means that no child could be started.
func Run(ctx context.Context, o Options) (int, error) {
	if err := o.Validate(); err != nil {
		return 1, err
	}
	o, err := o.withDefaults()
	if err != nil {
		return 1, err
	}
	p := &parent{Options: o, sigs: make(chan os.Signal, 8)}
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if !signal.Ignored(s) { // as under nohup: Notify would bring it back
			signal.Notify(p.sigs, s)
		}
	}
	defer signal.Stop(p.sigs)
	return p.run(ctx)
}

func (p *parent) run(ctx context.Context) (int, error) {
	pauses := backoff{base: p.Backoff, limit: p.MaxBackoff, healthy: p.Healthy}
	previous := ""
	for restarts := 0; ; restarts++ {
		var lived time.Duration
		switch c, err := spawn(p.Options, restarts, previous); {
		case err != nil && restarts == 0:
			return 1, err
		case err != nil: // the program may be being replaced just now
			previous = err.Error()
		default:
			why := p.supervise(ctx, c)
			code, final := p.verdict(c.status)
			if final {
				return code, nil
			}
			if why == "" {
				why = "ended by " + c.status.Signal().String()
			}
			previous, lived = why, time.Since(c.started)
		}
		pause := pauses.pause(lived)
		p.Log.WithFields(logrus.Fields{
			"reason": previous, "lived": lived.Round(time.Millisecond).String(),
			"restarts": restarts + 1, "pause": pause.String(),
		}).Error("byeguard died, restarting it")
		if !p.pause(ctx, pause) {
			return 0, nil
		}
	}
}

// verdict tells the exit status, and whether it is final. Only a death by a
// signal is a reason to restart (the watchdog's own SIGKILL, a crash, the
// kernel's out-of-memory killer), and not by one that ends a service politely.
func (p *parent) verdict(status syscall.WaitStatus) (int, bool) {
	if !status.Signaled() {
		return status.ExitStatus(), true
	}
	switch status.Signal() {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP:
		return signalBase + int(status.Signal()), true
	}
	return signalBase + int(status.Signal()), p.stopping
}

// supervise waits for the end of the child, and kills it if need be. It returns
// why it killed it, or "".
func (p *parent) supervise(ctx context.Context, c *process) string {
	accused := make(chan string, 1)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		l := listener{stall: p.Stall, startup: p.Startup, born: c.started}
		if why := l.listen(c.beats, c.ended); why != "" {
			accused <- why
		}
	}()
	defer func() {
		<-heard
		_ = c.beats.Close()
	}()

	killed := ""
	kill := func(why string) {
		killed = why
		p.send(c, syscall.SIGKILL)
	}
	done := ctx.Done()
	var overtime <-chan time.Time
	stop := func(s os.Signal) {
		p.send(c, s)
		if !p.stopping {
			p.stopping = true
			overtime = time.After(p.Stop)
		}
	}
	for {
		select {
		case <-c.ended:
			return killed
		case why := <-accused:
			kill(why)
		case <-overtime:
			kill(fmt.Sprintf("still there %v after it was told to end", p.Stop))
		case <-done:
			done = nil
			stop(syscall.SIGTERM)
		case s := <-p.sigs:
			if s == syscall.SIGHUP {
				p.send(c, s)
			} else {
				stop(s)
			}
		}
	}
}

func (p *parent) send(c *process, s os.Signal) {
	if err := c.signal(s); err != nil {
		p.Log.WithError(err).Error("cannot signal byeguard")
	}
}

// pause waits before a restart; false means that the parent is to end.
func (p *parent) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case s := <-p.sigs:
			if s != syscall.SIGHUP {
				return false
			}
		case <-timer.C:
			return ctx.Err() == nil
		}
	}
}
