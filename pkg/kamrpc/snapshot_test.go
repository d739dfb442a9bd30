package kamrpc_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/kamrpc"
	"github.com/byeguard/byeguard/pkg/lab"
)

// stored starts a Kamailio with n dialogs and returns a client for it and its
// boot identity.
func stored(t *testing.T, b lab.Binary, n int, callID func(int) string) (*lab.Kamailio, *kamrpc.Client, int64) {
	t.Helper()
	k, err := lab.StartWithDialogs(t.Context(), lab.MustDatabase(t), lab.KamailioOptions{Binary: b, SharedMemMB: 512}, n, callID)
	require.NoError(t, err)
	t.Cleanup(func() { _ = k.Close() })
	rpc, err := kamrpc.New(kamrpc.Options{URL: k.RPCURL})
	require.NoError(t, err)
	t.Cleanup(rpc.Close)
	up, err := rpc.Uptime(t.Context())
	require.NoError(t, err)
	return k, rpc, up.Boot
}

func noPause(context.Context, time.Duration) error { return nil }

// TestKamailioSnapshot lists more dialogs than Kamailio's default private memory
// can list at once, with Call-IDs that a pattern trips over, and checks that
// OPTIONS are answered meanwhile as before. BYEGUARD_DIALOGS says how many.
func TestKamailioSnapshot(t *testing.T) {
	t.Parallel()
	n := 12_000
	for i, b := range lab.Binaries(t) {
		if i > 0 {
			n = 3000
		}
		testSnapshot(t, b, n) // one after the other: they are measured
	}
}

func testSnapshot(t *testing.T, b lab.Binary, n int) {
	t.Helper()
	if s := os.Getenv("BYEGUARD_DIALOGS"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	odd := []string{"^", "[", "]", "-", `\`, ".", "$", "(", ")", "|", "*", "+", "?", "{", "}", "A", "a", "ab", "Ab", " ", "'", "[:alpha:]", "[^a]", "é", "@"}
	k, rpc, boot := stored(t, b, n, func(i int) string {
		switch {
		case i < len(odd):
			return odd[i] + "-odd"
		case i%4 == 0: // many have much in common
			return fmt.Sprintf("call-from-the-pbx[%06d]@192.0.2.77", i)
		}
		var b [12]byte
		_, _ = rand.Read(b[:])
		return hex.EncodeToString(b[:]) + "-" + strconv.Itoa(i) + "@192.0.2.77"
	})
	alone := newPinger(t, k.SIPAddr)
	require.Eventually(t, func() bool { return alone.count.Load() >= 500 }, time.Minute, 10*time.Millisecond)
	alone.judge("alone")
	pings := newPinger(t, k.SIPAddr)
	seen := make(map[string]int)
	parts, asked := 0, 0
	var busy time.Duration
	began := time.Now()
	err := rpc.Snapshot(t.Context(), boot, func(_ context.Context, took time.Duration) error {
		asked, busy = asked+1, busy+took
		return nil
	}, func(events []call.Event) {
		parts++
		for i := range events {
			ev := &events[i]
			no := strings.TrimPrefix(ev.FromTag, "from-")
			require.Equal(t, "to-"+no, ev.ToTag)
			require.Equal(t, call.DialogConfirmed, ev.State)
			require.False(t, ev.Dialog.IsZero())
			require.Equal(t, call.Endpoint{URI: "sip:alice" + no + "@example.net", Contact: "sip:alice" + no + "@192.0.2.77:5060;transport=udp",
				Socket: "udp:" + k.SIPAddr, CSeq: 1}, ev.Caller)
			require.Equal(t, "sip:bob@198.51.100.20:5080", ev.Callee.Contact)
			require.InDelta(t, time.Now().UnixMicro(), ev.Answer, 2*3600e6)
			seen[no]++
		}
	})
	took := time.Since(began)
	require.NoError(t, err)
	require.Len(t, seen, n)
	for no, times := range seen {
		require.Equal(t, 1, times, "dialog %s is in two parts", no)
	}
	t.Logf("kamailio %s: %d dialogs in %d parts, %d questions, %v (%v of a worker's time)", k.Version(), n, parts, asked, took.Round(time.Millisecond), busy.Round(time.Millisecond))
	pings.judge("meanwhile")
	require.NoError(t, k.Close())
}

// pinger asks a proxy by OPTIONS every few milliseconds.
type pinger struct {
	t    *testing.T
	stop context.CancelFunc
	done sync.WaitGroup
	took []time.Duration
	lost int

	count atomic.Int64
}

func newPinger(t *testing.T, addr string) *pinger {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &pinger{t: t, stop: cancel}
	tick := time.NewTicker(2 * time.Millisecond)
	p.done.Go(func() {
		defer tick.Stop()
		for ctx.Err() == nil {
			took, err := lab.Ping(ctx, addr, time.Second)
			switch {
			case err == nil:
				p.took = append(p.took, took)
				p.count.Add(1)
			case ctx.Err() == nil:
				p.lost++
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() { cancel(); p.done.Wait() })
	return p
}

// judge ends the asking. No OPTIONS may be lost; how long they took is shown.
func (p *pinger) judge(when string) {
	p.t.Helper()
	p.stop()
	p.done.Wait()
	slices.Sort(p.took)
	require.NotEmpty(p.t, p.took)
	p.t.Logf("OPTIONS %s: %d, median %v, 99 %% %v, slowest %v", when, len(p.took), p.took[len(p.took)/2], p.took[len(p.took)*99/100], p.took[len(p.took)-1])
	require.Zero(p.t, p.lost, "the proxy did not answer")
}

// TestKamailioSnapshotSmall: no dialogs at all, a wrong boot, a caller who gives up.
func TestKamailioSnapshotSmall(t *testing.T) {
	t.Parallel()
	_, rpc, boot := stored(t, lab.Binary{}, 0, nil)
	none := func(events []call.Event) { require.Empty(t, events) }
	require.NoError(t, rpc.Snapshot(t.Context(), boot, noPause, none))
	require.ErrorContains(t, rpc.Snapshot(t.Context(), boot-5, noPause, none), "restarted")

	_, rpc, boot = stored(t, lab.Binary{}, 150, func(i int) string { return "c" + strconv.Itoa(i) })
	given := 0
	err := rpc.Snapshot(t.Context(), boot, func(context.Context, time.Duration) error { return context.Canceled }, func(ev []call.Event) { given += len(ev) })
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, given)
}
