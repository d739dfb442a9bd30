package app_test

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/cdrfile"
	"github.com/byeguard/byeguard/pkg/lab"
)

// export hands over what came after a cursor, as lines by their Call-ID.
func (s *site) export(after app.Cursor, rates *billing.Rates) (lines map[string]map[string]string, x app.Exported) {
	s.t.Helper()
	var b bytes.Buffer
	x, err := app.Export(s.ctx, s.app.Store(), &app.ExportOptions{After: after, Rates: rates},
		func(app.Cursor) (app.RecordWriter, error) { return cdrfile.NewCSV(&b), nil })
	require.NoError(s.t, err)
	rows, err := csv.NewReader(&b).ReadAll()
	require.NoError(s.t, err)
	lines = map[string]map[string]string{}
	for _, row := range rows[1:] {
		line := map[string]string{}
		for i, name := range rows[0] {
			line[name] = row[i]
		}
		require.NotContains(s.t, lines, line["call_id"], "handed over twice")
		lines[line["call_id"]] = line
	}
	require.EqualValues(s.t, len(lines), x.Records)
	return lines, x
}

// TestCallToExportedRow: real calls through a real Kamailio, and the rows that a
// rating engine gets of them.
func TestCallToExportedRow(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{caller: lab.UAOptions{Name: "+4917012345"}, callee: lab.UAOptions{Name: "+4930123456"}})
	rates, err := billing.ParseRates([]byte(`{carriers: [{name: loop, prefixes: [+4930], gateways: [127.0.0.0/8], currency: EUR, rates: [{per_minute: 0.06, minimum: 30}]}]}`))
	require.NoError(t, err)

	good := s.call(lab.CallOptions{})
	_, err = good.Caller.Send("BYE", lab.RequestOptions{Headers: []string{`Reason: Q.850;cause=16;text="Normal, call clearing"`}})
	require.NoError(t, err)
	s.final(good.Caller.CallID())
	raced := s.call(lab.CallOptions{})
	s.forceRace(raced)
	require.NoError(t, raced.Callee.WaitEnded(s.ctx))
	r := s.final(raced.Caller.CallID())
	up := s.call(lab.CallOptions{})
	s.open(up.Caller.CallID())

	lines, x := s.export(app.Cursor{}, rates)
	require.Len(t, lines, 2, "a call that is up is not handed over")
	g := lines[good.Caller.CallID()]
	for name, want := range map[string]string{
		"schema": "1", "state": "final", "revision": "1", "disposition": "answered", "cause_for_rec_closing": "normalRelease",
		"caller_number": "+4917012345", "callee_number": "+4930123456", "released_by": "caller", "sip_code": "200",
		"q850_cause": "16", "cause": `Q.850;cause=16;text="Normal, call clearing"`, "caller_how": "own_bye", "callee_how": "confirmed",
		"repaired": "false", "carrier": "loop", "billable_s": "30", "currency": "EUR", "cost": "0.030000", "rates_version": rates.Version,
	} {
		require.Equal(t, want, g[name], name)
	}
	for _, name := range []string{"setup", "answered", "confirmed", "ended", "caller_end", "callee_end", "closed", "answer_delay_ms", "duration_ms", "caller_address", "callee_address"} {
		require.NotEmpty(t, g[name], name)
	}
	require.LessOrEqual(t, g["setup"], g["answered"])
	require.LessOrEqual(t, g["answered"], g["ended"])
	require.LessOrEqual(t, g["ended"], g["callee_end"])

	b := lines[raced.Caller.CallID()]
	require.Equal(t, "abnormalRelease", b["cause_for_rec_closing"])
	require.Equal(t, "true", b["repaired"])
	require.Equal(t, "callee", b["overrun_leg"])
	require.Equal(t, "exact", b["overrun_bound"])
	require.Equal(t, strconv.FormatInt(r.Overrun, 10), b["overrun_ms"])
	require.NotEmpty(t, b["repair_evidence"])

	// The next export has the last call, and nothing twice.
	_, err = up.Callee.Send("BYE", lab.RequestOptions{})
	require.NoError(t, err)
	s.final(up.Caller.CallID())
	next, y := s.export(x.Cursor, rates)
	require.Len(t, next, 1)
	require.Equal(t, "callee", next[up.Caller.CallID()]["released_by"])
	none, _ := s.export(y.Cursor, rates)
	require.Empty(t, none)
	_, err = app.Export(s.ctx, s.app.Store(), &app.ExportOptions{After: app.Cursor{Feed: y.Cursor.Feed, Seq: y.Cursor.Seq + 1}, Rates: rates}, nil)
	require.ErrorIs(t, err, app.ErrCursor)
	s.noViolations()
}
