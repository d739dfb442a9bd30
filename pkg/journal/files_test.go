package journal_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/journal"
)

// several writes a log of several files, and returns their paths, oldest first.
func several(t *testing.T, dir string) []string {
	t.Helper()
	l := open(t, dir, func(o *journal.Options) { o.Segment = 4096 })
	collect(t, l.Log)
	l.run(t)
	for i := range uint64(40) {
		require.NoError(t, l.Wait(t.Context(), l.Append(entry(i+1, 500), 1, true)))
	}
	require.NoError(t, l.stop())
	files, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	require.NoError(t, err)
	require.Greater(t, len(files), 3)
	return files
}

// A file that somebody has deleted is told of, wherever it stood.
func TestDeletedFilesAreMissed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		gone func(files []string) []string
		want uint64
	}{
		"none":       {func([]string) []string { return nil }, 0},
		"the oldest": {func(f []string) []string { return f[:1] }, 1},
		"two inside": {func(f []string) []string { return f[1:3] }, 2},
		"all":        {func(f []string) []string { return f }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, f := range c.gone(several(t, dir)) {
				require.NoError(t, os.Remove(f))
			}
			l := open(t, dir, nil)
			defer func() { require.NoError(t, l.stop()) }()
			found, err := l.Replay(func(uint64, int, []byte) error { return nil })
			require.NoError(t, err)
			require.Equal(t, c.want, found.Missing)
			require.False(t, found.Unused)
			require.Equal(t, c.want, l.Stats().Missing)
			if c.want > 0 {
				require.Contains(t, l.log.String(), "gone")
			} else {
				require.Empty(t, l.log.String())
			}
		})
	}
}

// What the log itself drops is not missed, and one that was never used is no
// loss either.
func TestDroppedFilesAreNotMissed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, nil)
	found, err := l.Replay(func(uint64, int, []byte) error { return nil })
	require.NoError(t, err)
	require.True(t, found.Unused)
	id := l.ID()
	require.NotEmpty(t, id)
	require.NoError(t, l.stop())

	several(t, dir)
	l = open(t, dir, nil)
	collect(t, l.Log)
	id = l.ID()
	require.NoError(t, l.Truncate(25))
	require.NoError(t, l.SetTrying(39))
	require.NoError(t, l.stop())
	l = open(t, dir, nil)
	defer func() { require.NoError(t, l.stop()) }()
	found, err = l.Replay(func(uint64, int, []byte) error { return nil })
	require.NoError(t, err)
	require.Zero(t, found.Missing)
	require.EqualValues(t, 40, found.Last)
	require.EqualValues(t, 39, l.Trying())
	require.Equal(t, id, l.ID())
}

// A disk that is full is told of and waited out: what fits in memory is written
// once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a small disk needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("NOT TESTED: a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	l := open(t, filepath.Join(dir, "journal"), nil)
	collect(t, l.Log)
	l.run(t)
	require.NoError(t, l.Wait(t.Context(), l.Append(entry(1, 500), 1, true)))
	big := make([]byte, 4096)
	f, err := os.Create(filepath.Join(dir, "other"))
	require.NoError(t, err)
	for err == nil {
		_, err = f.Write(big)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, f.Close())
	const last = 200
	for i := uint64(2); i <= last; i++ {
		l.Append(entry(i, 500), 1, true)
	}
	require.ErrorIs(t, l.Wait(t.Context(), last), journal.ErrFailing)
	st := l.Stats()
	require.False(t, st.OK)
	require.ErrorIs(t, st.Failing, syscall.ENOSPC)
	require.Eventually(t, func() bool { return l.committed.Load() == last }, 10*time.Second, time.Millisecond, "nobody waits for a full disk")

	require.NoError(t, os.Remove(f.Name()))
	require.Eventually(t, func() bool { return l.Stats().OK }, 10*time.Second, time.Millisecond)
	require.NoError(t, l.Wait(t.Context(), last))
	require.NoError(t, l.Stats().Failing)
	require.Zero(t, l.Stats().Lost)
	require.NoError(t, l.stop())
	again := open(t, filepath.Join(dir, "journal"), nil)
	all, found := collect(t, again.Log)
	require.Len(t, all, last)
	require.Zero(t, found.Lost+found.Missing)
	require.NoError(t, again.stop())
}
