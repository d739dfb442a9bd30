package cluster_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/cluster"
)

// tempDir makes a directory below one that other users may enter, which
// t.TempDir's are not.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "byeguard-cluster-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func start(t *testing.T, opts cluster.Options) *cluster.Cluster {
	t.Helper()
	opts.Throwaway = true
	c, err := cluster.Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop(context.Background())) })
	return c
}

func query(t *testing.T, url, q string) string {
	t.Helper()
	db, err := sql.Open("postgres", url)
	require.NoError(t, err)
	defer db.Close()
	var s string
	require.NoError(t, db.QueryRowContext(t.Context(), q).Scan(&s))
	return s
}

func TestStartMakesClusterThatIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "a b", "pg") // a space must not matter
	c := start(t, cluster.Options{Dir: dir, Settings: map[string]string{"work_mem": "5MB"}})
	require.Equal(t, "byeguard", query(t, c.URL(), "SELECT current_database()"))
	require.Equal(t, "UTF8", query(t, c.URL(), "SHOW server_encoding"))
	require.Equal(t, "C", query(t, c.URL(), "SELECT datcollate FROM pg_database WHERE datname = current_database()"))
	require.Empty(t, query(t, c.URL(), "SHOW listen_addresses"))
	require.Equal(t, "5MB", query(t, c.URL(), "SHOW work_mem"))
	st, err := os.Stat(c.SocketDir())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), st.Mode().Perm())

	url, err := cluster.Locate(dir, "")
	require.NoError(t, err)
	require.Equal(t, c.URL(), url)

	_, err = cluster.Start(t.Context(), cluster.Options{Dir: dir})
	require.ErrorIs(t, err, cluster.ErrInUse)
	require.Equal(t, "byeguard", query(t, c.URL(), "SELECT current_database()"), "the second Start must not disturb the first")
}

func TestDataSurvivesStopKillAndRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "pg")
	c := start(t, cluster.Options{Dir: dir})
	require.Equal(t, "1", query(t, c.URL(), "CREATE TABLE kept AS SELECT 1 AS n; SELECT n FROM kept"))

	require.NoError(t, c.Restart(t.Context()))
	require.Equal(t, "1", query(t, c.URL(), "SELECT n FROM kept"))

	require.NoError(t, c.Kill())
	require.Zero(t, c.Pid())
	<-c.Done()
	require.NoError(t, c.Restart(t.Context()))
	require.Equal(t, "byeguard", query(t, c.URL(), "SELECT current_database()"))

	require.NoError(t, c.Stop(t.Context()))
	_, err := cluster.Locate(dir, "")
	require.ErrorIs(t, err, cluster.ErrNotRunning)
	c = start(t, cluster.Options{Dir: dir})
	require.Equal(t, "byeguard", query(t, c.URL(), "SELECT current_database()"))
	require.NoError(t, c.Stop(t.Context()))
	require.NoError(t, c.Stop(t.Context()), "a second Stop is harmless")
}

func TestRunningServerIsTakenOver(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "pg")
	first := start(t, cluster.Options{Dir: dir})
	pid := first.Pid()
	// What a kill -9 of byeguard leaves: a server that runs, and no lock.
	require.NoError(t, first.Abandon())
	second := start(t, cluster.Options{Dir: dir})
	require.Equal(t, pid, second.Pid())
	require.Equal(t, "byeguard", query(t, second.URL(), "SELECT current_database()"))
	require.NoError(t, second.Stop(t.Context()))
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH }, 5*time.Second, 10*time.Millisecond)
}

func TestLongPathGetsShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), strings.Repeat("x", 120))
	c := start(t, cluster.Options{Dir: dir})
	t.Cleanup(func() { os.RemoveAll(c.SocketDir()) })
	require.LessOrEqual(t, len(c.SocketDir()+"/.s.PGSQL.5432"), 107)
	require.Equal(t, "byeguard", query(t, c.URL(), "SELECT current_database()"))
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(tempDir(t), "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	file := filepath.Join(tempDir(t), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	other := filepath.Join(tempDir(t), "pg")
	require.NoError(t, os.MkdirAll(filepath.Join(other, "data"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(other, "data", "PG_VERSION"), []byte("7\n"), 0o644))

	for name, tc := range map[string]struct {
		opts cluster.Options
		is   error
		says string
		root bool
	}{
		"no directory":    {cluster.Options{}, nil, "data_dir", false},
		"bad setting":     {cluster.Options{Dir: "/nowhere", Settings: map[string]string{"a b": ""}}, nil, "not the name of a postgresql setting", false},
		"not a directory": {cluster.Options{Dir: file}, nil, "not a directory", false},
		"no binaries":     {cluster.Options{Dir: filepath.Join(tempDir(t), "pg"), BinDir: "/nowhere"}, cluster.ErrNoServer, "/nowhere", false},
		"other version":   {cluster.Options{Dir: other}, cluster.ErrNoServer, "install the Debian package postgresql-7", false},
		"unreachable":     {cluster.Options{Dir: filepath.Join(closed, "pg")}, cluster.ErrNotReachable, "chmod o+x " + closed, true},
		"unknown user":    {cluster.Options{Dir: filepath.Join(tempDir(t), "pg"), User: "nobody-of-that-name"}, nil, "nobody-of-that-name", true},
		"bad value": {cluster.Options{Dir: filepath.Join(tempDir(t), "pg"), Throwaway: true,
			Settings: map[string]string{"work_mem": "much"}}, nil, "work_mem", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.root && os.Geteuid() != 0 {
				t.Skip("only root changes to another user")
			}
			_, err := cluster.Start(t.Context(), tc.opts)
			require.Error(t, err)
			require.ErrorContains(t, err, tc.says)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
		})
	}
}
