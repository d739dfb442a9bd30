package main_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir, ".", "../byeguard").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "byeguard-chaos")
}

// TestPlan: the seed is printed first, and the same seed has the same faults.
func TestPlan(t *testing.T) {
	t.Parallel()
	program := build(t)
	plan := func(args ...string) string {
		out, err := exec.Command(program, append(args, "--plan", "--duration", "1m")...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	first := plan("--seed", "7")
	require.Regexp(t, `^byeguard-chaos: seed 7, 1m0s, 100 calls a second, \d+ faults\n`, first)
	require.Equal(t, first, plan("--seed", "7"))
	require.NotEqual(t, first, plan("--seed", "8"))
	require.Regexp(t, `^byeguard-chaos: seed \d+, `, plan())
	require.NotContains(t, first, "\x1b", "colour in a pipe")
	require.NotContains(t, plan("--seed", "7", "--faults", "all,-kill"), "  kill ")
}

// TestBadCommandLine: what cannot work is said before anything is started.
func TestBadCommandLine(t *testing.T) {
	t.Parallel()
	program := build(t)
	for _, test := range []struct{ args, want string }{
		{"--duration 1s", "duration 1s: use 5s or more"},
		{"--rate 0.1", "rate 0.1: use 1 to 1000"},
		{"--faults fire", `no fault "fire": there are kill,`},
		{"--patience 1ms", "patience 1ms: use 1s or more"},
		{"--byeguard /nonexistent", "run make build"},
		{"more", "there are flags only"},
	} {
		var stderr bytes.Buffer
		cmd := exec.Command(program, strings.Fields(test.args)...)
		cmd.Stderr = &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, test.args)
		require.Equal(t, 2, exit.ExitCode(), test.args)
		require.Contains(t, stderr.String(), test.want)
	}
}

// TestLabFails: a byeguard that cannot run is the laboratory's failure, not a
// verdict.
func TestLabFails(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(build(t), "--byeguard", "/bin/false", "--duration", "5s").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Equal(t, 3, exit.ExitCode(), "%s", out)
	require.Contains(t, string(out), "the laboratory failed: wait for byeguard: it ended: exit status 1")
}
