package reconcile_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/billing/reconcile"
)

func run(tb testing.TB, ours, theirs []reconcile.Record, opts *reconcile.Options) (found map[string]reconcile.Class, all []reconcile.Finding) {
	tb.Helper()
	found = map[string]reconcile.Class{}
	_, err := reconcile.Run(sorted(ours), sorted(theirs), opts, func(f *reconcile.Finding) error {
		_, again := found[name(f)]
		require.False(tb, again, "%s is reported twice", name(f))
		found[name(f)] = f.Class
		kept := *f
		for _, r := range []**reconcile.Record{&kept.Ours, &kept.Theirs} {
			if *r != nil {
				own := **r
				*r = &own
			}
		}
		all = append(all, kept)
		return nil
	})
	require.NoError(tb, err)
	return found, all
}

func options(k reconcile.Keys) *reconcile.Options {
	o := reconcile.DefaultOptions()
	o.Keys = k
	return &o
}

var (
	keyed    = reconcile.Keys{CallID: true, From: true, To: true}
	numbered = reconcile.Keys{From: true, To: true}
	keyless  = reconcile.Keys{}
)

func strip(k reconcile.Keys) func(*reconcile.Record) {
	return func(r *reconcile.Record) {
		if !k.CallID {
			r.CallID = ""
		}
		if !k.From {
			r.From = ""
		}
		if !k.To {
			r.To = ""
		}
	}
}

// TestSeededFaults finds every fault of every class, names it rightly and
// reports nothing else, whatever the other list names its calls by.
func TestSeededFaults(t *testing.T) {
	t.Parallel()
	all := []reconcile.Class{
		reconcile.Rounding, reconcile.DurationDiffers, reconcile.RanOn, reconcile.MissingHere, reconcile.MissingThere,
		reconcile.Duplicate, reconcile.ClockSkew, reconcile.ZoneShift, reconcile.Ringing, reconcile.ZeroDuration,
		reconcile.KeyMissing, reconcile.StillOpen,
	}
	byTime := []reconcile.Class{ // what time and length alone can tell
		reconcile.Rounding, reconcile.MissingThere, reconcile.Duplicate,
	}
	for _, c := range []struct {
		name    string
		keys    reconcile.Keys
		n       int
		classes []reconcile.Class
	}{
		{"call-id", keyed, 40_000, all},
		{"numbers", numbered, 40_000, all},
		{"callee only", reconcile.Keys{To: true}, 2_000, all},
		{"time alone", keyless, 40_000, byTime},
		{"time alone, quiet", keyless, 400, []reconcile.Class{reconcile.Rounding, reconcile.MissingThere, reconcile.Duplicate, reconcile.ZeroDuration, reconcile.DurationDiffers, reconcile.RanOn}},
	} {
		for _, block := range []int{500, 60_000} {
			t.Run(fmt.Sprintf("%s/%d", c.name, block), func(t *testing.T) {
				t.Parallel()
				rnd := rand.New(rand.NewPCG(1, uint64(c.n)))
				ours, theirs, want := seed(rnd, c.n, 0.01, c.classes, strip(c.keys))
				opts := options(c.keys)
				opts.Block = block
				found, _ := run(t, ours, theirs, opts)
				wrong := 0
				for id, class := range want {
					if found[id] != class {
						if wrong++; wrong < 10 {
							t.Errorf("%s is %q, want %q", id, found[id], class)
						}
					}
				}
				for id, class := range found {
					if _, ok := want[id]; !ok {
						if wrong++; wrong < 10 {
							t.Errorf("%s is reported as %q", id, class)
						}
					}
				}
				require.Zero(t, wrong)
			})
		}
	}
}

// TestSameIsClean: a list against itself has nothing to tell, however dense.
func TestSameIsClean(t *testing.T) {
	t.Parallel()
	for _, keys := range []reconcile.Keys{keyed, numbered, keyless} {
		ours, theirs, _ := seed(rand.New(rand.NewPCG(2, 3)), 30_000, 0, nil, strip(keys))
		_, all := run(t, ours, theirs, options(keys))
		for i := range all {
			require.Equal(t, reconcile.Matched, all[i].Class, "%+v", all[i])
			require.Equal(t, all[i].Ours.ID[5:], all[i].Theirs.ID[6:], "matched to another call: %+v %+v", all[i].Ours, all[i].Theirs)
		}
	}
}

// TestSingleMutation: any one fault, of any call, is found and classed.
func TestSingleMutation(t *testing.T) {
	t.Parallel()
	for _, class := range reconcile.Classes() {
		for n := range 20 {
			rnd := rand.New(rand.NewPCG(uint64(n), 9))
			ours, theirs, _ := seed(rnd, 60, 0, nil, func(*reconcile.Record) {})
			i := rnd.IntN(len(theirs))
			b := &theirs[i]
			var at int
			for at = range ours {
				if ours[at].CallID == b.CallID {
					break
				}
			}
			more, gone := mutate(class, &ours[at], b)
			if gone {
				theirs = append(theirs[:i:i], theirs[i+1:]...)
			}
			_, all := run(t, ours, append(theirs, more...), options(keyed))
			var dirty []reconcile.Finding
			for _, f := range all {
				if f.Class != reconcile.Matched {
					dirty = append(dirty, f)
				}
			}
			if class == reconcile.Matched {
				require.Empty(t, dirty)
				continue
			}
			require.Len(t, dirty, 1, "%s of call %d", class, at)
			require.Equal(t, class, dirty[0].Class, "%s: %+v %+v", dirty[0].Why, dirty[0].Ours, dirty[0].Theirs)
			require.NotEmpty(t, dirty[0].Why)
		}
	}
}

// TestBestNotFirst: of several that fit, the pairs that fit best together are
// taken, whatever the order of the rows.
func TestBestNotFirst(t *testing.T) {
	t.Parallel()
	call := func(id string, start, ms int64) reconcile.Record {
		return reconcile.Record{ID: id, From: "+491", To: "+492", Start: start * second, DurationMS: ms, End: start*second + ms*1000, BillableS: -1}
	}
	ours := []reconcile.Record{call("a1", 1000, 30_000), call("a2", 1010, 60_000)}
	theirs := []reconcile.Record{call("b2", 1009, 60_000), call("b1", 1019, 30_000)}
	pairs := map[string]string{}
	_, all := run(t, ours, theirs, options(numbered))
	for i := range all {
		pairs[all[i].Ours.ID] = all[i].Theirs.ID
		require.Equal(t, 1, all[i].Others)
	}
	require.Equal(t, map[string]string{"a1": "b1", "a2": "b2"}, pairs)

	// As many pairs as can be: the best single pair would leave two calls alone.
	ours = []reconcile.Record{call("a1", 1000, 60_000), call("a2", 1050, 60_000)}
	theirs = []reconcile.Record{call("b1", 1049, 60_000), call("b2", 1099, 60_000)}
	_, all = run(t, ours, theirs, options(numbered))
	require.Len(t, all, 2)
	require.Equal(t, "b1", all[0].Theirs.ID)
	require.Equal(t, "a1", all[0].Ours.ID)
}

// TestEdges are lengths and times that break naive code.
func TestEdges(t *testing.T) {
	t.Parallel()
	day := func(s string) int64 {
		at, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		return at.UnixMicro()
	}
	for _, c := range []struct {
		name      string
		a, b      reconcile.Record
		class     reconcile.Class
		carrier   map[string]reconcile.Tolerance
		otherKeys reconcile.Keys
	}{
		{name: "three days, REAL", a: reconcile.Record{DurationMS: 259_200_123}, b: reconcile.Record{DurationMS: int64(float32(259200.123) * 1000)}, class: reconcile.Matched},
		{name: "0 ms", a: reconcile.Record{DurationMS: 0}, b: reconcile.Record{DurationMS: 0}, class: reconcile.Matched},
		{name: "0 ms billed as five seconds", a: reconcile.Record{DurationMS: 0}, b: reconcile.Record{DurationMS: 5000}, class: reconcile.DurationDiffers},
		{name: "199 ms shown as 0", a: reconcile.Record{DurationMS: 199}, b: reconcile.Record{DurationMS: 0}, class: reconcile.Matched},
		{name: "999 ms cut off to 0", a: reconcile.Record{DurationMS: 999}, b: reconcile.Record{DurationMS: 0}, class: reconcile.ZeroDuration},
		{name: "60/60", a: reconcile.Record{DurationMS: 61_000, BillableS: 120, IncrementS: 60}, b: reconcile.Record{DurationMS: 120_000}, class: reconcile.Rounding},
		{name: "60/60 without the rule", a: reconcile.Record{DurationMS: 61_000}, b: reconcile.Record{DurationMS: 120_000}, class: reconcile.DurationDiffers},
		{name: "ran on, billed by the minute", a: reconcile.Record{DurationMS: 61_000, OverrunMS: 170_000, IncrementS: 60}, b: reconcile.Record{DurationMS: 240_000}, class: reconcile.RanOn},
		{name: "ran on, at most", a: reconcile.Record{DurationMS: 61_000, OverrunMS: 900_000, Upper: true}, b: reconcile.Record{DurationMS: 240_000}, class: reconcile.RanOn},
		{name: "nobody knows whether it ran on", a: reconcile.Record{DurationMS: 61_000, OverrunMS: -1}, b: reconcile.Record{DurationMS: 240_000}, class: reconcile.RanOn},
		{name: "shorter than an overrun", a: reconcile.Record{DurationMS: 61_000, OverrunMS: 900_000}, b: reconcile.Record{DurationMS: 240_000}, class: reconcile.DurationDiffers},
		{name: "half an hour away", a: reconcile.Record{DurationMS: 61_000}, b: reconcile.Record{DurationMS: 61_000, Start: 5400 * second}, class: reconcile.ZoneShift},
		{name: "a carrier's own tolerance", a: reconcile.Record{DurationMS: 61_000, Carrier: "acme"}, b: reconcile.Record{DurationMS: 63_100}, class: reconcile.Matched,
			carrier: map[string]reconcile.Tolerance{"acme": {Duration: 3 * time.Second, Start: time.Second}}},
		{name: "over midnight on a leap day", a: reconcile.Record{Start: day("2028-02-29T23:59:59.9Z"), DurationMS: 200}, b: reconcile.Record{Start: day("2028-02-29T23:59:59.9Z"), DurationMS: 200}, class: reconcile.Matched},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := c.a, c.b
			a.ID, b.ID, a.CallID, b.CallID = "a", "b", "x", "x"
			if a.Start == 0 {
				a.Start = 3600 * 5 * second
			}
			switch {
			case b.Start == 0:
				b.Start = a.Start
			case b.Start < a.Start && c.class == reconcile.ZoneShift:
				b.Start += a.Start
			}
			if a.IncrementS == 0 {
				a.BillableS = -1
			}
			a.Setup, a.End = a.Start-2*second, a.Start+a.DurationMS*1000
			o := options(keyed)
			o.Carriers = c.carrier
			_, all := run(t, []reconcile.Record{a}, []reconcile.Record{b}, o)
			require.Len(t, all, 1)
			require.Equal(t, c.class, all[0].Class, all[0].Why)
		})
	}
}

// TestUnanswered: calls that nobody answered are not missed there, and billed
// ringing is named.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	a := reconcile.Record{ID: "a", CallID: "x", Setup: 1000 * second, End: 1030 * second, DurationMS: -1, BillableS: -1}
	_, all := run(t, []reconcile.Record{a}, nil, options(keyed))
	require.Empty(t, all)
	b := reconcile.Record{ID: "b", CallID: "x", Start: 1000 * second, DurationMS: 30_000}
	_, all = run(t, []reconcile.Record{a}, []reconcile.Record{b}, options(keyed))
	require.Len(t, all, 1)
	require.Equal(t, reconcile.Ringing, all[0].Class)
}

// TestWrongZone: lists without keys that are an hour apart are recognised, be
// they small, or too large to be held.
func TestWrongZone(t *testing.T) {
	t.Parallel()
	ours, theirs, _ := seed(rand.New(rand.NewPCG(5, 3)), 5_000, 0, nil, func(r *reconcile.Record) {
		strip(keyless)(r)
		r.Start += 3600 * second
	})
	_, all := run(t, ours, theirs, options(keyless))
	for i := range all {
		require.Equal(t, reconcile.ZoneShift, all[i].Class)
	}
	o := options(keyless)
	o.Block, o.MaxLeft = 1000, 2000
	_, err := reconcile.Run(sorted(ours), sorted(theirs), o, func(*reconcile.Finding) error { return nil })
	require.ErrorIs(t, err, reconcile.ErrUnlike)
	require.ErrorContains(t, err, "1h0m0s later: set its zone")
}

// TestDeterministic: the same input gives the same findings in the same order.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	for _, keys := range []reconcile.Keys{keyed, numbered, keyless} {
		ours, theirs, _ := seed(rand.New(rand.NewPCG(7, 3)), 8_000, 0.02, reconcile.Classes(), strip(keys))
		_, first := run(t, ours, theirs, options(keys))
		_, second := run(t, ours, theirs, options(keys))
		require.Len(t, second, len(first))
		for i := range first {
			require.Equal(t, name(&first[i]), name(&second[i]))
			require.Equal(t, first[i].Why, second[i].Why)
		}
	}
}

// TestOrder: a source that is not sorted is refused.
func TestOrder(t *testing.T) {
	t.Parallel()
	l := &list{recs: []reconcile.Record{{ID: "1", Start: 100 * second}, {ID: "2", Start: 50 * second}}}
	_, err := reconcile.Run(&list{}, l, options(keyless), func(*reconcile.Finding) error { return nil })
	require.ErrorIs(t, err, reconcile.ErrOrder)
}
