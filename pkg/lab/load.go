package lab

import (
	"context"
	"fmt"
	"time"
)

// Pair is one call as both of its ends know it.
type Pair struct {
	Caller, Callee *Call
}

// LoadOptions say how many calls are placed, between whom.
type LoadOptions struct {
	Callers, Callees []*UA
	Calls            int
	// PerSecond paces the INVITEs; 0 = 200.
	PerSecond int
	// Options makes the options of call i; nil = a plain call. To is filled in
	// where it is "".
	Options func(i int) CallOptions
	// Progress is told of each call that is up; nil = nobody is.
	Progress func(up int)
}

// PlaceCalls places calls in turn over all agents, waits until each is up at
// both ends, and returns them in their order.
func PlaceCalls(ctx context.Context, opts LoadOptions) ([]Pair, error) {
	if opts.PerSecond == 0 {
		opts.PerSecond = 200
	}
	pairs := make([]Pair, opts.Calls)
	callees := make([]*UA, opts.Calls)
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range pairs {
		timer.Reset(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(opts.PerSecond))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("place call %d of %d: %w", i+1, opts.Calls, ctx.Err())
		}
		var co CallOptions
		if opts.Options != nil {
			co = opts.Options(i)
		}
		callees[i] = opts.Callees[i%len(opts.Callees)]
		if co.To == "" {
			co.To = callees[i].URI()
		}
		call, err := opts.Callers[i%len(opts.Callers)].Call(ctx, co)
		if err != nil {
			return nil, fmt.Errorf("place call %d of %d: %w", i+1, opts.Calls, err)
		}
		pairs[i].Caller = call
	}
	for i := range pairs {
		p := &pairs[i]
		if err := p.Caller.WaitUp(ctx); err != nil {
			return nil, err
		}
		var err error
		if p.Callee, err = callees[i].WaitCall(ctx, p.Caller.CallID()); err != nil {
			return nil, err
		}
		if err := p.Callee.WaitUp(ctx); err != nil {
			return nil, err
		}
		if opts.Progress != nil {
			opts.Progress(i + 1)
		}
	}
	return pairs, nil
}
