package lab_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// cpuTime is what this process has used so far.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const childEnv = "BYEGUARD_LAB_CHILD"

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	ctx := context.Background()
	k, err := lab.StartKamailio(ctx, lab.KamailioOptions{Plain: true})
	if err == nil {
		_, err = lab.NewDatabase(ctx)
	}
	var b *lab.Baresip
	if err == nil {
		b, err = lab.StartBaresip(ctx, lab.BaresipOptions{})
	}
	if err != nil {
		fmt.Fprintln(os.Stdout, "failed:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, k.Pid(), lab.PostgresPid(), k.Dir, filepath.Dir(b.LogPath))
	select {}
}

// TestNothingOutlivesAKilledProcess kills a process with a laboratory by
// SIGKILL, which gives it no chance to clean up.
func TestNothingOutlivesAKilledProcess(t *testing.T) {
	t.Parallel()
	child := exec.Command(os.Args[0])
	temp, err := os.MkdirTemp("", "byeguard-lab-test-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(temp, 0o755)) // for the user postgres
	t.Cleanup(func() { os.RemoveAll(temp) })
	child.Env = append(os.Environ(), childEnv+"=1", "TMPDIR="+temp)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var kamailio, postgres int
	var dir1, dir2 string
	_, err = fmt.Sscan(line, &kamailio, &postgres, &dir1, &dir2)
	require.NoError(t, err, line)
	require.DirExists(t, dir1)
	require.DirExists(t, dir2)
	require.NoError(t, syscall.Kill(-kamailio, 0), "kamailio leads a process group")
	require.NoError(t, syscall.Kill(postgres, 0))

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	require.Eventually(t, func() bool {
		left, err := os.ReadDir(temp)
		return err == nil && len(left) == 0 && !alive(-kamailio) && !alive(postgres)
	}, 20*time.Second, 50*time.Millisecond)
}

// alive says whether a process, or with a negative number any of a group, is
// more than a zombie that nobody reaps here.
func alive(pid int) bool {
	if pid > 0 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err == nil && !strings.Contains(string(stat), ") Z ")
	}
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return true
	}
	for _, path := range all {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(raw), ") ")
		var state string
		var ppid, pgrp int
		if _, err := fmt.Sscan(after, &state, &ppid, &pgrp); err == nil && pgrp == -pid && state != "Z" {
			return true
		}
	}
	return false
}

func TestEachDatabaseIsNewAndEmpty(t *testing.T) {
	t.Parallel()
	a, b := lab.Postgres(t), lab.MustDatabase(t)
	require.NotEqual(t, a, b.URL)
	for _, url := range []string{a, b.URL, b.KamailioURL + "?sslmode=disable"} {
		db, err := sql.Open("postgres", url)
		require.NoError(t, err)
		var n int
		require.NoError(t, db.QueryRow("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&n))
		require.Zero(t, n)
		require.NoError(t, db.Close())
	}
}
