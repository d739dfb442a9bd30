package billing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
)

const table = `
late_after: 2h
carriers:
  - name: acme
    prefixes: [+49, 0043]
    gateways: [203.0.113.0/24, "2001:db8::/32"]
    zone: Europe/Berlin
    currency: EUR
    rates:
      - {per_minute: 0.01}
      - {prefix: +4915, per_minute: 0.05, minimum: 60, increment: 60}
      - {from: 2026-03-29, per_minute: 0.02, increment: 6}
      - {from: 2026-10-25, per_minute: 0.03}
  - name: exact
    gateways: [203.0.113.40]
    rates: [{minimum: 30, increment: 6}]
  - name: socket
    gateways: ["203.0.113.40:5080"]
    currency: USD
    rates: [{from: 2026-01-01, per_minute: 1}]
  - name: anywhere
    prefixes: [+4930]
`

func rates(t *testing.T, text string) *billing.Rates {
	t.Helper()
	r, err := billing.ParseRates([]byte(text))
	require.NoError(t, err)
	return r
}

func TestRates(t *testing.T) {
	t.Parallel()
	r := rates(t, table)
	require.Equal(t, 2*time.Hour, r.LateAfter)
	require.Equal(t, []string{"acme", "exact", "socket", "anywhere"}, r.Carriers())
	day := func(s string) int64 {
		at, err := time.Parse(time.RFC3339, s)
		require.NoError(t, err)
		return at.UnixMicro()
	}
	const may = "2026-05-01T12:00:00Z"
	for name, tt := range map[string]struct {
		number, addr, at string
		ms               int64
		carrier          string
		billable         int64
		cost             string // with the currency; "" = none
	}{
		"network and prefix":         {"+49401", "203.0.113.7:5060", may, 61_000, "acme", 66, "0.022000 EUR"},
		"00 is +":                    {"0049401", "203.0.113.7:5060", may, 61_000, "acme", 66, "0.022000 EUR"},
		"prefix written with 00":     {"+43199", "203.0.113.7:5060", may, 6_000, "acme", 6, "0.002000 EUR"},
		"IPv6":                       {"+49401", "[2001:db8::7]:5060", may, 6_000, "acme", 6, "0.002000 EUR"},
		"mapped IPv6":                {"+49401", "[::ffff:203.0.113.7]:5060", may, 6_000, "acme", 6, "0.002000 EUR"},
		"rate of a longer prefix":    {"+49151", "203.0.113.7:5060", may, 1, "acme", 60, "0.050000 EUR"},
		"address before network":     {"+49401", "203.0.113.40:5060", may, 31_000, "exact", 36, ""},
		"socket before address":      {"+49401", "203.0.113.40:5080", may, 60_000, "socket", 60, "1.000000 USD"},
		"no rate yet":                {"+49401", "203.0.113.40:5080", "2025-12-31T23:59:59Z", 60_000, "socket", 0, ""},
		"prefix alone":               {"+49301", "198.51.100.1:5060", may, 60_000, "anywhere", 0, ""},
		"unknown":                    {"+1", "198.51.100.1:5060", may, 60_000, "", 0, ""},
		"no address":                 {"+49301", "", may, 60_000, "anywhere", 0, ""},
		"no number":                  {"", "203.0.113.40:5060", may, 1, "exact", 30, ""},
		"the day before, in Berlin":  {"+49401", "203.0.113.7:5060", "2026-03-28T22:59:59Z", 60_000, "acme", 60, "0.010000 EUR"},
		"the first hour of the day":  {"+49401", "203.0.113.7:5060", "2026-03-28T23:00:00Z", 60_000, "acme", 60, "0.020000 EUR"},
		"summer time's last evening": {"+49401", "203.0.113.7:5060", "2026-10-24T21:59:59Z", 60_000, "acme", 60, "0.020000 EUR"},
		"a day of 25 hours":          {"+49401", "203.0.113.7:5060", "2026-10-24T22:00:00Z", 60_000, "acme", 60, "0.030000 EUR"},
		"leap day of old":            {"+49401", "203.0.113.7:5060", "2024-02-29T12:00:00Z", 1, "acme", 1, "0.000167 EUR"},
	} {
		g := r.Rate(tt.number, tt.addr, day(tt.at), tt.ms)
		require.Equal(t, tt.carrier, g.Carrier, name)
		require.Equal(t, tt.billable, g.Billable, name)
		cost := ""
		if g.Currency != "" {
			cost = g.Cost.String() + " " + g.Currency
		}
		require.Equal(t, tt.cost, cost, name)
	}
	g := r.Rate("+49401", "203.0.113.7:5060", 0, -1)
	require.Equal(t, "acme", g.Carrier, "an attempt has a carrier")
	require.False(t, g.Rated)
}

func TestRatesVersion(t *testing.T) {
	t.Parallel()
	v := rates(t, table).Version
	require.Len(t, v, 12)
	require.Equal(t, v, rates(t, "# another comment\n"+strings.ReplaceAll(table, "{per_minute: 0.01}", `{"per_minute": "0.010"}`)).Version)
	require.NotEqual(t, v, rates(t, strings.ReplaceAll(table, "per_minute: 0.01}", "per_minute: 0.011}")).Version)
	require.NotEqual(t, v, rates(t, strings.ReplaceAll(table, "Europe/Berlin", "Europe/London")).Version)
	require.Empty(t, rates(t, "").Version)
	none, err := billing.LoadRates("")
	require.NoError(t, err)
	require.Equal(t, billing.DefaultLateAfter, none.LateAfter)
}

func TestRatesErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"carrier: []":                  "carrier",
		"carriers: [{name: a}]":        "match every call",
		"carriers: [{prefixes: [+1]}]": "name is missing",
		"carriers: [{name: a, prefixes: [+1]}, {name: a, prefixes: [+2]}]":                  "used twice",
		"carriers: [{name: a, prefixes: [x]}]":                                              "use digits",
		"carriers: [{name: a, gateways: [host.example]}]":                                   "use an address",
		"carriers: [{name: a, prefixes: [+1], zone: Mars/Olympus}]":                         "tz database",
		"carriers: [{name: a, prefixes: [+1], rates: [{per_minute: 1}]}]":                   "three capitals",
		"carriers: [{name: a, prefixes: [+1], currency: EUR, rates: [{per_minute: -1}]}]":   "not a price",
		"carriers: [{name: a, prefixes: [+1], currency: EUR, rates: [{per_minute: 1e-3}]}]": "not a price",
		"carriers: [{name: a, prefixes: [+1], rates: [{rounding: up}]}]":                    "ceil, floor or half_up",
		"carriers: [{name: a, prefixes: [+1], rates: [{from: 2026-02-30}]}]":                "use a date",
		"carriers: [{name: a, prefixes: [+1], rates: [{}, {increment: 6}]}]":                "same prefix and from",
		"carriers: [{name: a, prefixes: [+1], rates: [{prefix: +a}]}]":                      "use digits",
		"late_after: soon": "late_after",
		"carriers: [":      "yaml",
	} {
		_, err := billing.ParseRates([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
	_, err := billing.LoadRates("/nonexistent/rates.yaml")
	require.ErrorContains(t, err, "rates")
}

// What a leg's running on costs is what the longer call costs more.
func TestExtraCost(t *testing.T) {
	t.Parallel()
	r := rates(t, table)
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.SampledFrom([]string{"+49151", "+49401"}).Draw(t, "number")
		ms, more := rapid.Int64Range(0, 1e7).Draw(t, "ms"), rapid.Int64Range(0, 1e7).Draw(t, "more")
		const at = 1_780_000_000_000_000
		short := r.Rate(number, "203.0.113.7:5060", at, ms)
		long := r.Rate(number, "203.0.113.7:5060", at, ms+more)
		if got := short.Extra(ms, more); got != long.Cost-short.Cost || got < 0 {
			t.Fatalf("%v", got)
		}
	})
}

func TestDerive(t *testing.T) {
	t.Parallel()
	const sec = 1_000_000
	base := billing.Row{
		State: "final", Disposition: "answered", Revision: 1, Setup: 100 * sec, Answered: 105*sec + 1500, Ended: 165 * sec,
		DurationMS: 59_998, Released: "caller", CallerHow: "own_bye", CallerEnd: 165 * sec, CalleeHow: "confirmed", CalleeEnd: 165*sec + 20_000,
		CalleeURI: "sip:+4915@h", CalleeAddr: "203.0.113.7:5060", Closed: 166 * sec, Code: 200, Cause: "Q.850;cause=16",
	}
	r := rates(t, table)
	derive := func(change func(*billing.Row)) billing.Record {
		rec := billing.Record{Row: base}
		change(&rec.Row)
		rec.Derive(r)
		return rec
	}
	good := derive(func(*billing.Row) {})
	require.Equal(t, billing.RecordFinal, good.State)
	require.Equal(t, billing.ClosedNormally, good.ClosingCause)
	require.Equal(t, int64(5001), good.AnswerDelay)
	require.Equal(t, 16, good.Q850)
	require.Equal(t, "0.050000", good.Rating.Cost.String())
	require.Equal(t, r.Version, good.RatesVersion)
	require.Equal(t, int64(20), good.OverrunMS)
	require.Equal(t, billing.BoundExact, good.OverrunBound)
	require.Equal(t, "0.050000", good.OverrunCost.String(), "20 ms more begin another minute")

	late := derive(func(w *billing.Row) { w.Closed = w.Ended + 2*3600*sec + 1 })
	require.Equal(t, billing.RecordLate, late.State)
	require.Equal(t, billing.RecordCorrected, derive(func(w *billing.Row) { w.Revision = 2 }).State)

	ran := derive(func(w *billing.Row) {
		w.Released, w.Repaired, w.CalleeEnd = "proxy", true, w.Ended+600*sec
	})
	require.Equal(t, billing.ClosedAbnormally, ran.ClosingCause)
	require.Equal(t, call.Callee, ran.OverrunLeg)
	require.Equal(t, int64(600_000), ran.OverrunMS)
	require.Equal(t, "0.500000", ran.OverrunCost.String())

	gone := derive(func(w *billing.Row) { w.CalleeHow, w.CalleeEnd = "gone", w.Ended+600*sec })
	require.Equal(t, billing.BoundUpper, gone.OverrunBound)
	lost := derive(func(w *billing.Row) { w.CalleeHow, w.CalleeEnd = "unconfirmed", 0 })
	require.Equal(t, billing.BoundUnknown, lost.OverrunBound)
	require.Equal(t, int64(-1), lost.OverrunMS)
	require.Equal(t, billing.ClosedAbnormally, lost.ClosingCause)
	caller := derive(func(w *billing.Row) { w.CallerHow, w.CallerEnd = "confirmed", w.Ended+9*sec })
	require.Equal(t, call.Caller, caller.OverrunLeg)
	require.False(t, caller.OverrunRated, "the callee's carrier bills nothing for it")

	require.Equal(t, billing.ClosedByIntervention, derive(func(w *billing.Row) { w.Released = "proxy" }).ClosingCause)
	failed := derive(func(w *billing.Row) {
		w.Disposition, w.Answered, w.DurationMS, w.Code = "failed", 0, -1, 486
	})
	require.Equal(t, billing.ClosedUnsuccessful, failed.ClosingCause)
	require.Equal(t, "acme", failed.Rating.Carrier)
	require.False(t, failed.Rating.Rated)
	require.Equal(t, int64(-1), failed.AnswerDelay)
	part := derive(func(w *billing.Row) { w.State, w.Part, w.Ended = "open", 2, 0 })
	require.Equal(t, billing.ClosedByTimeLimit, part.ClosingCause)
	require.Equal(t, billing.RecordOpen, part.State)
}
