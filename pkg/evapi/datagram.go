package evapi

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Events may come as UDP datagrams instead of over evapi's connection: the proxy
// sends one for each (corex send_data), and a sync five times a second. Nothing
// goes back: there is neither hello nor acknowledgement, since a datagram that
// nobody reads blocks nobody. What the kernel could not keep shows as a gap.

const (
	maxDatagram = 64 << 10
	// roomAhead is by how many events a batch grows: nobody knows how many
	// datagrams wait.
	roomAhead = 8
	// wideBuffer is how much the kernel must keep for long rests, in bytes as it
	// counts them: a datagram of an event counts as some 2,300.
	wideBuffer  = 2 << 20
	restLonger  = 4
	restsBelowN = 256
)

// prepareDatagrams makes the session read datagrams, with longer rests where the
// kernel keeps enough of them meanwhile: there is no credit to run out.
func (s *session) prepareDatagrams() {
	s.datagram = make([]byte, maxDatagram)
	if s.conn.receiveBuffer() >= wideBuffer {
		s.restFor, s.restMax = restLonger*s.restFor, restsBelowN
	}
}

// receive hands on the datagrams that wait, a batch at most.
func (s *session) receive() (now time.Time, err error) {
	o := &s.c.opts
	now = o.Now()
	s.room = roomAhead
	n := 0
	for err == nil && n < o.MaxBatch {
		var size int
		if size, err = s.conn.receive(s.datagram); err != nil {
			break
		}
		n++
		s.c.n.bytes.Add(uint64(size))
		err = s.message(s.datagram[:size], now)
	}
	if n > 0 {
		s.c.n.reads.Add(1)
		if errors.Is(err, errEmpty) {
			err = nil
		}
	}
	if slow := s.deliver(); slow != nil && (err == nil || errors.Is(err, errEmpty)) {
		err = slow
	}
	if err != nil && !errors.Is(err, errEmpty) {
		err = fmt.Errorf("read from %s: %w", o.Addr, err)
	}
	return now, err
}

// message takes one datagram. The proxy's own socket is all that the kernel lets
// through, but a SIP message that somebody has it forward to here comes from that
// socket too. It has line ends, which no event has.
func (s *session) message(body []byte, now time.Time) error {
	if bytes.ContainsAny(body, "\r\n") {
		s.c.n.frames.Add(1)
		s.c.n.foreign.Add(1)
		return nil
	}
	return s.frame(body, now)
}

// silent explains that nothing comes.
func (s *session) silent(since time.Duration) error {
	o := &s.c.opts
	if s.hello {
		return fmt.Errorf("%w from %s for %v", ErrDead, o.From, since.Round(time.Millisecond))
	}
	return fmt.Errorf("%w from %s at %s (is kamailio up, with BYEGUARD_UDP \"sip:%s\", and does it send from that socket?)",
		ErrSilent, o.From, o.Listen, o.Listen)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
