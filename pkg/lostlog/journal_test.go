package lostlog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/lostlog"
)

// entry is one line of journalctl -o json.
func entry(n int, message any) string {
	m, _ := json.Marshal(message)
	return fmt.Sprintf(`{"__CURSOR":"s=abc;i=%d","__REALTIME_TIMESTAMP":"17000000000000%02d","_BOOT_ID":"x","MESSAGE":%s}`, n, n, m)
}

// fakeJournalctl puts a script called journalctl alone into PATH. It writes down
// its arguments and prints the file out of its first, second, ... run.
func fakeJournalctl(t *testing.T, runs ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i, out := range runs {
		require.NoError(t, os.WriteFile(fmt.Sprintf("%s/out.%d", dir, i+1), []byte(out), 0o600))
	}
	script := fmt.Sprintf(`#!/bin/sh
d=%s
echo "$@" >> $d/args
n=$(/usr/bin/wc -l < $d/args)
[ -e $d/out.$n ] && /bin/cat $d/out.$n
if [ $n -lt %d ]; then echo "journal is broken" >&2; exit 3; fi
exec /bin/sleep 1000
`, dir, len(runs))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o700))
	t.Setenv("PATH", dir)
	return dir
}

//nolint:paralleltest // sets PATH
func TestJournal(t *testing.T) {
	bytesOf := func(s string) []int {
		var out []int
		for _, b := range []byte(s) {
			out = append(out, int(b))
		}
		return out
	}
	dir := fakeJournalctl(t,
		strings.Join([]string{
			"-- Journal begins --", "{}", entry(1, "INFO: <script>: x"), entry(2, before+"one"+tail), entry(3, nil),
			entry(4, " 0(12) "+before+"two"+tail), entry(5, []int{300}), entry(6, bytesOf(before+"th\xffree"+tail)),
			entry(7, strings.Repeat("y", 200_000)), entry(8, before+"fo\nur"+tail), entry(9, syslog+before+"forged"+tail),
		}, "\n")+"\n",
		entry(10, before+"five"+tail)+"\n",
	)
	f := start(t, lostlog.Options{Unit: "kamailio.service"})
	for i, id := range []string{"one", "two", "th\xffree", "fo\nur", "five"} {
		ev := wait(t, f.events)
		require.Equal(t, id, ev.CallID)
		require.Equal(t, dialog, ev.Dialog)
		require.Equal(t, []int64{1700000000000002, 1700000000000004, 1700000000000006, 1700000000000008, 1700000000000010}[i], ev.At)
	}
	s := f.s.Stats()
	require.Equal(t, []uint64{5, 1, 1, 1}, []uint64{s.Lost, s.Suspect, s.Oversized, s.Rotations})
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	require.NoError(t, err)
	require.Equal(t, "-f -o json --output-fields=MESSAGE -u kamailio.service -n 0\n"+
		"-f -o json --output-fields=MESSAGE -u kamailio.service -n all --after-cursor=s=abc;i=9\n", string(args))
	said := false
	for _, e := range f.log.AllEntries() {
		text, _ := e.String()
		said = said || strings.Contains(text, "journal is broken") && strings.Contains(text, "exit status 3")
	}
	require.True(t, said, "why journalctl ended is in the log")
}

func TestJournalAbsent(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s, err := lostlog.New(lostlog.Options{Node: "n", Unit: "kamailio"})
	require.NoError(t, err)
	err = s.Run(context.Background(), func(call.Event) {})
	require.ErrorIs(t, err, lostlog.ErrNoJournalctl)
	require.ErrorContains(t, err, "configure log_file")
}
