package billing_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/byeguard/byeguard/pkg/billing"
)

func TestBillable(t *testing.T) {
	t.Parallel()
	const hour = 3_600_000
	for _, tt := range []struct {
		minimum, increment int64
		rounding           billing.Rounding
		ms, want           int64
	}{
		{0, 1, billing.RoundCeil, 0, 0},
		{0, 1, billing.RoundCeil, 1, 1},
		{0, 1, billing.RoundCeil, 1000, 1},
		{0, 1, billing.RoundCeil, 1001, 2},
		{0, 1, billing.RoundFloor, 1999, 1},
		{0, 1, billing.RoundHalfUp, 1499, 1},
		{0, 1, billing.RoundHalfUp, 1500, 2},
		{60, 60, billing.RoundCeil, 0, 60}, // answered, and over at once
		{60, 60, billing.RoundCeil, 60_000, 60},
		{60, 60, billing.RoundCeil, 60_001, 120},
		{60, 6, billing.RoundCeil, 60_001, 66},
		{30, 6, billing.RoundFloor, 35_999, 30},
		{30, 6, billing.RoundHalfUp, 33_000, 36},
		{60, 1, billing.RoundCeil, 72 * hour, 72 * 3600},
		{0, 60, billing.RoundCeil, 72*hour + 1, 72*3600 + 60},
		{0, 1, billing.RoundCeil, -5, 0}, // the proxy's clock was set back
	} {
		r := billing.Rule{Minimum: tt.minimum, Increment: tt.increment, Rounding: tt.rounding}
		require.NoError(t, r.Validate())
		require.Equal(t, tt.want, r.Billable(tt.ms), "%+v of %d ms", r, tt.ms)
	}
}

func genRule() *rapid.Generator[billing.Rule] {
	return rapid.Custom(func(t *rapid.T) billing.Rule {
		return billing.Rule{
			Minimum:   rapid.Int64Range(0, 600).Draw(t, "minimum"),
			Increment: rapid.Int64Range(1, 600).Draw(t, "increment"),
			Rounding:  rapid.SampledFrom([]billing.Rounding{billing.RoundCeil, billing.RoundFloor, billing.RoundHalfUp}).Draw(t, "rounding"),
		}
	})
}

func TestBillableProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := genRule().Draw(t, "rule")
		ms := rapid.Int64Range(0, 10*86_400_000).Draw(t, "ms")
		got := r.Billable(ms)
		if got < r.Minimum {
			t.Fatalf("%d is below the minimum", got)
		}
		if (got-r.Minimum)%r.Increment != 0 {
			t.Fatalf("%d is no whole increment", got)
		}
		if more := r.Billable(ms + rapid.Int64Range(0, 100_000).Draw(t, "more")); more < got {
			t.Fatalf("a longer call is billed for less: %d, %d", got, more)
		}
		// Never a whole increment away from the truth, and on the right side of it.
		over := got*1000 - max(ms, r.Minimum*1000)
		low, high := -r.Increment*1000, r.Increment*1000
		switch r.Rounding {
		case billing.RoundCeil:
			low = -1
		case billing.RoundFloor:
			high = 1
		case billing.RoundHalfUp:
			low, high = low/2, high/2+1
		}
		if over <= low || over >= high {
			t.Fatalf("%d s for %d ms", got, ms)
		}
	})
}

func TestRuleValidate(t *testing.T) {
	t.Parallel()
	for _, r := range []billing.Rule{
		{}, {Minimum: -1, Increment: 1, Rounding: "ceil"}, {Increment: 0, Rounding: "ceil"},
		{Increment: 1, Rounding: "up"}, {Increment: 1 << 40, Rounding: "ceil"}, {Minimum: 1 << 40, Increment: 1, Rounding: "ceil"},
	} {
		require.ErrorIs(t, r.Validate(), billing.ErrRule)
	}
	d := billing.DefaultRule()
	require.NoError(t, d.Validate())
}

func TestPrices(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "0.0125": "0.0125", "12": "12", "0.000000001": "0.000000001", "1.50": "1.5", "007": "7",
	} {
		p, err := billing.ParsePrice(in)
		require.NoError(t, err)
		require.Equal(t, want, p.String())
	}
	for _, in := range []string{"", ".5", "1.", "-1", "1e3", "1,5", "0.0000000001", "99999999999999999999", "NaN", "+1", " 1"} {
		_, err := billing.ParsePrice(in)
		require.ErrorIs(t, err, billing.ErrPrice, in)
	}
	for _, tt := range []struct {
		price   string
		seconds int64
		want    string
	}{
		{"0.0125", 60, "0.012500"}, {"0.0125", 61, "0.012708"}, {"0.0125", 0, "0.000000"}, {"1", 30, "0.500000"},
		{"0.00001", 3, "0.000001"}, {"0.00001", 2, "0.000000"}, {"9", 1, "0.150000"}, {"120", 3 * 86400, "518400.000000"},
	} {
		p, err := billing.ParsePrice(tt.price)
		require.NoError(t, err)
		require.Equal(t, tt.want, p.For(tt.seconds).String(), "%s for %d s", tt.price, tt.seconds)
	}
	require.Equal(t, billing.Money(math.MaxInt64), billing.Price(math.MaxInt64).For(math.MaxInt64))
	require.Equal(t, "-0.000001", billing.Money(-1).String())
	require.Equal(t, "-9223372036854.775808", billing.Money(math.MinInt64).String())
}

// Against arithmetic of any precision.
func TestPriceIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		price, seconds := rapid.Int64Range(0, 1e12).Draw(t, "price"), rapid.Int64Range(0, 1e7).Draw(t, "seconds")
		n := new(big.Int).Mul(big.NewInt(price), big.NewInt(seconds))
		n.Add(n, big.NewInt(30_000)).Quo(n, big.NewInt(60_000))
		if !n.IsInt64() {
			n.SetInt64(math.MaxInt64)
		}
		if got := billing.Price(price).For(seconds); int64(got) != n.Int64() {
			t.Fatalf("%d, not %d", got, n)
		}
	})
}
