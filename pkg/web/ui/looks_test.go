package ui_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

// testLooks opens each view in light, dark and at a phone's width: pictures of
// all, nothing wider than the window, and no finding of axe-core's.
func testLooks(t *testing.T, s *site, one, _ *window) {
	t.Helper()
	since := time.Now().Add(-24 * time.Hour)
	require.NoError(t, s.app.Store().PutReconciliation(s.ctx, &store.Reconciliation{By: "anna", What: "csv", Source: "acme-2026-11.csv", Since: &since,
		Carrier: "acme", Calls: 1204, Discrepancies: 3, Lines: []byte(`[{"class":"matched","carrier":"acme","calls":1201,"ours_ms":36625000,"theirs_ms":36626000,"currency":"EUR","ours_cost":"26.310000","theirs_cost":"26.310000"},
			{"class":"ran_on","carrier":"acme","calls":3,"ours_ms":216600,"theirs_ms":4495800,"currency":"EUR","ours_cost":"0.156000","theirs_cost":"3.229000"}]`)}))
	// What people would see on a bad day: repaired calls, calls that are up, one that
	// nobody picked up, an open incident and an acknowledged one.
	numbers := []string{"+4917012345678", "+4915198765432", "+4930123456"}
	options := func(i int) lab.CallOptions {
		return lab.CallOptions{FromURI: "sip:" + numbers[i%3] + "@home.example", ToURI: "sip:+4989" + numbers[(i+1)%3][6:] + "@acme.example"}
	}
	var repaired lab.Pair
	for i := range 4 {
		repaired = s.call(options(i))
		s.oneSided(repaired)
	}
	up, odd := s.call(options(1)), s.call(options(2))
	s.refused(odd)
	call := url.PathEscape(repaired.Caller.CallID())
	row[int](s, `SELECT 1 FROM byeguard.cdrs WHERE call_id = $1 AND state = 'final'`, store.Escape(repaired.Caller.CallID()))
	one.open("#/now")
	one.shows("hang-up went nowhere")
	check := axe(t)
	one.size(1280, 860)
	for _, view := range []struct{ name, at string }{
		{"now", "#/now"}, {"incidents", "#/incidents"}, {"incidents-all", "#/incidents?state=all"}, {"search", "#/search?q=4917"}, {"call", "#/call/" + call},
		{"records", "#/records"}, {"reports", "#/reports"}, {"reports-day", "#/reports?span=day"}, {"reconcile", "#/reconcile"}, {"words", "#/words"},
	} {
		one.open(view.at)
		for _, scheme := range []string{"light", "dark"} {
			one.scheme(scheme)
			one.until(view.name, settled)
			one.shoot(view.name + "-" + scheme)
			one.accessible(view.name+", "+scheme, check)
		}
		one.scheme("light")
		one.size(390, 844)
		one.open(view.at)
		one.until(view.name+" on a phone", settled)
		one.shoot(view.name + "-phone")
		require.LessOrEqual(t, eval[int](one, "document.documentElement.scrollWidth"), 390, "%s is wider than a phone", view.name)
		one.accessible(view.name+" on a phone", check)
		one.size(1280, 860)
		one.quiet()
	}
	// The switch wins over the system.
	one.run(void(`document.querySelector('input[name="pref-theme"][value="dark"]').click()`))
	require.Equal(t, "dark", eval[string](one, `getComputedStyle(document.documentElement).colorScheme`))
	one.run(void(`document.querySelector('input[name="pref-theme"][value="auto"]').click()`))
	require.Equal(t, "light", eval[string](one, `getComputedStyle(document.documentElement).colorScheme`))
	for _, p := range []lab.Pair{up, odd} {
		_, err := p.Caller.Bye(s.ctx, lab.RequestOptions{})
		require.NoError(t, err)
	}
}

// accessible has axe-core look for what is wrong, by WCAG 2.2 A and AA and its own
// advice. Nothing serious or critical may be found.
func (w *window) accessible(what, check string) {
	w.t.Helper()
	eval[bool](w, `typeof axe !== "undefined" || (`+"() => {"+check+`})() || true`)
	found := eval[struct {
		Passed int
		Bad    []string
	}](w, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"]}).then(r => ({
		Passed: r.passes.length,
		Bad: r.violations.flatMap(v => v.nodes.map(n => v.impact + " " + v.id + ": " + n.html.slice(0, 200) + " " + n.failureSummary))}))`)
	require.Greater(w.t, found.Passed, 10, "axe has not looked at %s", what)
	require.Empty(w.t, found.Bad, "accessibility of %s", what)
}
