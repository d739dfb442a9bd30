package lostlog_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/lostlog"
)

const (
	tail   = " already in deleted state, BYE not sent."
	place  = "WARNING: dialog [dlg_req_within.c:388]: send_bye(): "
	before = place + "dlg [12:3456] with callid "
	syslog = "Nov 23 15:40:07 edge1 /usr/sbin/kamailio[2817]: "
)

var dialog = call.DialogID{Entry: 12, ID: 3456}

func TestParseCallIDs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"3c2670092a1b-7q@192.0.2.1", "a", "with spaces in it", `qu"ote'd\`, "tab\there", "utf-8 \u00fc\xff",
		"x" + tail, "x" + tail + " y", "dlg [1:2] with callid z" + tail + tail, "] with callid ",
		"a] with callid b", before + "victim" + tail, `line\nfeed`, "line#012feed", "100%s", "end ", " start",
		strings.Repeat("i", 10_000),
	} {
		for name, head := range map[string]string{
			"plain": "", "stderr": " 0(1234) ", "stderr wide": "17(1234567) ", "syslog": syslog,
			"rfc3339": "2026-11-23T15:40:07.123456+01:00 edge1 kamailio[2817]: ", "imjournal": syslog + " 0(2817) ",
		} {
			got, verdict := lostlog.ParseLine([]byte(head + before + id + tail + "\r\n"))
			require.Equal(t, lostlog.Lost, verdict, "%s: %q", name, id)
			want := lostlog.Line{CallID: id, Dialog: dialog}
			if name == "rfc3339" {
				want.At = time.Date(2026, 11, 23, 14, 40, 7, 123456000, time.UTC).UnixMicro()
			}
			require.Equal(t, want, got)
		}
	}
}

func TestParseVerdicts(t *testing.T) {
	t.Parallel()
	good := "dlg [12:3456] with callid x" + tail
	for line, want := range map[string]lostlog.Verdict{
		"": lostlog.Other, "\n": lostlog.Other, "anything": lostlog.Other,
		syslog + before + "x already in deleted state": lostlog.Other,

		"WARNING: dialog [modules/dialog/dlg_req_within.c:391]: send_bye(): " + good:              lostlog.Lost,
		"WARNING: dialog [/usr/src/k/src/modules/dialog/dlg_req_within.c:1]: send_bye(): " + good: lostlog.Lost,
		"WARNING: dialog: send_bye(): " + good:                                                    lostlog.Lost,

		"ERROR: dialog [dlg_req_within.c:383]: send_bye(): terminating non-confirmed dialogs not supported":          lostlog.Anonymous,
		syslog + "ERROR: dialog [dlg_req_within.c:383]: send_bye(): terminating non-confirmed dialogs not supported": lostlog.Anonymous,
		"WARNING: dialog [dlg_req_within.c:383]: send_bye(): terminating non-confirmed dialogs not supported":        lostlog.Suspect,

		good:                           lostlog.Suspect,
		"x BYE not sent.":              lostlog.Suspect,
		"INFO: " + before + "x" + tail: lostlog.Suspect,
		" 0(12) INFO: <script>: new call " + before + "x" + tail:                           lostlog.Suspect,
		syslog + "INFO: <script>: new call " + before + "x" + tail:                         lostlog.Suspect,
		syslog + "INFO: <script>: " + before + "x" + tail:                                  lostlog.Suspect,
		syslog + "WARNING: <script>: x dialog [dlg_req_within.c:388]: send_bye(): " + good: lostlog.Suspect,
		syslog + "WARNING: {call-id} dialog [dlg_req_within.c:388]: send_bye(): " + good:   lostlog.Suspect,
		syslog + "x " + before + "x" + tail:                                                lostlog.Suspect,
		"ERROR: dialog [dlg_req_within.c:388]: send_bye(): " + good:                        lostlog.Suspect,
		"WARNING: dialog [dlg_handlers.c:388]: send_bye(): " + good:                        lostlog.Suspect,
		"WARNING: dialog [dlg_req_within.c:38x]: send_bye(): " + good:                      lostlog.Suspect,
		"WARNING: dialog [dlg_req_within.c:388]: other(): x send_bye(): " + good:           lostlog.Suspect,
		"WARNING: dialogx [dlg_req_within.c:388]: send_bye(): " + good:                     lostlog.Suspect,
		"WARNING: tm [dlg_req_within.c:388]: send_bye(): " + good:                          lostlog.Suspect,
		place + "dlg [12] with callid x" + tail:                                            lostlog.Suspect,
		place + "dlg [12:4294967296] with callid x" + tail:                                 lostlog.Suspect,
		place + "dlg [-1:2] with callid x" + tail:                                          lostlog.Suspect,
		place + "dlg [:] with callid x" + tail:                                             lostlog.Suspect,
		place + "dlg [1:2] with callid" + tail:                                             lostlog.Suspect,
		place + "dlg [1:2] with callid " + tail:                                            lostlog.Suspect,
		place + "x dlg [1:2] with callid x" + tail:                                         lostlog.Suspect,
	} {
		_, got := lostlog.ParseLine([]byte(line))
		require.Equal(t, want, got, "%q", line)
	}
	_, got := lostlog.ParseMessage([]byte(syslog + before + "x" + tail))
	require.Equal(t, lostlog.Suspect, got, "the journal has no syslog header within the message")
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(syslog+before+"x"+tail), "id")
	f.Add([]byte(" 0(1) "+before+before+tail+tail), tail)
	f.Add([]byte("ERROR: dialog: send_bye(): terminating non-confirmed dialogs not supported"), before)
	f.Fuzz(func(t *testing.T, line []byte, id string) {
		got, verdict := lostlog.ParseLine(line)
		if verdict == lostlog.Lost {
			require.NotEmpty(t, got.CallID)
			whole := "dlg [" + got.Dialog.String() + "] with callid " + got.CallID + tail
			trimmed := bytes.TrimRight(line, " \t\r\n")
			require.True(t, bytes.HasSuffix(trimmed, []byte(tail)))
			if !strings.Contains(string(trimmed), "[0") && !strings.Contains(string(trimmed), ":0") {
				require.True(t, bytes.HasSuffix(trimmed, []byte(whole)), "the Call-ID is what stands in the line")
			}
		} else {
			require.Zero(t, got)
		}
		if id == "" || strings.ContainsAny(id, "\n") {
			return
		}
		// Whatever the Call-ID, Kamailio's own line gives it back, ...
		got, verdict = lostlog.ParseLine([]byte(syslog + before + id + tail))
		require.Equal(t, lostlog.Lost, verdict)
		require.Equal(t, lostlog.Line{CallID: id, Dialog: dialog}, got)
		// ... and no Call-ID makes another line of Kamailio's evidence.
		_, verdict = lostlog.ParseLine([]byte(syslog + "WARNING: <script>: call " + id))
		require.NotEqual(t, lostlog.Lost, verdict)
		_, verdict = lostlog.ParseLine([]byte(" 3(77) INFO: " + id))
		require.NotEqual(t, lostlog.Lost, verdict)
	})
}
