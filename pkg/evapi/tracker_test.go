package evapi_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/byeguard/byeguard/pkg/evapi"
)

var t0 = time.Unix(1700000000, 0)

func after(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }

func TestTrackerHoleByEvents(t *testing.T) {
	t.Parallel()
	tr := evapi.NewTracker(0, 0)
	tr.Hello(1, 10, t0)
	for seq := uint32(11); seq <= 20; seq++ {
		require.Equal(t, uint64(seq), tr.See(seq, t0))
	}
	tr.See(23, t0) // 21 and 22 are not here
	for seq := uint32(24); seq < 22+evapi.DefaultReorderEvents; seq++ {
		tr.See(seq, t0)
		require.Empty(t, tr.Take())
	}
	tr.See(22+evapi.DefaultReorderEvents, t0)
	require.Equal(t, []evapi.Gap{{Boot: 1, From: 21, To: 22, Cause: evapi.CauseHole}}, tr.Take())
	require.False(t, tr.Waiting())
	require.Equal(t, uint64(21), tr.See(21, t0), "too late for the report, but taken")
	require.Empty(t, tr.Take())
}

func TestTrackerHoleByTime(t *testing.T) {
	t.Parallel()
	tr := evapi.NewTracker(0, 0)
	tr.Hello(1, 10, t0)
	tr.See(14, after(0))
	tr.See(12, after(10))
	tr.See(16, after(100))
	tr.Expire(after(199))
	require.Empty(t, tr.Take())
	tr.Expire(after(200))
	require.Equal(t, []evapi.Gap{
		{Boot: 1, From: 11, To: 11, Cause: evapi.CauseHole}, {Boot: 1, From: 13, To: 13, Cause: evapi.CauseHole},
	}, tr.Take())
	require.True(t, tr.Waiting())
	tr.See(15, after(250))
	require.False(t, tr.Waiting())
	tr.Expire(after(900))
	require.Empty(t, tr.Take())
}

// TestTrackerTail: events at the end that were not relayed show by sync only.
func TestTrackerTail(t *testing.T) {
	t.Parallel()
	tr := evapi.NewTracker(0, 0)
	tr.Hello(1, 0, t0)
	tr.See(1, t0)
	tr.Sync(5, t0)
	tr.Sync(5, after(100))
	tr.See(4, after(100))
	tr.Expire(after(200))
	require.Equal(t, []evapi.Gap{
		{Boot: 1, From: 2, To: 3, Cause: evapi.CauseHole}, {Boot: 1, From: 5, To: 5, Cause: evapi.CauseHole},
	}, tr.Take())
	require.Equal(t, uint64(6), tr.See(6, after(300)))
}

func TestTrackerReconnectAndRestart(t *testing.T) {
	t.Parallel()
	tr := evapi.NewTracker(0, 0)
	tr.Resume(evapi.Position{Boot: 1, Seq: 1<<32 + 10})
	require.Equal(t, uint64(1<<32+15), tr.Hello(1, 15, t0))
	tr.See(14, after(1)) // relayed to us, counted before hello was answered
	tr.Expire(after(300))
	require.Equal(t, []evapi.Gap{
		{Boot: 1, From: 1<<32 + 11, To: 1<<32 + 13, Cause: evapi.CauseReconnect},
		{Boot: 1, From: 1<<32 + 15, To: 1<<32 + 15, Cause: evapi.CauseReconnect},
	}, tr.Take())

	require.Equal(t, uint64(3), tr.Hello(2, 3, after(400)))
	require.Equal(t, []evapi.Gap{{Boot: 1, From: 1<<32 + 16, Cause: evapi.CauseRestart}}, tr.Take())
	tr.Expire(after(700))
	require.Equal(t, []evapi.Gap{{Boot: 2, From: 1, To: 3, Cause: evapi.CauseReconnect}}, tr.Take())
}

func TestTrackerRewind(t *testing.T) {
	t.Parallel()
	tr := evapi.NewTracker(0, 0)
	tr.Hello(1, 10_000, t0)
	require.Equal(t, uint64(9_000), tr.See(9_000, t0), "late, however late it is")
	require.Equal(t, uint64(1<<32+1), tr.See(1, t0), "the counter began anew; numbers grow on")
	require.Equal(t, []evapi.Gap{{Boot: 1, From: 10_001, Cause: evapi.CauseRestart}}, tr.Take())
	require.Equal(t, uint64(1<<32+2), tr.See(2, t0))

	tr = evapi.NewTracker(0, 0)
	tr.Hello(1, 1_000, t0)
	tr.Sync(2, t0) // a sync reads the counter, so this is no late event
	require.Equal(t, uint64(1<<32+3), tr.See(3, t0))
	require.Len(t, tr.Take(), 1)
}

// TestTrackerFindsExactlyTheMissing: whatever is dropped, and however the rest
// is swapped within the window, the gaps are the dropped ones, each once, and
// all numbers are unwrapped right across 2^32.
func TestTrackerFindsExactlyTheMissing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(math.MaxUint32-300, math.MaxUint32)).Draw(t, "base")
		total := rapid.IntRange(1, 600).Draw(t, "total")
		dropped := map[uint64]bool{}
		var order []uint64
		for i := 1; i <= total; i++ {
			full := uint64(base) + uint64(i)
			if rapid.IntRange(0, 9).Draw(t, "drop") == 0 {
				dropped[full] = true
				continue
			}
			order = append(order, full)
		}
		// Each comes at most 7 places late, as measured on a busy proxy.
		place := map[uint64]int{}
		for i, full := range order {
			place[full] = i + rapid.IntRange(0, 7).Draw(t, "late")
		}
		slices.SortStableFunc(order, func(a, b uint64) int { return place[a] - place[b] })
		tr := evapi.NewTracker(0, 0)
		tr.Hello(7, base, t0)
		found := map[uint64]bool{}
		arrived := map[uint64]bool{}
		collect := func() {
			for _, g := range tr.Take() {
				if g.From > g.To {
					t.Fatalf("gap %v", g)
				}
				for n := g.From; n <= g.To; n++ {
					if found[n] {
						t.Fatalf("%d reported twice", n)
					}
					found[n] = true
				}
			}
		}
		clock := t0
		for _, full := range order {
			clock = clock.Add(time.Duration(rapid.IntRange(0, 15).Draw(t, "ms")) * time.Millisecond)
			if got := tr.See(uint32(full), clock); got != full {
				t.Fatalf("saw %d, unwrapped to %d", full, got)
			}
			arrived[full] = true
			if rapid.IntRange(0, 3).Draw(t, "tick") == 0 {
				tr.Expire(clock)
			}
			collect()
		}
		tr.Sync(base+uint32(total), clock)
		tr.Expire(clock.Add(time.Second))
		collect()
		for n := uint64(base) + 1; n <= uint64(base)+uint64(total); n++ {
			if found[n] != dropped[n] || arrived[n] == dropped[n] {
				t.Fatalf("%d: dropped %v, reported %v", n, dropped[n], found[n])
			}
		}
		if tr.Waiting() {
			t.Fatal("holes are left open")
		}
	})
}

// TestTrackerAnything: no sequence of numbers panics or yields a wrong gap.
func TestTrackerAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tr := evapi.NewTracker(rapid.IntRange(1, 80).Draw(t, "window"), 0)
		clock := t0
		seq := rapid.Uint32().Draw(t, "first")
		tr.Hello(1, seq, clock)
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			clock = clock.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
			seq += uint32(rapid.OneOf(rapid.Int32Range(-100, 100), rapid.Int32()).Draw(t, "jump"))
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				tr.Sync(seq, clock)
			case 1:
				tr.Hello(int64(rapid.IntRange(1, 2).Draw(t, "boot")), seq, clock)
			case 2:
				tr.Expire(clock)
			default:
				full := tr.See(seq, clock)
				if uint32(full) != seq {
					t.Fatalf("%d became %d", seq, full)
				}
			}
			for _, g := range tr.Take() {
				if g.To != 0 && g.To < g.From {
					t.Fatalf("gap %v", g)
				}
			}
		}
	})
}

// TestTrackerRestartWithinASecond: two starts may share a boot identity, which is
// the second of the start; the counter tells them apart.
func TestTrackerRestartWithinASecond(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tr := evapi.NewTracker(0, 0)
	first := tr.Hello(7, 100, now)
	again := tr.Hello(7, 3, now)
	require.Greater(t, again, first, "event numbers go on growing")
	gaps := tr.Take()
	require.Len(t, gaps, 1)
	require.Equal(t, evapi.CauseRestart, gaps[0].Cause)
	require.Equal(t, first+1, gaps[0].From)
}

// TestTrackerResetOrRestart: where the run was heard of later than the second of
// its start, no later run has the same boot identity: its counter was reset.
func TestTrackerResetOrRestart(t *testing.T) {
	t.Parallel()
	const boot = 1_700_000_000
	for name, c := range map[string]struct {
		heard int64 // ms after the second of the start
		want  evapi.Cause
	}{
		"never": {-boot * 1000, evapi.CauseRestart}, "at once": {300, evapi.CauseRestart}, "1.9 s": {1900, evapi.CauseRestart},
		"2 s": {2000, evapi.CauseReset}, "an hour": {3_600_000, evapi.CauseReset},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := (boot*1000 + c.heard) * 1000
			for how, back := range map[string]func(tr *evapi.Tracker){
				"hello": func(tr *evapi.Tracker) { tr.Hello(boot, 3, after(1)) },
				"sync":  func(tr *evapi.Tracker) { tr.Sync(3, after(1)) },
				"event": func(tr *evapi.Tracker) { tr.See(3, after(1)) },
			} {
				tr := evapi.NewTracker(0, 0)
				tr.Hello(boot, 10_000, t0)
				tr.Heard(at)
				back(tr)
				require.Equal(t, []evapi.Gap{{Boot: boot, From: 10_001, Cause: c.want}}, tr.Take(), how)
				again := evapi.NewTracker(0, 0)
				again.Resume(tr.Position())
				require.EqualValues(t, 1<<32+4, again.Hello(boot, 4, t0), "numbers go on over a restart of byeguard")
				again.Expire(after(500))
				require.Equal(t, []evapi.Gap{{Boot: boot, From: 1<<32 + 4, To: 1<<32 + 4, Cause: evapi.CauseReconnect}}, again.Take())
			}
			tr := evapi.NewTracker(0, 0)
			tr.Hello(boot, 10_000, t0)
			tr.Heard(at)
			tr.Hello(boot+5, 0, t0)
			require.Equal(t, evapi.CauseRestart, tr.Take()[0].Cause, "another boot is a restart whatever was heard")
			tr.See(1, t0)
			tr.Hello(boot+5, 0, t0)
			require.Equal(t, evapi.CauseRestart, tr.Take()[0].Cause, "what was heard belongs to a boot")
			tr.See(1, t0)
			tr.Heard((boot + 9) * 1_000_000)
			tr.Count(0, t0)
			require.Equal(t, evapi.CauseReset, tr.Take()[0].Cause, "however little was counted")
		})
	}
}
