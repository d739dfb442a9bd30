package kamailiocfg_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t)
	for _, args := range [][]string{
		{}, {"-A", "LAB"}, {"-A", "LISTEN_UDP6=udp:[::1]:5060", "-A", "LISTEN_TCP6=tcp:[::1]:5060"},
		{"-A", "WITH_ACC_DB"}, {"-A", "WITH_DIALOG_DB"}, {"-A", "WITH_ACC_DB", "-A", "WITH_DIALOG_DB"},
		{"-A", "CTL_SOCKET=\"unix:" + dir + "/ctl\""},
		{"-A", "LAB", "-A", "LAB_REFUSE_BYE"}, {"-A", "LAB", "-A", "LAB_DROP_BYE"}, {"-A", "LAB", "-A", "LAB_TIMEOUT=5"},
		{"-A", "LAB", "-A", "LAB_TIMEOUT_BYE=5"}, {"-A", "LAB", "-A", "LAB_EARLY_TIMEOUT=5"}, {"-A", "LAB", "-A", "LAB_SPIRAL", "-A", "LAB_FORK"},
	} {
		out, err := check(dir, "kamailio.cfg", args...)
		require.NoError(t, err, "%v\n%s", args, out)
		require.Empty(t, complaints(out), args)
	}
}

// switches maps each event route of byeguard-events.cfg to its define.
func switches(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	events, err := os.ReadFile(filepath.Join(dir, "byeguard-events.cfg"))
	require.NoError(tb, err)
	found := regexp.MustCompile(`(?m)^#!ifndef (BYEGUARD_NO_\w+)\n(reply_route|event_route\[[a-z:-]+\]) \{\n\troute\((BYEGUARD_\w+)\);\n\}\n#!endif`).FindAllStringSubmatch(string(events), -1)
	require.Len(tb, found, strings.Count(string(events), "route {")+strings.Count(string(events), "] {"), "every block stands behind a define")
	m := map[string]string{}
	for _, f := range found {
		m[f[1]] = f[2] + " {\n\troute(" + f[3] + ");\n}\n"
	}
	return m
}

// An operator who owns an event route defines the switch and calls our route.
func TestEachEventRouteCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	dir := writeFiles(t)
	whole, err := os.ReadFile(filepath.Join(dir, "kamailio.cfg"))
	require.NoError(t, err)
	doc, err := os.ReadFile("../docs/kamailio.md")
	require.NoError(t, err)
	all, own := []string{}, ""
	blocks := switches(t, dir)
	require.Len(t, blocks, 11)
	for define, block := range blocks {
		require.Contains(t, string(doc), "`"+define+"`")
		out, err := check(dir, "kamailio.cfg", "-A", define)
		require.NoError(t, err, "%s\n%s", define, out)
		all = append(all, "-A", define)
		if define == "BYEGUARD_NO_XHTTP" {
			continue
		}
		own += block
		require.NoError(t, os.WriteFile(filepath.Join(dir, define+".cfg"), append(slices.Clone(whole), block...), 0o644))
		out, err = check(dir, define+".cfg", "-A", define)
		require.NoError(t, err, "%s\n%s", define, out)
		if define == "BYEGUARD_NO_REPLY" {
			continue // the one block that may be repeated: Kamailio joins them
		}
		out, err = check(dir, define+".cfg")
		require.Error(t, err, "two blocks of one name are an error: %s\n%s", define, out)
	}
	out, err := check(dir, "kamailio.cfg", all...)
	require.NoError(t, err, out)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own.cfg"), append(slices.Clone(whole), own...), 0o644))
	out, err = check(dir, "own.cfg", all...)
	require.NoError(t, err, out)
	out, err = check(dir, "kamailio.cfg", "-A", "BYEGUARD_NO_FAILURE", "-A", "BYEGUARD_NO_EVAPI_PARAMS")
	require.NoError(t, err, out)
}

// patch applies the diff of docs/kamailio.md: in each hunk the lines that exist
// must follow each other, and the new ones go between them.
func patch(tb testing.TB, config string) string {
	tb.Helper()
	doc, err := os.ReadFile("../docs/kamailio.md")
	require.NoError(tb, err)
	_, rest, ok := strings.Cut(string(doc), "```diff\n")
	require.True(tb, ok)
	diff, _, _ := strings.Cut(rest, "```")
	lines := strings.Split(config, "\n")
	added := 0
	for _, hunk := range regexp.MustCompile(`(?m)^@@.*@@\n`).Split(diff, -1)[1:] {
		var old, with []string
		for _, l := range strings.Split(strings.TrimSuffix(hunk, "\n"), "\n") {
			with = append(with, l[1:])
			if l[0] == '+' {
				added++
				continue
			}
			old = append(old, l[1:])
		}
		at := -1
		for i := 0; i+len(old) <= len(lines); i++ {
			if slices.Equal(lines[i:i+len(old)], old) {
				at = i
				break
			}
		}
		require.NotEqual(tb, -1, at, "the stock configuration has no lines %q", old)
		lines = slices.Replace(lines, at, at+len(old), with...)
	}
	require.LessOrEqual(tb, added, 13, "an operator adds at most 12 lines, and a closing brace")
	return strings.Join(lines, "\n")
}

// The lines that docs/kamailio.md tells operators to add, in the configuration
// that Debian installs.
func TestDocumentedLinesInDebiansConfig(t *testing.T) {
	t.Parallel()
	stock, err := os.ReadFile("/etc/kamailio/kamailio.cfg")
	require.NoError(t, err, "the Debian package kamailio installs it")
	dir := writeFiles(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stock.cfg"), []byte(patch(t, string(stock))), 0o644))
	out, err := check(dir, "stock.cfg")
	require.NoError(t, err, out)

	port := freePort(t)
	p := startProxyFile(t, dir, "stock.cfg", port, port, "-l", fmt.Sprintf("udp:127.0.0.1:%d", port), "-l", fmt.Sprintf("tcp:127.0.0.1:%d", port))
	r, first := hello(t, p)
	require.Equal(t, "sbc1", first.text("node"))
	c := newTalk(p)
	c.caller.send(p.sip, c.request("BYE", "sip:bob@"+p.sip, "unknown"))
	c.caller.receive("SIP/2.0 404")
	got := r.collect("bye_in", "bye_refused")
	require.Equal(t, c.callID, got["bye_in"].text("i"))
	require.EqualValues(t, 404, got["bye_refused"].num("code"))
}

// BYEs of byeguard's own, through tm.t_uac_wait.
func TestOwnBye(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	r, _ := hello(t, p)
	for _, from := range []string{
		// In angle brackets and without a display name, which later versions drop.
		"<sip:bob@example.org>;tag=o'urs", "<sip:bob;tag=1@example.org;y=z>;tag=o'urs",
	} {
		result := make(chan string, 1)
		id := randomText()
		go func() {
			res, err := p.call("tm.t_uac_wait", "BYE", "sip:alice@"+p.nextHop.addr(), ".", ".",
				"From: "+from+"\r\nTo: <sip:alice@example.org>;tag=theirs\r\nCall-ID: "+id+"\r\nCSeq: 101 BYE\r\nX-Byeguard: cmd-"+id+"\r\n")
			result <- fmt.Sprint(string(res), err)
		}()
		bye := p.nextHop.receive("BYE")
		require.Len(t, bye.headers("From"), 1)
		require.Equal(t, from, bye.value("From"))
		require.Empty(t, bye.headers("X-Byeguard"))
		require.Equal(t, id, bye.value("Call-ID"))
		p.nextHop.send(bye.via(), bye.answer("481 Gone", ""))
		select {
		case res := <-result:
			require.Contains(t, res, "481")
		case <-time.After(5 * time.Second):
			t.Fatal("no answer to tm.t_uac_wait")
		}
		got := r.collect("bye_out", "bye_reply")
		require.Equal(t, "cmd-"+id, got["bye_out"].text("id"))
		require.EqualValues(t, 101, got["bye_out"].num("c"))
		require.Equal(t, "sip:alice@"+p.nextHop.addr(), got["bye_out"].text("u"))
		require.Equal(t, "o'urs", got["bye_out"].text("f"))
		require.Equal(t, "theirs", got["bye_out"].text("o"))
		require.EqualValues(t, 481, got["bye_reply"].num("code"))
	}

	// In a dialog that the proxy still knows it is ours all the same.
	c := newTalk(p)
	c.establish()
	r.collect("start", "confirm")
	done := make(chan error, 1)
	go func() {
		_, err := p.call("tm.t_uac_wait", "BYE", "sip:bob@"+p.nextHop.addr(), ".", ".",
			"From: "+c.from+";tag="+c.fromTag+"\r\nTo: "+c.to+";tag="+c.toTag+"\r\nCall-ID: "+c.callID+"\r\nCSeq: 101 BYE\r\nX-Byeguard: mine\r\n")
		done <- err
	}()
	bye := p.nextHop.receive("BYE")
	p.nextHop.send(bye.via(), bye.answer("200 OK", ""))
	require.NoError(t, <-done)
	out := r.collect("bye_out", "bye_reply")["bye_out"]
	require.Equal(t, "mine", out.text("id"))
	require.Equal(t, c.fromTag, out.text("f"))
}
