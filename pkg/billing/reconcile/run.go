package reconcile

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// ErrUnlike says that the lists have too little in common to be compared row by
// row: nearly always a wrong zone, a wrong column or a wrong time.
var ErrUnlike = errors.New("the two lists have too little in common")

// ErrOrder says that a source is not sorted.
var ErrOrder = errors.New("source is not sorted by time")

// Run compares two lists and hands every finding to emit, those of calls that
// found no partner last. It holds some blocks of records and what is left over,
// not the lists.
func Run(ours, theirs Source, opts *Options, emit func(*Finding) error) (*Summary, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	e := &engine{opts: opts, emit: emit, sum: NewSummary(), primary: primary(opts.Keys)}
	e.sides[0].src, e.sides[1].src = ours, theirs
	for {
		frontier, err := e.fill()
		if err != nil {
			return nil, err
		}
		if err := e.settle(frontier); err != nil {
			return nil, err
		}
		if n := len(e.left[0]) + len(e.left[1]); n > opts.MaxLeft {
			return nil, e.unlike(n)
		}
		if frontier == math.MaxInt64 {
			break
		}
	}
	if err := e.settleLeft(); err != nil {
		return nil, err
	}
	return e.sum, nil
}

// stage is what two rows are known to be the same by.
type stage uint8

const (
	byCallID stage = iota
	byNumber
	byTime
)

func primary(k Keys) stage {
	switch {
	case k.CallID:
		return byCallID
	case k.From || k.To:
		return byNumber
	}
	return byTime
}

// side is one list's part that is not settled yet, in order.
type side struct {
	src  Source
	recs []Record
	last int64 // order of the newest
	done bool
}

type engine struct {
	opts    *Options
	emit    func(*Finding) error
	sum     *Summary
	primary stage
	sides   [2]side
	left    [2][]Record
	groups  grouper
	find    Finding
}

// fill reads on, always from the side that is behind, and returns the time up to
// which both are complete.
func (e *engine) fill() (frontier int64, err error) {
	// What could not be settled stays; a window denser than a block needs a larger one.
	goal := len(e.sides[0].recs) + len(e.sides[1].recs) + e.opts.Block
	for len(e.sides[0].recs)+len(e.sides[1].recs) < goal {
		s := &e.sides[0]
		if s.done || !e.sides[1].done && e.sides[1].last < s.last {
			s = &e.sides[1]
		}
		if s.done {
			break
		}
		if err := s.read(); err != nil {
			return 0, err
		}
	}
	frontier = math.MaxInt64
	for i := range e.sides {
		if !e.sides[i].done {
			frontier = min(frontier, e.sides[i].last)
		}
	}
	return frontier, nil
}

// disorder is by how many µs a source may be out of order: times of a second's
// precision, and clocks that were set.
const disorder = 2_000_000

func (s *side) read() error {
	s.recs = append(s.recs, Record{})
	r := &s.recs[len(s.recs)-1]
	switch err := s.src.Next(r); {
	case errors.Is(err, io.EOF):
		s.recs, s.done = s.recs[:len(s.recs)-1], true
		return nil
	case err != nil:
		return err
	}
	if at := r.order(); at < s.last-disorder {
		return fmt.Errorf("%w: %s at %s comes after %s", ErrOrder, r.ID,
			time.UnixMicro(at).UTC().Format(time.RFC3339), time.UnixMicro(s.last).UTC().Format(time.RFC3339))
	} else if at > s.last {
		s.last = at
	}
	return nil
}

// window is how far apart two rows may be in the primary stage, in µs.
func (e *engine) window() int64 {
	if e.primary == byTime {
		return e.reach()
	}
	return e.opts.Window.Microseconds()
}

// reach is how far apart two rows may be that nothing but time tells apart.
func (e *engine) reach() int64 {
	most := e.opts.Start
	for _, t := range e.opts.Carriers {
		most = max(most, t.Start)
	}
	return max(most, time.Second).Microseconds()
}

// settle compares what cannot get any better by reading on, and keeps the rest.
func (e *engine) settle(frontier int64) error {
	// Sources may be a little out of order.
	for i := range e.sides {
		slices.SortStableFunc(e.sides[i].recs, byOrder)
	}
	safe := int64(math.MaxInt64)
	if frontier != math.MaxInt64 {
		safe = frontier - e.window() - disorder
	}
	m := &matching{e: e, stage: e.primary, a: e.sides[0].recs, b: e.sides[1].recs, reach: e.window(), safe: safe}
	if err := m.run(); err != nil {
		return err
	}
	for i, state := range [][]fate{m.fateA, m.fateB} {
		s := &e.sides[i]
		kept := s.recs[:0]
		for j := range s.recs {
			switch state[j] {
			case waits:
				kept = append(kept, s.recs[j])
			case alone:
				// Who was not answered is not expected on the other side.
				if r := &s.recs[j]; i == 1 || r.answered() || r.Open || r.Unseen {
					e.left[i] = append(e.left[i], s.recs[j])
				}
			case told:
			}
		}
		clear(s.recs[len(kept):])
		s.recs = kept
	}
	return nil
}

func byOrder(a, b Record) int {
	x, y := a.order(), b.order()
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// tell emits the finding of a pair.
func (e *engine) tell(a, b *Record, others int) error {
	class, why := e.opts.judge(a, b)
	return e.say(class, a, b, why, others)
}

func (e *engine) say(class Class, a, b *Record, why string, others int) error {
	if others > 0 && why != "" {
		why += fmt.Sprintf("; %d other rows would have fitted less well", others)
	}
	e.find = Finding{Class: class, Ours: a, Theirs: b, Why: why, Others: others}
	e.sum.Add(&e.find)
	return e.emit(&e.find)
}

// settleLeft looks for partners of what is left over: by key at any time, then
// by numbers in another zone, then by time alone.
func (e *engine) settleLeft() error {
	for i := range e.left {
		slices.SortStableFunc(e.left[i], byOrder)
	}
	k := e.opts.Keys
	for _, st := range []struct {
		use   bool
		stage stage
		reach int64
		final bool
		shift func() int64
	}{
		{use: k.CallID, stage: byCallID, reach: math.MaxInt64 / 4},
		{use: k.From || k.To, stage: byNumber, reach: e.opts.Window.Microseconds()},
		{use: k.From || k.To, stage: byNumber, reach: zoneMost.Microseconds()},
		{use: !e.opts.Live, stage: byTime, reach: e.reach()},
		{use: !e.opts.Live && e.primary == byTime, stage: byTime, reach: e.reach(), shift: e.commonShift},
		{use: !e.opts.Live, stage: byTime, reach: e.reach(), final: true},
	} {
		if !st.use {
			continue
		}
		m := &matching{e: e, stage: st.stage, a: e.left[0], b: e.left[1], reach: st.reach, safe: math.MaxInt64,
			zoned: st.stage == byNumber && st.reach > e.opts.Window.Microseconds(), final: st.final}
		if st.shift != nil {
			if m.shift = st.shift(); m.shift == 0 {
				continue
			}
		}
		if err := m.run(); err != nil {
			return err
		}
		for i, state := range [][]fate{m.fateA, m.fateB} {
			kept := e.left[i][:0]
			for j := range e.left[i] {
				if state[j] != told {
					kept = append(kept, e.left[i][j])
				}
			}
			e.left[i] = kept
		}
	}
	return e.settleAlone()
}

func (e *engine) settleAlone() error {
	for i := range e.left[1] {
		b := &e.left[1][i]
		why := "byeguard has no call that fits"
		if e.opts.Live {
			why = "the proxy holds it, byeguard has no record of it"
		}
		if !e.inside(b) {
			continue
		}
		if err := e.say(MissingHere, nil, b, why, 0); err != nil {
			return err
		}
	}
	for i := range e.left[0] {
		a := &e.left[0][i]
		class, why := MissingThere, "no row there fits"
		switch {
		case e.opts.Live:
			why = "open here, but the proxy does not hold it"
		case a.Open:
			class, why = StillOpen, "up here, and not there yet"
		}
		if !e.inside(a) || a.Unseen {
			continue
		}
		if err := e.say(class, a, nil, why, 0); err != nil {
			return err
		}
	}
	return nil
}

// inside says that a row is of the time that was asked for.
func (e *engine) inside(r *Record) bool {
	at := r.order()
	return (e.opts.Since == 0 || at >= e.opts.Since) && (e.opts.Until == 0 || at < e.opts.Until)
}
