package kamailiocfg_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gateCase is one situation of docs/decisions/0003-credit-gate.md.
type gateCase struct {
	name           string
	size           int
	stalled        bool // our reader is stopped
	foreignStalled bool // a client that is not ours is stopped, and gets untagged relays
}

var gateCases = []gateCase{
	{"healthy/700", 700, false, false}, {"healthy/1400", 1400, false, false},
	{"stalled/700", 700, true, false}, {"stalled/1400", 1400, true, false},
	{"foreign/700", 700, false, true}, {"foreign/1400", 1400, false, true},
}

type gateResult struct {
	events int // asked for
	rep    report
	probe  probe
}

func (c gateCase) run(tb testing.TB, rate, credit, ackEvery int, during time.Duration) gateResult {
	tb.Helper()
	p := startProxy(tb, "-A", "LAB", "-A", "CHILDREN=8", "-A", fmt.Sprintf("BYEGUARD_CREDIT=%d", credit))
	p.noisy = true
	ours := startReader(tb, p.evapi, ackEvery)
	if c.foreignStalled {
		foreign := startReader(tb, p.evapi, 0)
		defer foreign.kill()
		foreign.stop()
	}
	if c.stalled {
		ours.stop()
	}
	var r gateResult
	r.events, r.probe = load{rate: rate, size: c.size, batch: 10, operator: c.foreignStalled, during: during}.run(p)
	if c.stalled || c.foreignStalled {
		ours.kill()
		return r
	}
	r.rep = ours.finish()
	return r
}

// The short form of the figures: nobody's stall costs the proxy a reply, and a
// healthy reader misses nothing.
//
//nolint:paralleltest // it measures: other tests beside it would be measured too
func TestGateUnderLoad(t *testing.T) {
	for _, c := range gateCases {
		t.Run(c.name, func(t *testing.T) {
			r := c.run(t, 6000, 192, 16, 2*time.Second)
			t.Log(r.probe, r.rep)
			require.Zero(t, r.probe.lost)
			require.Less(t, r.probe.quantile(.5), 100*time.Millisecond)
			if !c.stalled && !c.foreignStalled {
				// How many depends on what else the machine does: see the benchmark.
				require.Greater(t, r.rep.Ours, r.events/2)
			}
		})
	}
}

// BenchmarkGate prints what each credit limit and acknowledging interval does.
// BYEGUARD_GATE_SECONDS sets how long each case runs (default 10), BYEGUARD_GATE_RATE
// the events a second (default 6000).
func BenchmarkGate(b *testing.B) {
	seconds := 10
	if s, err := strconv.Atoi(os.Getenv("BYEGUARD_GATE_SECONDS")); err == nil {
		seconds = s
	}
	rate := 6000
	if r, err := strconv.Atoi(os.Getenv("BYEGUARD_GATE_RATE")); err == nil {
		rate = r
	}
	for _, credit := range []int{64, 128, 192, 256, 1000} {
		for _, ackEvery := range []int{16, 32} {
			for _, c := range gateCases {
				if ackEvery != 16 && (c.stalled || c.foreignStalled) {
					continue
				}
				b.Run(fmt.Sprintf("credit=%d/ack=%d/%s", credit, ackEvery, c.name), func(b *testing.B) {
					for range b.N {
						r := c.run(b, rate, credit, ackEvery, time.Duration(seconds)*time.Second)
						b.ReportMetric(float64(r.probe.lost), "lost")
						b.ReportMetric(float64(r.probe.quantile(.5).Microseconds()), "median-µs")
						b.ReportMetric(float64(r.probe.quantile(.99).Microseconds()), "p99-µs")
						b.ReportMetric(float64(r.probe.quantile(1).Microseconds()), "max-µs")
						if !c.stalled && !c.foreignStalled {
							b.ReportMetric(100*float64(r.rep.Ours)/float64(r.events), "%delivered")
							b.ReportMetric(float64(r.events-r.rep.Ours), "missed")
							b.ReportMetric(float64(r.rep.Acks)/float64(seconds), "acks/s")
						}
					}
				})
			}
		}
	}
}
