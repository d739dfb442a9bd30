package watchdog_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/watchdog"
)

// patience bounds every wait: a test fails then, it does not hang.
const patience = 20 * time.Second

// family is a parent with its child, run for one test.
type family struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // closed when parent and child are both gone
}

// newFamily starts a parent with the given options and a child that does what.
func newFamily(t *testing.T, options, what string) *family {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	f := &family{t: t, cmd: exec.Command(self), lines: make(chan string, 1000)}
	f.cmd.Env = append(os.Environ(), envParent+"="+options, envChild+"="+what)
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	f.cmd.Stdout, f.cmd.Stderr = w, w
	require.NoError(t, f.cmd.Start())
	require.NoError(t, w.Close())
	go func() {
		defer close(f.lines)
		defer func() { _ = r.Close() }()
		for in := bufio.NewScanner(r); in.Scan(); {
			f.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL)
		_ = f.cmd.Wait()
	})
	return f
}

// expect waits for a line that matches, and returns its groups.
func (f *family) expect(pattern string) []string {
	f.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-f.lines:
			require.True(f.t, ok, "all are gone, and nobody said %s", pattern)
			f.t.Log(line)
			if groups := re.FindStringSubmatch(line); groups != nil {
				return groups
			}
		case <-timeout:
			require.FailNow(f.t, "nobody said "+pattern)
		}
	}
}

// quiet requires that no line comes for d that matches.
func (f *family) quiet(d time.Duration, pattern string) {
	f.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(d)
	for {
		select {
		case line, ok := <-f.lines:
			require.True(f.t, ok, "all are gone")
			f.t.Log(line)
			require.NotRegexp(f.t, re, line)
		case <-timeout:
			return
		}
	}
}

// gone waits until parent and child are both gone, and returns the parent's
// exit status.
func (f *family) gone() int {
	f.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-f.lines:
			if ok {
				f.t.Log(line)
				continue
			}
			err := f.cmd.Wait()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return exit.ExitCode()
			}
			require.NoError(f.t, err)
			return 0
		case <-timeout:
			require.FailNow(f.t, "parent or child is still there")
		}
	}
}

// ready waits for a child that is ready and returns its process id.
func (f *family) ready() int {
	f.t.Helper()
	return number(f.t, f.expect(`^ready pid=(\d+)`)[1])
}

func (f *family) tell(s syscall.Signal) {
	f.t.Helper()
	require.NoError(f.t, f.cmd.Process.Signal(s))
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

func TestStoppedChildIsKilledWithinASecond(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "800ms", "")
	pid := f.ready()
	start := time.Now()
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	f.expect(`byeguard died.*reason="no heartbeat for [89]\d\dms".*restarts=1`)
	took := time.Since(start)
	t.Logf("killed and reaped %v after SIGSTOP", took)
	require.Greater(t, took, 600*time.Millisecond, "killed by something else")
	require.Less(t, took, 1500*time.Millisecond, "the kill lands within a second, plus the test's own slowness")
	next := f.expect(`^child pid=(\d+) restarts=(\d+) at=\d+ why=(.*)\.$`)
	require.NotEqual(t, pid, number(t, next[1]))
	require.Equal(t, "1", next[2])
	require.Contains(t, next[3], "no heartbeat")
	f.ready()
}

func TestSilentSourceIsNamedAndKilled(t *testing.T) {
	t.Parallel()
	// The main source goes on beating: one silent source is enough.
	f := newFamily(t, "800ms", "loop")
	pid := f.ready()
	require.NoError(t, syscall.Kill(pid, syscall.SIGUSR1))
	since := number(t, f.expect(`^silent at=(\d+)`)[1])
	f.expect(`byeguard died.*reason="no heartbeat of \\"reader\\" for [89]\d\dms"`)
	at := number(t, f.expect(`^child .*restarts=1 at=(\d+)`)[1])
	t.Logf("a new child ran %d ms after the last beat", at-since)
	require.Less(t, at-since, 1500)
}

func TestDisabledSourceMayBeSilent(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "400ms", "")
	require.NoError(t, syscall.Kill(f.ready(), syscall.SIGHUP))
	f.expect(`^hup`)
	f.quiet(1200*time.Millisecond, `died`)
}

func TestChildThatNeverGetsReadyIsKilled(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "400ms,700ms", "hang")
	f.expect(`byeguard died.*reason="not ready 700ms after its start"`)
	f.ready() // the second does not hang
	f.quiet(time.Second, `died`)
}

func TestExitStatusEndsTheParentToo(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"exit:3", "exit:0", "helper exit:2"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFamily(t, "800ms", what)
			f.expect(`^child .*restarts=0`)
			want := number(t, what[len(what)-1:])
			require.Equal(t, want, f.gone())
		})
	}
}

func TestCrashIsRestartedWithBackoff(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "800ms,1m,1s,200ms", "crash")
	var at []int
	for range 5 {
		at = append(at, number(t, f.expect(`^child .* at=(\d+)`)[1]))
	}
	f.ready()
	for i, least := range []int{0, 200, 400, 800} {
		require.GreaterOrEqual(t, at[i+1]-at[i], least, "pause before restart %d", i+1)
	}
	require.Less(t, at[1]-at[0], 200+1000, "the first restart is immediate")
}

func TestPanicIsACrash(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "800ms", "panic")
	f.expect(`^panic: a bug`)
	f.expect(`byeguard died.*reason="ended by aborted"`)
	f.ready()
}

func TestSignalsArePassedOn(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			f := newFamily(t, "800ms", "")
			f.ready()
			f.tell(syscall.SIGHUP)
			f.expect(`^hup`)
			f.tell(s)
			f.expect(`^told ` + s.String())
			require.Equal(t, 7, f.gone(), "the child's own exit status")
		})
	}
}

func TestDeafChildIsKilledAfterTheStopTime(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "800ms,1m,500ms", "deaf")
	f.ready()
	f.tell(syscall.SIGTERM)
	require.Equal(t, 128+9, f.gone(), "and not restarted")
}

func TestTermDuringThePauseEndsTheParent(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "800ms,1m,1s,25s", "crash")
	f.expect(`byeguard died.*pause=0s`)
	f.expect(`byeguard died.*pause=25s`)
	f.tell(syscall.SIGTERM)
	require.Equal(t, 0, f.gone())
}

func TestChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "800ms", "")
	pid := f.ready()
	// Even a child that can do nothing by itself any more.
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	f.tell(syscall.SIGKILL)
	require.Equal(t, -1, f.gone())
}

func TestChildEndsWhenThePipeBreaks(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	child := exec.Command(self)
	child.Env = append(os.Environ(), watchdog.FormatMarker(3, 0, ""))
	child.ExtraFiles = []*os.File{w}
	require.NoError(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	require.NoError(t, w.Close())

	buf := make([]byte, watchdog.ReportSize)
	_, err = io.ReadFull(r, buf)
	require.NoError(t, err)
	_, _, _, ok := watchdog.DecodeReport(buf)
	require.True(t, ok)
	require.NoError(t, r.Close())

	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 1, exit.ExitCode())
	case <-time.After(patience):
		require.FailNow(t, "the child is still there")
	}
}

func TestNobodyIsKilledForAStopOfAll(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"parent", "child"} {
		t.Run(first+" goes on first", func(t *testing.T) {
			t.Parallel()
			f := newFamily(t, "500ms", "")
			pids := []int{f.cmd.Process.Pid, f.ready()}
			for _, pid := range pids {
				require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
			}
			f.quiet(1500*time.Millisecond, `died`)
			if first == "child" {
				pids[0], pids[1] = pids[1], pids[0]
			}
			for _, pid := range pids {
				require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
			}
			f.quiet(1500*time.Millisecond, `died`)
		})
	}
}

func TestStoppedParentDoesNotBlockTheChild(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "500ms", "")
	f.ready()
	f.tell(syscall.SIGSTOP)
	f.quiet(1500*time.Millisecond, `died`)
	f.tell(syscall.SIGCONT)
	f.quiet(time.Second, `died`)
	f.tell(syscall.SIGTERM)
	require.Equal(t, 7, f.gone())
}

func TestBusyMachineIsNoStall(t *testing.T) {
	t.Parallel()
	f := newFamily(t, "800ms", "burn:3s")
	f.ready()
	f.quiet(3500*time.Millisecond, `died`)
	f.tell(syscall.SIGTERM)
	require.Equal(t, 7, f.gone())
}

func BenchmarkSourceBeat(b *testing.B) {
	source := new(watchdog.Source)
	for b.Loop() {
		source.Beat()
	}
}
