package lostlog_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/lostlog"
)

func lostLine(id string) string { return syslog + before + id + tail + "\n" }

type follow struct {
	t      *testing.T
	s      *lostlog.Source
	events chan call.Event
	log    *logtest.Hook
}

// start follows until the test ends.
func start(t *testing.T, o lostlog.Options) *follow {
	t.Helper()
	logger, hook := logtest.NewNullLogger()
	logger.SetLevel(logrus.InfoLevel)
	o.Node, o.Logger, o.Poll = "edge1", logger, 2*time.Millisecond
	s, err := lostlog.New(o)
	require.NoError(t, err)
	f := &follow{t: t, s: s, events: make(chan call.Event, 10000), log: hook}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, func(ev call.Event) { f.events <- ev }) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, wait(t, done))
	})
	return f
}

func wait[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within 10 s")
		panic("unreachable")
	}
}

func (f *follow) want(id string) {
	f.t.Helper()
	ev := wait(f.t, f.events)
	require.Equal(f.t, id, ev.CallID)
	require.Equal(f.t, call.Event{
		Kind: call.KindLost, Node: "edge1", CallID: id, Dialog: dialog, At: ev.At, Seen: ev.Seen,
	}, ev)
	require.InDelta(f.t, time.Now().UnixMicro(), ev.Seen, 10e6)
}

func (f *follow) eventually(what string, ok func(lostlog.Stats) bool) {
	f.t.Helper()
	require.Eventually(f.t, func() bool { return ok(f.s.Stats()) }, 10*time.Second, 2*time.Millisecond, what)
}

// create makes the log and a line in it that is older than byeguard.
func create(t *testing.T) (string, *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kamailio.log")
	f := open(t, path)
	write(t, f, lostLine("old"))
	return path, f
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t *testing.T, f *os.File, s string) {
	t.Helper()
	_, err := f.WriteString(s)
	require.NoError(t, err)
}

// opened waits until a file is being read: lines written before are not looked
// at, so a marker is written until it is counted.
func (f *follow) opened(file *os.File) {
	f.t.Helper()
	f.eventually("the file is open", func(s lostlog.Stats) bool {
		write(f.t, file, "marker\n")
		return s.Lines > 0
	})
}

func TestFile(t *testing.T) {
	t.Parallel()
	path, file := create(t)
	f := start(t, lostlog.Options{File: path, MaxLine: 4096})
	f.opened(file)
	write(t, file, "other\n"+lostLine("one")[:70])
	write(t, file, lostLine("one")[70:])
	f.want("one")
	write(t, file, strings.Repeat("x", 5000)+tail+"\n"+lostLine("two"))
	f.want("two")
	write(t, file, syslog+"ERROR: dialog [dlg_req_within.c:383]: send_bye(): terminating non-confirmed dialogs not supported\n"+
		syslog+"INFO: <script>: "+before+"forged"+tail+"\n"+lostLine("three"))
	f.want("three")
	s := f.s.Stats()
	require.Equal(t, []uint64{3, 1, 1, 1, 0}, []uint64{s.Lost, s.Anonymous, s.Suspect, s.Oversized, s.Rotations})
	require.Len(t, f.log.AllEntries(), 2, "one warning each for the anonymous and the suspect line")
}

// TestFileRenamed: the writer goes on with the renamed file until it is told.
func TestFileRenamed(t *testing.T) {
	t.Parallel()
	path, file := create(t)
	f := start(t, lostlog.Options{File: path})
	f.opened(file)
	for round := range 3 {
		write(t, file, lostLine("before"))
		f.want("before")
		require.NoError(t, os.Rename(path, fmt.Sprintf("%s.%d", path, round)))
		write(t, file, lostLine("renamed"))
		f.want("renamed")
		next := open(t, path) // logrotate's create, before the writer's HUP
		write(t, file, lostLine("still old"))
		f.want("still old")
		f.eventually("rotation seen", func(s lostlog.Stats) bool { return s.Rotations == uint64(round+1) })
		write(t, file, lostLine("even now"))
		f.want("even now")
		write(t, next, lostLine("new"))
		f.want("new")
		file = next
	}
}

func TestFileCopyTruncate(t *testing.T) {
	t.Parallel()
	path, file := create(t)
	f := start(t, lostlog.Options{File: path})
	f.opened(file)
	write(t, file, lostLine("before")+"half a line that goes away")
	f.want("before")
	require.NoError(t, os.Truncate(path, 0))
	f.eventually("truncation seen", func(s lostlog.Stats) bool { return s.Rotations == 1 })
	write(t, file, lostLine("after"))
	f.want("after")
}

func TestFileMissing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "later", "kamailio.log")
	f := start(t, lostlog.Options{File: path})
	require.Eventually(t, func() bool { return f.log.LastEntry() != nil }, 10*time.Second, time.Millisecond)
	require.Equal(t, logrus.WarnLevel, f.log.LastEntry().Level)
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	write(t, open(t, path), lostLine("first")) // made after byeguard: all of it counts
	f.want("first")
	require.NoError(t, os.Remove(path))
	write(t, open(t, path), lostLine("second"))
	f.want("second")
	warnings := 0
	for _, e := range f.log.AllEntries() {
		if e.Level == logrus.WarnLevel {
			warnings++
		}
	}
	require.Equal(t, 1, warnings, "one warning however long it waits")
}

func TestLongLineCostsNoMemory(t *testing.T) {
	t.Parallel()
	path, file := create(t)
	f := start(t, lostlog.Options{File: path})
	f.opened(file)
	piece := strings.Repeat("x", 1<<20)
	for range 32 {
		write(t, file, piece)
	}
	write(t, file, "\n"+lostLine("behind"))
	f.want("behind")
	require.Equal(t, uint64(1), f.s.Stats().Oversized)
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, lostlog.Options{Node: "n", File: "/x"}.Validate())
	require.NoError(t, lostlog.Options{Node: "n", Unit: "kamailio.service"}.Validate())
	for says, bad := range map[string]lostlog.Options{
		"node name":           {File: "/x"},
		"either a log file":   {Node: "n"},
		"or a journal unit":   {Node: "n", File: "/x", Unit: "u"},
		"limit":               {Node: "n", File: "/x", MaxLine: -1},
		"no name of a system": {Node: "n", Unit: "-rf"},
	} {
		_, err := lostlog.New(bad)
		require.ErrorContains(t, err, says)
	}
}

func TestStartStop(t *testing.T) {
	t.Parallel()
	path, file := create(t)
	s, err := lostlog.New(lostlog.Options{Node: "edge1", File: path, Poll: 100 * time.Microsecond})
	require.NoError(t, err)
	for i := range 100 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*30*time.Microsecond)
		write(t, file, lostLine("x"))
		require.NoError(t, s.Run(ctx, func(call.Event) {}))
		cancel()
	}
}
