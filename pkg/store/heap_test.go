package store_test

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// watchHeap returns how far the live heap rose above its start while f ran.
func watchHeap(tb testing.TB, f func()) uint64 {
	tb.Helper()
	runtime.GC()
	start := heap()
	peak := start
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				peak = max(peak, heap())
			}
		}
	}()
	f()
	close(stop)
	<-stopped
	return peak - start
}

func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
