package ui_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/web"
)

// settled says that a view has all that it waits for.
const settled = `document.getElementById("link").dataset.state === "live" && document.querySelector("main h1") && !document.querySelector("main .loading, main [aria-busy=true]")`

// evil is what somebody may send as a display name, and worse as a Call-ID.
const (
	evilName   = `<script>alert(1)</script> "><img src=x onerror=alert(2)> =HYPERLINK("x")`
	evilCallID = `<script>alert("'3'")</script>/%2e%2e/%00?&#@evil`
)

// TestPage: the real page of a real byeguard beside a real Kamailio, in a real
// browser.
//
//nolint:tparallel // one after the other: each goes on where the last one ended
func TestPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, web.Config{})
	b := newBrowser(t)
	one, two := b.window(t, s.url), b.window(t, s.url)
	one.open("#/now")
	one.sees("All is well")
	two.open("#/incidents?state=all")
	two.sees("Nothing here")
	for _, step := range []struct {
		name string
		test func(*testing.T, *site, *window, *window)
	}{
		{"live", testLive}, {"acknowledge", testAcknowledge}, {"hostile", testHostile}, {"search", testSearch},
		{"pause", testPause}, {"keyboard", testKeyboard}, {"looks", testLooks}, {"connection", testConnection},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			s.t, one.t, two.t = t, t, t
			step.test(t, s, one, two)
		})
		s.t, one.t, two.t = t, t, t
		if !ok {
			return
		}
	}
}

// A one-sided BYE made by Kamailio is on the page within a second of its
// detection, without a reload. So is what becomes of it.
func testLive(t *testing.T, s *site, one, two *window) {
	t.Helper()
	two.run(void(`window.mark = "not reloaded"; window.seen = {};
		new MutationObserver(() => { for (const a of document.querySelectorAll("[data-incident]")) seen[a.dataset.incident] ??= Date.now(); })
			.observe(document.querySelector("main"), {subtree: true, childList: true});`))
	p := s.call(lab.CallOptions{})
	one.until("the live call", `[...document.querySelectorAll(".tile")].some(e => e.innerText.startsWith("Calls up now") && e.querySelector(".tile-value").textContent === "1")`)
	s.oneSided(p)
	detected := row[time.Time](s, `SELECT opened_at FROM byeguard.incidents WHERE kind = 'one_sided_bye' AND call_id = $1`, store.Escape(p.Caller.CallID()))
	two.until("it", "Object.keys(seen).length > 0")
	shown := time.UnixMilli(int64(eval[float64](two, "Object.values(seen)[0]")))
	t.Logf("detected %s, shown %v later", detected.UTC().Format("15:04:05.000"), shown.Sub(detected))
	require.Less(t, shown.Sub(detected), time.Second)
	two.until("that it is resolved", `document.querySelector(".incident.state-resolved")`)
	require.Equal(t, "not reloaded", eval[string](two, "window.mark"))
	one.until("the figure of this minute", `[...document.querySelectorAll(".tile")].some(e => e.innerText.startsWith("One-sided") && e.querySelector(".tile-value").textContent === "1")`)
	one.quiet()
	two.quiet()
}

// What is acknowledged in one window is so in the other.
func testAcknowledge(t *testing.T, s *site, one, two *window) {
	t.Helper()
	p := s.call(lab.CallOptions{})
	s.refused(p)
	one.shows("hang-up went nowhere")
	one.click(`[data-action="ack"]`)
	one.until("the dialog", `document.querySelector("dialog[open]")`)
	one.write(`dialog textarea`, `looking <b>into</b> it`)
	one.click(`dialog button[type="submit"]`)
	two.until("the note", `document.querySelector(".incident.state-acknowledged .quote")?.textContent === "looking <b>into</b> it"`)
	require.Contains(t, eval[string](two, `document.querySelector(".incident.state-acknowledged").innerText`), "by local")
	one.until("that it is acknowledged here", `document.querySelector(".incident.state-acknowledged")`)
	require.Equal(t, "acknowledged", row[string](s, `SELECT state FROM byeguard.incidents WHERE kind = 'bye_refused'`))
	two.click(`.state-acknowledged [data-action="resolve"]`)
	two.until("the dialog", `document.querySelector("dialog[open]")`)
	two.click(`dialog button[type="submit"]`)
	one.sees("Nobody needs to do anything")
	_, err := p.Caller.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	one.quiet()
	two.quiet()
}

// Text of a call is only ever text.
func testHostile(t *testing.T, s *site, one, two *window) {
	t.Helper()
	p := s.call(lab.CallOptions{CallID: evilCallID, DisplayName: evilName, FromURI: `sip:%3Cscript%3Ealert(4)%3C%2Fscript%3E'=1@a.example`})
	s.oneSided(p)
	row[int](s, `SELECT 1 FROM byeguard.cdrs WHERE call_id = $1 AND state = 'final'`, store.Escape(evilCallID))
	for _, view := range []string{"#/incidents?state=all", "#/records", "#/search?q=" + "%3Cscript%3E", "#/call/" + eval[string](one, "encodeURIComponent("+js(evilCallID)+")"), "#/now"} {
		one.open(view)
		one.until(view, settled)
	}
	one.open("#/records")
	one.until("the row", `[...document.querySelectorAll("td a")].some(a => a.textContent.includes("alert(4)"))`)
	one.run(void(`[...document.querySelectorAll("td a")].find(a => a.textContent.includes("alert(4)")).click()`))
	one.until("the call", settled+` && document.querySelector(".call-head code")?.textContent === `+js(evilCallID))
	require.Zero(t, eval[int](one, `document.querySelectorAll("main script, main img, main iframe").length`))
	one.sees("byeguard sends BYE to the callee")
	one.quiet()
	two.quiet()
}

func testSearch(t *testing.T, _ *site, one, _ *window) {
	t.Helper()
	one.open("#/search")
	one.write(`input[type="search"]`, "bob")
	one.run(chromedp.KeyEvent(kb.Enter))
	one.until("an answer", `document.querySelector(".failure, table, .stack .empty-title")`)
	one.open("#/search?q=no-such-call%40example")
	one.sees("No call found")
	one.open("#/call/no-such-call%40example")
	one.until("that there is none", `document.querySelector(".failure")`)
	require.NotContains(t, eval[string](one, "document.body.innerText"), "undefined")
	one.quiet("404")
}

// An operator pauses and resumes.
func testPause(t *testing.T, s *site, one, two *window) {
	t.Helper()
	one.open("#/now")
	two.open("#/now")
	one.click(`.section-head button.button`)
	one.until("the dialog", `document.querySelector("dialog[open]")`)
	one.write(`dialog textarea`, "carrier's maintenance")
	one.click(`dialog button[type="submit"]`)
	two.sees("Paused for all servers.")
	two.sees("carrier's maintenance")
	require.Equal(t, "pause", row[string](s, `SELECT kind FROM byeguard.switches`))
	two.click(`.banner-switch button.button`)
	two.until("the dialog", `document.querySelector("dialog[open]")`)
	two.click(`dialog button[type="submit"]`)
	one.until("that it goes on", `!document.querySelector(".banner-switch")`)
	one.quiet()
	two.quiet()
}

// Everything can be reached and seen by keyboard alone.
func testKeyboard(t *testing.T, _ *site, one, _ *window) {
	t.Helper()
	one.open("#/now")
	one.until("the view", settled)
	one.run(void(`document.activeElement.blur()`), chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "Skip to the content", eval[string](one, "document.activeElement.textContent"))
	one.run(chromedp.KeyEvent(kb.Enter))
	require.Equal(t, "main", eval[string](one, "document.activeElement.id"))
	// A word explains itself, and Escape closes it.
	one.run(chromedp.KeyEvent(kb.Tab))
	require.True(t, eval[bool](one, `document.activeElement.matches(".term")`), eval[string](one, "document.activeElement.outerHTML"))
	one.run(chromedp.KeyEvent(kb.Enter))
	one.until("the note", `document.querySelector(".note:popover-open")`)
	one.run(chromedp.KeyEvent(kb.Escape))
	one.until("that it is closed", `!document.querySelector(".note:popover-open")`)
	// From the begin of the page: each stop is seen, and the order is that of reading.
	one.run(void(`document.activeElement.blur(); document.querySelector(".skip").focus()`))
	var stops []string
	for range 60 {
		one.run(chromedp.KeyEvent(kb.Tab))
		at := eval[struct {
			Name, Tag string
			Seen      bool
		}](one, `(() => { const e = document.activeElement, c = getComputedStyle(e), r = e.getBoundingClientRect();
			return {Name: (e.getAttribute("aria-label") || e.innerText || "").trim(), Tag: e.tagName, Seen: r.width > 0 && c.outlineStyle !== "none" && parseFloat(c.outlineWidth) >= 2}; })()`)
		if at.Tag == "BODY" {
			break
		}
		require.True(t, at.Seen, "focus cannot be seen on %s %s", at.Tag, at.Name)
		require.NotEmpty(t, at.Name, "a stop without a name: %s", at.Tag)
		stops = append(stops, at.Name)
	}
	t.Logf("stops: %s", strings.Join(stops, " | "))
	walk := strings.Join(stops, "|")
	last := -1
	for _, name := range []string{"byeguard", "settings", "Now", "Incidents", "Search", "Records", "Reports", "Reconcile", "Calls up now", "All incidents", "Pause sending", "Words explained"} {
		at := strings.Index(walk[last+1:], name)
		require.GreaterOrEqual(t, at, 0, "%s is not reached in its order", name)
		last += at + 1
	}
	// A view that is chosen takes the focus to its title.
	one.run(void(`[...document.querySelectorAll("nav a")].find(a => a.textContent === "Reports").focus()`), chromedp.KeyEvent(kb.Enter))
	one.until("the title", `document.activeElement.textContent === "Reports" && document.activeElement.tagName === "H1"`)
	one.quiet()
}

// A lost connection is told, with the age of what is shown; and it comes back by
// itself.
func testConnection(t *testing.T, s *site, one, two *window) {
	t.Helper()
	one.scheme("light")
	one.size(1280, 860)
	one.open("#/now")
	one.until("the view", settled)
	s.stop()
	one.sees("Not connected to byeguard.")
	require.Regexp(t, `What you see is from \d\d:\d\d:\d\d`, eval[string](one, "document.body.innerText"))
	one.until("that it grows old", `/figures [1-9]\d* s old/.test(document.getElementById("link").innerText)`)
	one.sees("These figures are old")
	one.shoot("not-connected")
	s.start()
	one.until("that it is back", settled+` && !document.querySelector(".banner-lost")`)
	p := s.call(lab.CallOptions{})
	s.refused(p)
	one.shows("hang-up went nowhere")
	_, err := p.Caller.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	one.quiet("ERR_CONNECTION_REFUSED", "WebSocket", "Failed to load resource")
	two.quiet("ERR_CONNECTION_REFUSED", "WebSocket", "Failed to load resource")
}

// axe reads the accessibility checker.
func axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/axe.min.js")
	require.NoError(t, err)
	return string(text)
}
