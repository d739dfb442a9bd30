package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"
)

// stack holds what was started, to be stopped last in, first out, each step
// within its bound.
type stack struct {
	log   logrus.FieldLogger
	steps []step
	fatal chan error // the first part that ended by itself
}

type step struct {
	name  string
	bound time.Duration
	stop  func(context.Context) error
}

func newStack(log logrus.FieldLogger) *stack {
	return &stack{log: log, fatal: make(chan error, 1)}
}

// onStop registers what ends a part that was started.
func (s *stack) onStop(name string, bound time.Duration, stop func(context.Context) error) {
	s.steps = append(s.steps, step{name: name, bound: bound, stop: stop})
}

// run starts a part that lives until its context ends. One that ends before
// with an error ends the daemon.
func (s *stack) run(name string, bound time.Duration, part func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := part(ctx)
		if err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("%s: %w", name, err))
		}
		done <- err
	}()
	s.onStop(name, bound, func(limit context.Context) error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-limit.Done():
			return errors.New("did not end in time")
		}
	})
}

func (s *stack) fail(err error) {
	select {
	case s.fatal <- err:
	default: // the first one counts
	}
}

// stop ends all parts and joins what went wrong.
func (s *stack) stop() error {
	var errs []error
	for i := len(s.steps) - 1; i >= 0; i-- {
		st := s.steps[i]
		ctx, cancel := context.WithTimeout(context.Background(), st.bound)
		began := time.Now()
		if err := st.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", st.name, err))
		}
		cancel()
		s.log.WithField("took", time.Since(began).Round(time.Millisecond)).Debugf("%s stopped", st.name)
	}
	s.steps = nil
	return errors.Join(errs...)
}
