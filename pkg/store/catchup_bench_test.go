package store_test

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/journal"
)

// liveRate is the traffic that an outage must be made up for: 500 calls a second.
const liveRate = 500

// BenchmarkCatchUp lets 200,000 updates wait for PostgreSQL and writes them when
// it is back. It shows how much memory they took (what is over a few batches is on disk),
// and how many times faster than live traffic they were written.
func BenchmarkCatchUp(b *testing.B) {
	const updates = 200_000
	for b.Loop() {
		c := ownCluster(b)
		q, err := journal.OpenQueue(b.TempDir(), 0)
		require.NoError(b, err)
		opts := options(b, c.URL())
		opts.FlushCalls, opts.Spill = 2000, q
		s := run(b, opts)
		require.NoError(b, c.Kill())
		put, calls, pos := 0, 0, uint64(0)
		var all []call.Update
		rise := watchHeap(b, func() {
			for put < updates {
				all = newCall("waits-"+strconv.Itoa(calls), time.Now()).start().confirm().hangup().rest()
				for i := range all {
					pos++
					all[i].Pos = pos
				}
				s.Put(all)
				put, calls = put+len(all), calls+1
				for s.Stats().WaitingCalls > 20_000 { // as fast as the disk takes it
					runtime.Gosched()
				}
			}
			require.Eventually(b, func() bool { return s.Stats().WaitingCalls <= 10_000 }, time.Minute, time.Millisecond)
		})
		runtime.GC()
		kept := heap()
		st := s.Stats()
		require.Zero(b, st.Dropped)
		require.Positive(b, st.OnDisk)
		require.NoError(b, c.Restart(b.Context()))
		began := time.Now()
		s.flush()
		took := time.Since(began)
		require.Zero(b, s.Stats().OnDisk)
		b.ReportMetric(float64(calls)/took.Seconds(), "calls/s")
		b.ReportMetric(float64(put)/took.Seconds(), "updates/s")
		b.ReportMetric(float64(calls)/took.Seconds()/liveRate, "times-live")
		b.ReportMetric(float64(rise)/1e6, "MB-peak")
		b.ReportMetric(float64(kept)/1e6, "MB-heap")
		b.ReportMetric(float64(st.OnDiskBytes)/float64(calls), "disk-B/call")
		require.Greater(b, float64(calls)/took.Seconds(), float64(liveRate), "slower than live traffic")
		require.Less(b, rise, uint64(512<<20), "memory is not bounded")
		require.NoError(b, s.stop())
	}
}
