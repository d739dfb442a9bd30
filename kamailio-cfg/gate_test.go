package kamailiocfg_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// emit makes the proxy count n lab events in one request.
func (p *proxy) emit(n int, headers ...string) {
	p.t.Helper()
	took := p.options(10*time.Second, append(headers, fmt.Sprintf("X-Lab-Events: %d", n))...)
	require.Positive(p.t, took, "the proxy did not answer")
}

func TestGateClosesAndOpens(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB", "-A", "BYEGUARD_CREDIT=20")
	p.noisy = true
	p.emit(5) // nobody reads: counted all the same
	r, first := hello(t, p)
	require.EqualValues(t, 5, first.num("s"))
	require.EqualValues(t, 0, first.num("r"))
	require.EqualValues(t, 20, first.num("limit"))

	p.emit(50)
	var last event
	for i := range 20 {
		last = r.next()
		require.EqualValues(t, 6+i, last.num("s"))
		require.EqualValues(t, 1+i, last.num("r"))
	}
	sync := r.synced()
	require.EqualValues(t, 55, sync.num("s"), "those that were not relayed are counted")
	require.EqualValues(t, 20, sync.num("r"))

	p.emit(1)
	require.EqualValues(t, 56, r.synced().num("s"))

	// An acknowledgement opens the gate by as much as it acknowledges.
	r.send("byeguard ack 7")
	r.synced()
	p.emit(10)
	for i := range 7 {
		last = r.next()
		require.EqualValues(t, 57+i, last.num("s"), "the hole is 26 to 56")
		require.EqualValues(t, 21+i, last.num("r"))
	}
	r.synced()

	// Nonsense does not open it.
	for _, frame := range []string{"byeguard ack 1000", "byeguard ack", "byeguard ack x", "byeguard ack -3", "byeguard", "byeguard ", "byeguard nonsense", "x", "byeguard ack 99999999999"} {
		r.send(frame)
	}
	r.synced()
	p.emit(1)
	r.synced()

	r.ack(last)
	r.synced()
	p.emit(1)
	require.EqualValues(t, 28, r.next().num("r"))
}

func TestSlowestReaderCounts(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB", "-A", "BYEGUARD_CREDIT=20")
	fast, _ := hello(t, p)
	slow, _ := hello(t, p)
	require.Equal(t, "hello", fast.next().kind(), "both get the second hello's answer")
	p.emit(30)
	var last event
	for range 20 {
		last = fast.next()
		slow.next()
	}
	fast.ack(last)
	fast.synced()
	require.Equal(t, "sync", slow.next().kind())
	p.emit(1)
	fast.synced() // nothing came
	require.Equal(t, "sync", slow.next().kind())
	slow.send("byeguard ack 4")
	slow.synced()
	require.Equal(t, "sync", fast.next().kind())
	p.emit(30)
	for i := range 4 {
		require.EqualValues(t, 21+i, fast.next().num("r"))
	}
	fast.synced()

	// A reader that leaves no longer counts.
	slow.conn.Close()
	require.Eventually(t, func() bool {
		p.emit(1)
		body, err := fast.frame(50 * time.Millisecond)
		return err == nil && strings.Contains(body, `"k":"lab"`)
	}, 5*time.Second, 10*time.Millisecond)
}

// 5.6 counts in 32 bits with a sign, later versions in 64: the gate must be right
// across both wraps.
func TestCountersWrap(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]int64{"2^31": 1<<31 - 30, "2^32": 1<<32 - 30, "negative": -30} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, "-A", "LAB", "-A", "BYEGUARD_CREDIT=20", "-A", fmt.Sprintf(`BYEGUARD_HTABLE="byeguard=>size=4;initval=%d;"`, int32(start)))
			r, first := hello(t, p)
			base := uint32(first.num("r"))
			require.Equal(t, uint32(start), base)
			n := uint32(0)
			for range 10 {
				p.emit(25) // 5 of them beyond the credit
				var last event
				for range 20 {
					n++
					last = r.next()
					require.Equal(t, base+n, uint32(last.num("r")))
				}
				r.synced()
				if n%40 == 0 {
					r.ack(last) // as printed
				} else {
					r.send(fmt.Sprintf("byeguard ack %d", uint32(last.num("r")))) // modulo 2^32
				}
				r.synced()
			}
			require.Equal(t, uint32(start)+250, uint32(r.synced().num("s")))
		})
	}
}

// The wire protocol's other half: clients that are not byeguard.
func TestForeignClients(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB", "-A", "BYEGUARD_CREDIT=40")
	foreign := dialEvapi(t, p.evapi)
	foreign.send("hello there")
	r, _ := hello(t, p)
	p.emit(5)
	for range 5 {
		r.ack(r.next())
	}
	_, err := foreign.frame(200 * time.Millisecond)
	require.Error(t, err, "our events are ours alone")

	// An operator's relay to all goes through the gate and is counted; every 16th
	// brings byeguard a sync, so that its acknowledgements catch up.
	p.emit(100, "X-Lab-Kind: operator")
	got := 0
	for {
		body, err := foreign.frame(300 * time.Millisecond)
		if err != nil {
			break
		}
		require.Contains(t, body, `"event":"lab"`)
		got++
	}
	require.Equal(t, 40, got, "the gate closed")
	ours := 0
	for range 40 {
		body, err := r.frame(time.Second)
		require.NoError(t, err)
		if strings.HasPrefix(body, `{"bg":1,"k":"sync"`) {
			r.ack(decode(t, body))
			ours++
			body, err = r.frame(time.Second)
			require.NoError(t, err)
		}
		require.Contains(t, body, `"event":"lab"`)
	}
	require.Equal(t, 2, ours)
	r.ack(r.synced())
	p.emit(1, "X-Lab-Kind: operator")
	_, err = foreign.frame(time.Second)
	require.NoError(t, err, "and opened")

	// The next client in our slot gets none of ours.
	r.conn.Close()
	require.Eventually(t, func() bool { // the gate closes when the last reader left
		res, err := p.call("pv.shvGet", "byeguard_readers")
		return err == nil && strings.Contains(string(res), `"value":	0`)
	}, 5*time.Second, 10*time.Millisecond)
	next := dialEvapi(t, p.evapi)
	again, _ := hello(t, p)
	p.emit(3)
	for range 3 {
		again.next()
	}
	_, err = next.frame(200 * time.Millisecond)
	require.Error(t, err)

	// With no reader of ours operators' relays pass as they would without us.
	again.conn.Close()
	require.Eventually(t, func() bool {
		res, err := p.call("pv.shvGet", "byeguard_readers")
		return err == nil && strings.Contains(string(res), `"value":	0`)
	}, 5*time.Second, 10*time.Millisecond)
	p.emit(60, "X-Lab-Kind: operator")
	for range 60 {
		_, err = next.frame(time.Second)
		require.NoError(t, err)
	}
}

// TestFlushedTable: after htable.flush the readers' slots are gone. A sync gives a
// reader a new one with its credit, and tells the others.
func TestFlushedTable(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB", "-A", "BYEGUARD_CREDIT=20")
	a, _ := hello(t, p)
	b, _ := hello(t, p)
	require.Equal(t, "hello", a.next().kind())
	p.emit(20)
	var last event
	for range 20 {
		last = a.next()
		b.next()
	}
	a.ack(last)
	a.synced()
	b.ack(b.next())
	b.synced()
	require.Equal(t, "sync", a.next().kind())
	_, err := p.call("htable.flush", "byeguard")
	require.NoError(t, err)
	p.emit(3) // the gate is shut
	a.send("byeguard sync")
	for _, r := range []*reader{a, b} {
		h := r.next()
		require.Equal(t, "hello", h.kind())
		require.EqualValues(t, 0, h.num("r"))
		require.EqualValues(t, 3, h.num("s"))
	}
	b.send("byeguard sync")
	require.Equal(t, "hello", a.next().kind())
	require.Equal(t, "hello", b.next().kind())

	p.emit(30)
	for i := range 20 {
		last = a.next()
		require.EqualValues(t, 1+i, last.num("r"))
		require.EqualValues(t, 1+i, b.next().num("r"))
	}
	a.ack(last)
	a.synced() // the slower one counts again, too
	p.emit(1)
	a.synced()
	require.Equal(t, "sync", b.next().kind())
	require.Equal(t, "sync", b.next().kind())
	b.ack(last)
	b.synced()
	require.Equal(t, "sync", a.next().kind())
	p.emit(1)
	require.EqualValues(t, 21, a.next().num("r"))
}
