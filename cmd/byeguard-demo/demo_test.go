package main_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// build makes both programs side by side, as make does.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir, ".", "../byeguard").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "byeguard-demo")
}

// demo is the command, in a folder for temporary files that must be empty again
// at the end. Below t.TempDir PostgreSQL's user could not enter.
func demo(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	tmp, err := os.MkdirTemp("", "byeguard-demo-test-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(tmp, 0o755))
	t.Cleanup(func() {
		left, err := os.ReadDir(tmp)
		require.NoError(t, err)
		require.Empty(t, left, "the demo left files behind")
		require.NoError(t, os.RemoveAll(tmp))
	})
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	// What would mislead a byeguard or a PostgreSQL client must not.
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "BYEGUARD_MODE=observe", "BYEGUARD_DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "PGPORT=1")
	return cmd
}

// TestDemo runs the whole demo with few calls, as `make demo CALLS=20` does.
func TestDemo(t *testing.T) {
	t.Parallel()
	cmd := demo(t, build(t), "--calls", "20", "--rounds", "15")
	out, err := cmd.CombinedOutput()
	text := string(out)
	require.NoError(t, err, "%s", text)
	t.Logf("%s", text)
	for _, want := range []string{
		`(?m)^  Kamailio \d+\.\d+`, `(?m)^  PostgreSQL \d+`, `(?m)^  byeguard `,
		`calls that had to stay up, and did +5 of 5`,
		`(?m)^What Kamailio did alone$`, `(?m)^What byeguard did$`, `(?m)^Where to look next$`,
		`ok +no leg of an ended call was left up`,
	} {
		require.Regexp(t, want, text)
	}
	require.NotContains(t, text, "WRONG")
	require.NotContains(t, text, "\x1b", "colour in a pipe")
	require.Len(t, regexp.MustCompile(`(?m)^  ok `).FindAllString(text, -1), 6)

	lost := regexp.MustCompile(`callees that got none +(\d+)`).FindStringSubmatch(text)
	found := regexp.MustCompile(`found ended on one side only +(\d+)`).FindStringSubmatch(text)
	repaired := regexp.MustCompile(`callees that got their BYE from it +(\d+)`).FindStringSubmatch(text)
	require.NotNil(t, lost)
	require.NotNil(t, found)
	require.NotNil(t, repaired)
	require.NotEqual(t, "0", lost[1], "the fault did not show in any round")
	require.Equal(t, lost[1], found[1])
	require.Equal(t, lost[1], repaired[1])
	require.Regexp(t, `median +\d+ms`, text)
	require.Regexp(t, `(?m)^The story of one of them \(byeguard calls show call-\d+\)$`, text)
	for line := range strings.SplitSeq(text, "\n") {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 100, "too wide: %s", line)
	}
}

// TestInterrupted: Ctrl-C while calls are up ends everything in order.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	cmd := demo(t, build(t), "--calls", "300")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	// The staying calls are up; the others are being placed.
	seen := readUntil(t, stdout, "that stay up ")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(stdout)
	require.NoError(t, err)
	err = cmd.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 130, exit.ExitCode(), "%s%s%s", seen, rest, &stderr)
	require.Contains(t, stderr.String(), "interrupted; everything was stopped and removed")
}

// TestNotRepaired: a byeguard that only looks on leaves callees up, and the demo
// says so.
func TestNotRepaired(t *testing.T) {
	t.Parallel()
	program := build(t)
	idle := filepath.Join(t.TempDir(), "idle-byeguard")
	script := "#!/bin/sh\nif [ \"$1\" = serve ]; then set -- \"$@\" --mode observe; fi\n" +
		"exec '" + filepath.Join(filepath.Dir(program), "byeguard") + "' \"$@\"\n"
	require.NoError(t, os.WriteFile(idle, []byte(script), 0o755))
	out, err := demo(t, program, "--calls", "60", "--rounds", "5", "--patience", "3s", "--byeguard", idle).CombinedOutput()
	text := string(out)
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, text)
	require.Equal(t, 1, exit.ExitCode(), text)
	require.Regexp(t, `WRONG +a leg of an ended call was left up`, text)
	require.Regexp(t, `WRONG +the CDR of an ended call is not final`, text)
	require.Regexp(t, `WRONG +byeguard has an open incident`, text)
	require.Regexp(t, `callees that got their BYE from it +0\n`, text)
	require.Regexp(t, `ok +every call that had to stay up is up`, text)
	require.Contains(t, text, "The end of byeguard's log")
}

// TestReaderGone: `make demo | head` leaves nothing behind either.
func TestReaderGone(t *testing.T) {
	t.Parallel()
	cmd := demo(t, build(t), "--calls", "20")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	readUntil(t, stdout, "that stay up ")
	require.NoError(t, stdout.Close())
	err = cmd.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 130, exit.ExitCode(), "%v", err)
}

func readUntil(t *testing.T, r io.Reader, want string) string {
	t.Helper()
	var seen []byte
	buf := make([]byte, 256)
	for !bytes.Contains(seen, []byte(want)) {
		n, err := r.Read(buf)
		seen = append(seen, buf[:n]...)
		require.NoError(t, err, "%s", seen)
	}
	return string(seen)
}

// TestBadCommandLine: what cannot work is said before anything is started.
func TestBadCommandLine(t *testing.T) {
	t.Parallel()
	program := build(t)
	for _, test := range []struct{ args, want string }{
		{"--calls 0", "--calls 0: use 1 to 10000"},
		{"--calls 99999", "--calls 99999: use 1 to 10000"},
		{"--rounds 0", "--rounds 0: use 1 or more"},
		{"--patience 1ms", "--patience 1ms: use 1s or more"},
		{"--nonsense", "unknown flag"},
		{"more", "there are flags only"},
		{"--byeguard /nonexistent", "run make build"},
	} {
		out, err := demo(t, program, strings.Fields(test.args)...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, test.args)
		require.Equal(t, 2, exit.ExitCode(), test.args)
		require.Contains(t, string(out), test.want)
	}
}

// TestDaemonFails: the reason is shown, and nothing is left.
func TestDaemonFails(t *testing.T) {
	t.Parallel()
	out, err := demo(t, build(t), "--calls", "1", "--byeguard", "/bin/false").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.Contains(t, string(out), "it ended: exit status 1")
}
