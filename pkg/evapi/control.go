package evapi

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// control takes a hello or sync frame.
func (s *session) control(f Frame, now time.Time) error {
	switch {
	case !s.hello && (f.Kind == FrameHello || s.datagram != nil):
		return s.welcome(f.Control, now)
	case !s.hello:
		return nil // a sync that an earlier client of the same tag asked for
	case f.Boot != s.boot:
		return fmt.Errorf("read from %s: %w: %d after %d", s.c.opts.Addr, ErrBoot, f.Boot, s.boot)
	}
	// Another reader's hello or sync is as good as ours: all say how far the
	// proxy has counted.
	s.c.tracker.Heard(f.Control.At)
	if f.Kind == FrameHello {
		s.c.tracker.Count(f.Seq, now)
	} else {
		s.c.tracker.Sync(f.Seq, now)
	}
	if err := s.recount(f); err != nil {
		return err
	}
	s.hurry = s.hurry || f.Kind == FrameHello && s.datagram == nil
	s.c.n.lastSeq.Store(s.c.tracker.high)
	return nil
}

// recount follows a relay counter that is behind what was read: it may have been
// set back, and acknowledgements in the old numbers are refused. If it was not, no
// harm is done: the proxy passes over an acknowledgement behind an earlier one.
func (s *session) recount(f Frame) error {
	if !f.HasSent || !s.counted || f.Sent == s.newest || newer(f.Sent, s.newest) {
		return nil
	}
	if err := s.ack(); err != nil {
		return err
	}
	s.newest = f.Sent
	s.c.n.lastSent.Store(f.Sent)
	return nil
}

// welcome checks the answer to hello and hands on what came before it: the
// proxy relays to us from the moment it has set our tag, and its answer may be
// overtaken by events of other processes.
func (s *session) welcome(ctl *Control, now time.Time) error {
	o := &s.c.opts
	if ctl.Node != o.Node {
		return fmt.Errorf("%w: kamailio at %s calls itself %q (BYEGUARD_NODE), byeguard's configuration says %q",
			ErrNode, o.Addr, ctl.Node, o.Node)
	}
	before := s.c.tracker.Position()
	restarted := s.c.tracker.known && (before.Boot != ctl.Boot ||
		distance(ctl.Seq, before.Seq) < 0 && s.c.tracker.anew() == CauseRestart)
	seq := s.c.tracker.Hello(ctl.Boot, ctl.Seq, now)
	s.c.tracker.Heard(ctl.At)
	s.hello, s.boot = true, ctl.Boot
	s.c.n.connected.Store(true)
	s.c.n.connects.Add(1)
	s.c.n.lastSeq.Store(seq)
	s.c.n.creditLimit.Store(int64(ctl.Limit))
	s.h.Connected(Hello{
		Node: ctl.Node, Addr: o.Addr, Boot: ctl.Boot, Seq: seq, Limit: ctl.Limit,
		Version: ctl.Version, At: ctl.At, Seen: now.UnixMicro(),
		Restarted: restarted,
	})
	early := append(s.early, s.slab...)
	s.early, s.slab = nil, nil
	for i := range early {
		if early[i].Boot != ctl.Boot {
			return fmt.Errorf("hello to %s: %w: %d after %d", o.Addr, ErrBoot, ctl.Boot, early[i].Boot)
		}
		early[i].Seq = s.c.tracker.See(uint32(early[i].Seq), now)
	}
	return s.hand(early)
}

// runs turns the numbers of a batch into runs from, to, in order.
func runs(batch []call.Event) [][2]uint64 {
	numbers := make([]uint64, len(batch))
	for i := range batch {
		numbers[i] = batch[i].Seq
	}
	slices.Sort(numbers)
	var out [][2]uint64
	for _, seq := range numbers {
		if n := len(out); n > 0 && seq <= out[n-1][1]+1 {
			out[n-1][1] = seq
			continue
		}
		out = append(out, [2]uint64{seq, seq})
	}
	return out
}

// write sends one frame to the proxy. A peer that does not take these few bytes
// in time is stuck, and waiting for it would stop the reading.
func (s *session) write(body string) error {
	s.out = AppendFrame(s.out[:0], body)
	return s.flush()
}

// ack gives credit back: it tells the newest relay counter read, in the very
// digits of the proxy, whose integers may be 32 bits wide (5.6).
func (s *session) ack() error {
	if s.unacked == 0 || !s.counted || !s.hello {
		return nil
	}
	s.unacked = 0
	var digits [20]byte
	number := appendInt(digits[:0], s.newest)
	const head = "byeguard ack "
	s.out = appendInt(s.out[:0], int64(len(head)+len(number)))
	s.out = append(append(append(append(s.out, ':'), head...), number...), ',')
	if err := s.flush(); err != nil {
		return err
	}
	s.c.n.acks.Add(1)
	s.c.n.lastAcked.Store(s.newest)
	return nil
}

func (s *session) flush() error {
	// The kernel's send buffer goes by real time, not by Options.Now.
	if err := s.conn.write(s.out, s.c.opts.WriteTimeout); err != nil {
		what, _, _ := strings.Cut(string(s.out), ",")
		return fmt.Errorf("%w: %q to %s: %w", ErrWrite, what, s.c.opts.Addr, err)
	}
	return nil
}
