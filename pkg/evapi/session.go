package evapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// session is one connection of a Client.
type session struct {
	c    *Client
	conn *socket
	h    Handler

	hello    bool         // answered
	boot     int64        // of the answer
	begun    time.Time    // when hello was asked
	lastOwn  time.Time    // when a frame of ours was read
	hurry    bool         // ask for a sync now: another reader said hello, perhaps because the proxy had forgotten all
	syncAt   time.Time    // when the sync that is not answered yet was asked; zero = none
	early    []call.Event // events read before the answer to hello
	slab     []call.Event // the batch in the making
	room     int          // frames that are still to come in it
	newest   int64        // newest relay counter read, as printed
	counted  bool         // newest is set
	unacked  int          // frames of ours read since the last acknowledgement
	drained  int          // frames read since the reader last waited
	busy     time.Time    // no rest before this
	rest     *time.Timer
	restFor  time.Duration // how long; 0 = no rests
	restMax  int           // frames since the last wait that keep the reader from resting
	datagram []byte        // UDP only: what one is read into
	out      []byte        // a frame to write
	badUntil time.Time     // no further log line about bad frames before this
	badCount uint64        // bad frames not logged yet
}

func newSession(c *Client, conn *socket, h Handler) *session {
	c.framer.Reset()
	s := &session{c: c, conn: conn, h: h, rest: time.NewTimer(time.Hour), restFor: c.opts.Rest, restMax: restBelow}
	if c.opts.Listen != "" {
		s.prepareDatagrams()
	}
	return s
}

// run is the reader. Each turn reads what there is and hands it on; once nothing
// is left it is acknowledged, and the reader waits or rests. None of it waits for
// anything but the socket, and that for at most 100 ms.
func (s *session) run(ctx context.Context) error {
	o := &s.c.opts
	defer s.rest.Stop()
	s.begun = o.Now()
	if s.datagram == nil {
		if err := s.write("byeguard hello 1 " + o.Reader); err != nil {
			return err
		}
	}
	for {
		o.Beat()
		now, err := s.read()
		if ctx.Err() != nil {
			return ctx.Err() // after what was read was handed on
		}
		empty := errors.Is(err, errEmpty)
		if err != nil && !empty {
			return err
		}
		if err := s.watch(now); err != nil {
			return err
		}
		if !empty {
			continue // there may be more
		}
		if err := s.ack(); err != nil {
			return err
		}
		if err := s.pause(ctx, now); err != nil {
			return s.readError(err)
		}
	}
}

// read hands on what there is to read, errEmpty if nothing.
func (s *session) read() (now time.Time, err error) {
	if s.datagram != nil {
		return s.receive()
	}
	n, rerr := s.c.framer.Fill(s.conn)
	now = s.c.opts.Now()
	if n > 0 {
		s.c.n.reads.Add(1)
		s.c.n.bytes.Add(uint64(n))
		if err := s.frames(now); err != nil {
			return now, err
		}
	}
	if rerr != nil && !errors.Is(rerr, errEmpty) {
		rerr = s.readError(rerr)
	}
	return now, rerr
}

// pause lets time pass until there is something to read again. Where little came
// since the last pause, and that lately, the reader rests a while first, so that
// it is woken once for several events. It bounds how much of the proxy's credit
// can be used up unread: who sends fast is read without rests, and for some time
// after, since bursts come in waves.
func (s *session) pause(ctx context.Context, now time.Time) error {
	o := &s.c.opts
	drained := s.drained
	s.drained = 0
	switch {
	case drained >= s.restMax:
		s.busy = now.Add(busyFor)
	case drained > 0 && s.restFor > 0 && s.hello && !now.Before(s.busy):
		s.rest.Reset(s.restFor)
		select {
		case <-s.rest.C:
		case <-ctx.Done():
		}
		return nil
	}
	return s.conn.wait(min(beatEvery, o.SyncIdle/2, o.ReorderWait/2))
}

// readError explains an end of the stream: before hello was answered it most
// often means that the peer is no evapi, or has no free client slot.
func (s *session) readError(err error) error {
	if s.hello {
		return fmt.Errorf("read from %s: %w", s.c.opts.Addr, err)
	}
	return fmt.Errorf("read from %s before the answer to hello (are all max_clients of evapi taken?): %w", s.c.opts.Addr, err)
}

// frames takes all complete frames out of the buffer.
func (s *session) frames(now time.Time) error {
	for {
		n := s.c.framer.Count(s.c.opts.MaxBatch)
		if n == 0 {
			break
		}
		if err := s.batch(n, now); err != nil {
			return err
		}
	}
	if _, _, err := s.c.framer.Next(); err != nil {
		return fmt.Errorf("read from %s: %w", s.c.opts.Addr, err)
	}
	if s.unacked == 0 { // no answer of ours will carry the kernel's
		quickAck(s.conn.fd)
	}
	return nil
}

// batch decodes n frames, all of which are in the buffer, and hands them on. An
// error does not take those with it that came before.
func (s *session) batch(n int, now time.Time) error {
	var err error
	for s.room = n; s.room > 0 && err == nil; s.room-- {
		var frame []byte
		if frame, _, err = s.c.framer.Next(); err == nil {
			err = s.frame(frame, now)
		}
	}
	if slow := s.deliver(); err == nil {
		err = slow
	}
	return err
}

// slot returns a zero Event behind the slab. A slab is as long as the frames at
// hand, so a batch costs one allocation however many events it holds.
func (s *session) slot() *call.Event {
	if n := len(s.slab); n == cap(s.slab) {
		grown := make([]call.Event, n, n+s.room)
		copy(grown, s.slab)
		s.slab = grown
	}
	return &s.slab[:len(s.slab)+1][len(s.slab)]
}

// frame takes one frame. Its event, if any, goes into the slab.
func (s *session) frame(body []byte, now time.Time) error {
	n := &s.c.n
	n.frames.Add(1)
	s.drained++
	ev := s.slot()
	f, err := s.c.decoder.Decode(body, ev)
	switch {
	case errors.Is(err, ErrForeign):
		n.foreign.Add(1)
		return nil
	case errors.Is(err, ErrVersion) && !s.hello:
		return fmt.Errorf("hello to %s: %w", s.c.opts.Addr, err)
	case err != nil:
		s.bad(f, err, now)
		return s.own(f, now)
	}
	if f.Control != nil {
		if err := s.control(f, now); err != nil {
			return err
		}
		return s.own(f, now)
	}
	if s.hello && f.Boot != s.boot {
		return fmt.Errorf("read from %s: %w: %d after %d", s.c.opts.Addr, ErrBoot, f.Boot, s.boot)
	}
	ev.Seen = now.UnixMicro()
	if s.hello {
		s.c.tracker.Heard(ev.At)
		ev.Seq = s.c.tracker.See(f.Seq, now)
		n.lastSeq.Store(s.c.tracker.high)
	}
	n.kinds[ev.Kind].Add(1) // Decode knows no others
	n.lastAt.Store(ev.At)
	n.lastSeen.Store(ev.Seen)
	s.slab = s.slab[:len(s.slab)+1]
	return s.own(f, now)
}

// own notes that a frame of byeguard's was read, and acknowledges if due.
func (s *session) own(f Frame, now time.Time) error {
	s.lastOwn, s.syncAt = now, time.Time{}
	if f.HasSent && (!s.counted || newer(f.Sent, s.newest)) {
		s.newest, s.counted = f.Sent, true
		s.c.n.lastSent.Store(f.Sent)
	}
	if s.datagram != nil {
		return nil
	}
	if s.unacked++; s.unacked >= s.c.opts.AckEvery {
		return s.ack()
	}
	return nil
}

// bad reports a frame that should have been an event. If its number is known it
// is no hole as well.
func (s *session) bad(f Frame, err error, now time.Time) {
	s.c.n.bad.Add(1)
	s.badCount++
	if !now.Before(s.badUntil) {
		s.c.opts.Logger.WithError(err).WithField("frames", s.badCount).
			Warn("event of the proxy not understood: do byeguard-events.cfg and byeguard have the same version?")
		s.badCount, s.badUntil = 0, now.Add(10*time.Second)
	}
	if s.hello && f.HasSeq && f.HasBoot && f.Boot == s.boot {
		seq := s.c.tracker.See(f.Seq, now)
		s.c.tracker.Missed(seq, seq, CauseBad)
	}
}

// deliver hands the slab on, or keeps it while hello is unanswered.
func (s *session) deliver() error {
	batch := s.slab
	if len(batch) == 0 {
		return nil
	}
	s.slab = nil
	if s.hello {
		return s.hand(batch)
	}
	if len(s.early)+len(batch) > maxEarly {
		return fmt.Errorf("read from %s: %w", s.c.opts.Addr, ErrEarly)
	}
	s.early = append(s.early, batch...)
	return nil
}

// hand gives a batch to the handler, after the gaps before it.
func (s *session) hand(batch []call.Event) error {
	s.gaps()
	if len(batch) == 0 || s.h.Events(batch) {
		return nil
	}
	s.c.n.refused.Add(uint64(len(batch)))
	for _, run := range runs(batch) {
		s.c.tracker.Missed(run[0], run[1], CauseRefused)
	}
	s.gaps()
	return ErrSlow
}

// gaps hands new gaps to the handler.
func (s *session) gaps() {
	for _, g := range s.c.tracker.Take() {
		s.c.n.gaps.Add(1)
		if g.To >= g.From {
			s.c.n.missed.Add(g.To - g.From + 1)
		}
		s.h.Gap(g)
	}
}

// watch does what is due by time: gaps, a sync, giving up.
func (s *session) watch(now time.Time) error {
	o := &s.c.opts
	if s.datagram != nil {
		if since := now.Sub(latest(s.begun, s.lastOwn)); since >= o.DeadAfter {
			return s.silent(since)
		}
		s.c.tracker.Expire(now)
		s.gaps()
		return nil
	}
	if !s.hello {
		if now.Sub(s.begun) >= o.HelloTimeout {
			return fmt.Errorf("%w from %s: does kamailio.cfg include byeguard-routes.cfg?", ErrNotByeguard, o.Addr)
		}
		return nil
	}
	s.c.tracker.Expire(now)
	s.gaps()
	switch {
	case !s.syncAt.IsZero():
		if now.Sub(s.syncAt) >= o.DeadAfter {
			return fmt.Errorf("%w from %s within %v", ErrDead, o.Addr, o.DeadAfter)
		}
	case s.hurry || now.Sub(s.lastOwn) >= o.SyncIdle:
		s.syncAt, s.hurry = now, false
		s.c.n.syncs.Add(1)
		return s.write("byeguard sync")
	}
	return nil
}
