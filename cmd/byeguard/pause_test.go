package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// who is the person who asks and the time, which differ from machine to machine.
var (
	who  = regexp.MustCompile(`by [^ @]+@[^ :]+`)
	when = regexp.MustCompile(`since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
)

// run runs the program as a person does.
func (p *pair) run(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	cmd := exec.CommandContext(p.ctx, p.bin, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		require.NoError(p.t, err)
	}
	tidy := func(s string) string {
		s = when.ReplaceAllString(who.ReplaceAllString(s, "by anna@noc"), "since then")
		return strings.ReplaceAll(s, p.dir, "DIR")
	}
	return tidy(out.String()), tidy(errs.String()), code
}

// TestPauseAndResumeAsProcesses: what a person types, reads and gets as exit
// status, beside a daemon that runs, and that obeys.
func TestPauseAndResumeAsProcesses(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	g := p.start()
	p.dir = g.dir
	db := []string{"--database-url", p.db, "--data-dir", g.dir}
	cut := func(dir, http string) []string { // a configuration whose PostgreSQL cannot be reached
		file := filepath.Join(t.TempDir(), "byeguard.yaml")
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil,
			"database_url: postgres://x@127.0.0.1:1/x?sslmode=disable\ndata_dir: %s\nhttp: %s\n", dir, http), 0o600))
		return []string{"-c", file}
	}
	nowhere := cut(g.dir, g.http)
	says := func(wantCode int, want string, args ...string) (stderr string) {
		t.Helper()
		out, stderr, code := p.run(args...)
		require.Equal(t, wantCode, code, "%v: %s%s", args, out, stderr)
		require.Equal(t, want, out, "%v: %s", args, stderr)
		if wantCode == 0 && want == "" {
			require.Empty(t, stderr)
		}
		return stderr
	}
	with := func(flags []string, args ...string) []string { return append(args, flags...) }
	status := func(flags []string) (rows []struct {
		Node, Role, Mode, Sending, Database string
		Alive, Connected, Ready             bool
		Waiting                             int  `json:"waiting_calls"`
		Skew                                *int `json:"skew_ms"`
	}) {
		t.Helper()
		out, stderr, code := p.run(with(flags, "status", "-o", "json")...)
		require.Zero(t, code, stderr)
		require.NoError(t, json.Unmarshal([]byte(out), &rows), out)
		return rows
	}

	p.eventually("it has said how it is", func() bool { return len(status(db)) == 1 })
	p.eventually("its clock is compared", func() bool { return status(db)[0].Skew != nil })
	st := status(db)[0]
	require.Equal(t, []string{"lab", "active", "compensate", "yes", "ok"}, []string{st.Node, st.Role, st.Mode, st.Sending, st.Database})
	require.True(t, st.Alive && st.Connected && st.Ready)

	c := p.calls(3)
	p.open(3)
	const confirmed = "confirmed by 1 running byeguard(s)\n"
	says(0, "sending is paused on all nodes\n"+confirmed, with(db, "pause", "--reason", "carrier maintenance")...)
	says(0, "sending was paused on all nodes already\n"+confirmed, with(db, "pause")...)
	p.race(c[0])
	p.eventually("its BYE waits", func() bool { return status(db)[0].Waiting == 1 })
	require.Equal(t, "paused by anna@noc: carrier maintenance", who.ReplaceAllString(status(db)[0].Sending, "by anna@noc"))
	table, _, code := p.run(with(db, "status")...)
	require.Zero(t, code)
	require.True(t, strings.HasSuffix(table, "held back since then: all nodes, paused by anna@noc: carrier maintenance\n`byeguard resume` lets sending go on\n"), table)
	says(0, "nothing held sending back on node lab\nstill held back: all nodes, paused by anna@noc: carrier maintenance\n"+confirmed,
		with(db, "resume", "--node", "lab")...)
	require.True(t, c[0].Callee.State().Live(), "a BYE was sent while sending was paused")
	says(0, "sending goes on, on all nodes\n"+confirmed, with(db, "resume", "--reason", "it is over")...)
	require.NoError(t, c[0].Callee.WaitEnded(p.ctx))
	says(0, "nothing held sending back on all nodes\n"+confirmed, with(db, "resume")...)
	says(0, "sending is paused on node lab\n"+confirmed, with(db, "pause", "--node", "lab")...)
	says(0, "sending goes on, on node lab\n"+confirmed, with(db, "resume", "--node", "lab")...)
	require.Equal(t, 1, p.count("SELECT count(*) FROM byeguard.switch_log WHERE reason='it is over' AND changed=1"))

	// What is wrong with the command line is told, with status 2.
	require.Equal(t, "byeguard: no node \"sbc9\": known are lab\n", says(2, "", with(db, "pause", "--node", "sbc9")...))
	require.Contains(t, says(2, "", with(db, "pause", "now")...), "byeguard: ")
	require.Contains(t, says(2, "", with(db, "status", "-o", "xml")...), "byeguard: ")
	require.Contains(t, says(2, "", with(db, "resume", "--nod", "lab")...), "unknown flag")

	// PostgreSQL cannot be reached from here: a file does it, status asks the daemon.
	left := "left in DIR/control for the byeguard of this machine alone: it obeys within a second if it runs, and tells PostgreSQL when that is back\n"
	require.Contains(t, says(0, left, with(nowhere, "pause", "--reason", "by file")...), "127.0.0.1")
	p.eventually("PostgreSQL knows of it", func() bool {
		return p.count("SELECT count(*) FROM byeguard.switches WHERE reason='by file'") == 1
	})
	require.Contains(t, status(nowhere)[0].Sending, "by file")
	p.race(c[1])
	p.eventually("its BYE waits", func() bool { return status(db)[0].Waiting == 1 })
	require.NotEmpty(t, says(0, left, with(nowhere, "resume")...))
	require.NoError(t, c[1].Callee.WaitEnded(p.ctx))
	empty := cut(t.TempDir(), "127.0.0.1:1")
	require.Contains(t, says(1, "", with(empty, "pause")...), "run this on byeguard's machine")
	require.Contains(t, says(1, "", with(empty, "status")...), "does not answer")

	// Nobody runs: it holds for who starts.
	require.NoError(t, syscall.Kill(g.cmd.Process.Pid, syscall.SIGTERM))
	require.NoError(t, g.cmd.Wait())
	says(0, "sending is paused on all nodes\nno byeguard runs now; it holds for each that starts\n", with(db, "pause", "--reason", "not yet")...)
	out, stderr, code := p.run(with(db, "status")...)
	require.Zero(t, code)
	require.Contains(t, stderr, "no byeguard has been heard of")
	require.Contains(t, out, "held back since then: all nodes, paused by anna@noc: not yet\n")
	p.start()
	p.eventually("it has said how it is", func() bool { rows := status(db); return len(rows) == 1 && strings.Contains(rows[0].Sending, "not yet") })
	p.race(c[2])
	p.eventually("its BYE waits", func() bool { return status(db)[0].Waiting == 1 })
	require.True(t, c[2].Callee.State().Live())
	says(0, "sending goes on, on all nodes\n"+confirmed, with(db, "resume")...)
	require.NoError(t, c[2].Callee.WaitEnded(p.ctx))
}
