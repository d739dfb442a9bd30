package journal_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/journal"
)

// running is a log that runs until stop is called.
type running struct {
	*journal.Log
	committed atomic.Uint64
	stop      func() error
	log       bytes.Buffer
}

func open(tb testing.TB, dir string, change func(*journal.Options)) *running {
	tb.Helper()
	r := &running{}
	logger := logrus.New()
	logger.SetOutput(&r.log)
	o := journal.Options{Dir: dir, Logger: logger, CommitEvery: time.Millisecond, Retry: 5 * time.Millisecond,
		Committed: func(upto uint64) { r.committed.Store(max(r.committed.Load(), upto)) }}
	if change != nil {
		change(&o)
	}
	l, err := journal.Open(o)
	require.NoError(tb, err)
	r.Log = l
	r.stop = func() error { return l.Close() }
	return r
}

func (r *running) run(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-done
		_ = r.Close()
		return err
	}
	tb.Cleanup(func() { _ = r.stop() })
}

// entry is what the tests write: its own position, and some padding.
func entry(pos uint64, size int) []byte {
	b := make([]byte, 12, 12+size)
	binary.LittleEndian.PutUint64(b, pos)
	binary.LittleEndian.PutUint32(b[8:], uint32(size))
	for i := range size {
		b = append(b, byte(pos+uint64(i)))
	}
	return b
}

// collect replays a log and checks each entry against its position.
func collect(tb testing.TB, l *journal.Log) ([]uint64, journal.Replayed) {
	tb.Helper()
	var all []uint64
	found, err := l.Replay(func(first uint64, n int, data []byte) error {
		for i := range n {
			pos := first + uint64(i)
			size := binary.LittleEndian.Uint32(data[8:])
			want := entry(pos, int(size))
			require.Equal(tb, want, data[:len(want)])
			data = data[len(want):]
			all = append(all, pos)
		}
		require.Empty(tb, data)
		return nil
	})
	require.NoError(tb, err)
	return all, found
}

func span(from, to uint64) (all []uint64) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

func write(tb testing.TB, r *running, n, size int) {
	tb.Helper()
	for range n {
		pos := r.Head() + 1
		require.Equal(tb, pos, r.Append(entry(pos, size), 1, pos%7 == 0))
		if pos%16 == 0 {
			require.NoError(tb, r.Wait(tb.Context(), pos))
		}
	}
	require.NoError(tb, r.Wait(tb.Context(), r.Head()))
}

func TestWrittenIsReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir, func(o *journal.Options) { o.Segment = 64 << 10 })
	all, found := collect(t, r.Log)
	require.Empty(t, all)
	require.Zero(t, found.Entries)
	r.run(t)
	write(t, r, 500, 1000)
	require.Equal(t, uint64(500), r.committed.Load())
	require.NoError(t, r.SetStored(200))
	require.NoError(t, r.SetWhole(3))
	require.NoError(t, r.stop())

	// A second life goes on where the first ended.
	r = open(t, dir, nil)
	all, found = collect(t, r.Log)
	require.Equal(t, span(1, 500), all)
	require.Zero(t, found.Lost+found.Damaged)
	require.Equal(t, []uint64{200, 3}, []uint64{r.Stored(), r.Whole()})
	r.run(t)
	write(t, r, 10, 5)
	require.NoError(t, r.Truncate(200))
	require.NoError(t, r.stop())
	r = open(t, dir, nil)
	all, found = collect(t, r.Log)
	require.Equal(t, uint64(510), all[len(all)-1])
	require.LessOrEqual(t, all[0], uint64(201))
	require.Greater(t, all[0], uint64(64), "old files are gone")
	require.Zero(t, found.Lost)
	require.NoError(t, r.stop())
}

func TestOneProcessOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir, nil)
	_, err := journal.Open(journal.Options{Dir: dir})
	require.ErrorIs(t, err, journal.ErrInUse)
	require.NoError(t, r.stop())
	l, err := journal.Open(journal.Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// Nobody is held up by a group that is in no hurry, and a hurry is heard.
func TestUrgentDoesNotWait(t *testing.T) {
	t.Parallel()
	r := open(t, t.TempDir(), func(o *journal.Options) { o.CommitEvery = time.Hour; o.Patience = time.Hour })
	collect(t, r.Log)
	r.run(t)
	r.Append(entry(1, 1), 1, false)
	r.Append(entry(2, 1), 1, true)
	require.Eventually(t, func() bool { return r.committed.Load() == 2 }, 10*time.Second, time.Millisecond)
}

// damaged files: what is sound is read, what is missing is known, and the log
// can be written to again.
func TestDamage(t *testing.T) {
	t.Parallel()
	const entries, size = 400, 1000
	for name, harm := range map[string]func(t *testing.T, files []string){
		"torn tail": func(t *testing.T, files []string) {
			t.Helper()
			last := files[len(files)-1]
			info, err := os.Stat(last)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(last, info.Size()-700))
		},
		"tail of zeroes": func(t *testing.T, files []string) {
			t.Helper()
			f, err := os.OpenFile(files[len(files)-1], os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.Write(make([]byte, 100_000))
			require.NoError(t, err)
			require.NoError(t, f.Close())
		},
		"flipped byte":   func(t *testing.T, files []string) { t.Helper(); flip(t, files[1], 40_000) },
		"flipped length": func(t *testing.T, files []string) { t.Helper(); flip(t, files[0], 4); flip(t, files[0], 5) },
		"file gone":      func(t *testing.T, files []string) { t.Helper(); require.NoError(t, os.Remove(files[1])) },
		"file empty":     func(t *testing.T, files []string) { t.Helper(); require.NoError(t, os.Truncate(files[2], 0)) },
		"file is something else": func(t *testing.T, files []string) {
			t.Helper()
			require.NoError(t, os.WriteFile(files[1], bytes.Repeat([]byte("not a journal "), 10_000), 0o600))
		},
		"file is a directory": func(t *testing.T, files []string) {
			t.Helper()
			require.NoError(t, os.Remove(files[1]))
			require.NoError(t, os.Mkdir(files[1], 0o700))
		},
		"marks lost": func(t *testing.T, files []string) {
			t.Helper()
			flip(t, filepath.Join(filepath.Dir(files[0]), "marks"), 3)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := open(t, dir, func(o *journal.Options) { o.Segment = 96 << 10 })
			collect(t, r.Log)
			r.run(t)
			write(t, r, entries, size)
			require.NoError(t, r.SetStored(100))
			require.NoError(t, r.stop())
			files, err := filepath.Glob(filepath.Join(dir, "*.wal"))
			require.NoError(t, err)
			require.Greater(t, len(files), 3)
			harm(t, files)

			r = open(t, dir, nil)
			all, found := collect(t, r.Log)
			require.Equal(t, uint64(len(all)), found.Entries)
			require.Greater(t, len(all), entries/2, "one damaged place costs only what is near it")
			require.Equal(t, found.Last-found.First+1-found.Lost, found.Entries)
			if found.Lost > 0 {
				require.GreaterOrEqual(t, found.LostLast, found.First)
			}
			if name == "marks lost" {
				require.Zero(t, r.Stored())
			}
			next := found.Last + 1
			r.run(t)
			require.Equal(t, next, r.Append(entry(next, 10), 1, true))
			require.NoError(t, r.Wait(t.Context(), next))
			require.NoError(t, r.stop())
			r = open(t, dir, nil)
			again, _ := collect(t, r.Log)
			require.Equal(t, append(all, next), again)
			require.NoError(t, r.stop())
		})
	}
}

func flip(tb testing.TB, path string, at int64) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(tb, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(tb, err)
	b[0] ^= 0x55
	_, err = f.WriteAt(b[:], at)
	require.NoError(tb, err)
}

// A log of bounded size is full like a disk: nobody waits for it, what does not
// fit into memory is counted, and it goes on when there is room.
func TestFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := open(t, dir, func(o *journal.Options) {
		o.Segment, o.MaxBytes, o.Buffer, o.Patience = 32<<10, 64<<10, 16<<10, 20*time.Millisecond
	})
	collect(t, r.Log)
	r.run(t)
	var last uint64
	for range 200 {
		last = r.Append(entry(r.Head()+1, 1000), 1, true)
		require.Eventually(t, func() bool { return r.committed.Load() >= last }, 10*time.Second, 100*time.Microsecond)
	}
	s := r.Stats()
	require.False(t, s.OK)
	require.Positive(t, s.Failures)
	require.Positive(t, s.Lost)
	require.Positive(t, s.Waived)
	require.ErrorIs(t, r.Wait(t.Context(), last), journal.ErrFailing)
	require.NoError(t, r.Truncate(last), "there is room again")
	require.Eventually(t, func() bool { return r.Stats().OK }, 10*time.Second, time.Millisecond)
	pos := r.Append(entry(last+1, 10), 1, true)
	require.NoError(t, r.Wait(t.Context(), pos))
	require.NoError(t, r.stop())
	require.Contains(t, r.log.String(), "journal_max")

	r = open(t, dir, nil)
	all, found := collect(t, r.Log)
	require.Equal(t, last+1, all[len(all)-1])
	require.Positive(t, found.Lost, "what was lost is known")
	require.NoError(t, r.stop())
}

// FuzzReplay: whatever is on disk, reading it ends, and gives back nothing that
// was not written.
func FuzzReplay(f *testing.F) {
	dir := f.TempDir()
	r := open(f, dir, nil)
	collect(f, r.Log)
	r.run(f)
	for i := range 40 {
		pos := r.Append(entry(uint64(i+1), 100*i), 1, true)
		if err := r.Wait(context.Background(), pos); err != nil {
			f.Fatal(err)
		}
	}
	if err := r.stop(); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%016x.wal", 1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(10), byte(255), uint32(70_000))
	f.Add(uint32(33_000), byte(1), uint32(50_000))
	f.Fuzz(func(t *testing.T, at uint32, mask byte, cut uint32) {
		bad := bytes.Clone(good[:min(int(cut), len(good))])
		if int(at) < len(bad) {
			bad[at] ^= mask
		}
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%016x.wal", 1)), bad, 0o600))
		r := open(t, dir, nil)
		all, found := collect(t, r.Log)
		require.Equal(t, uint64(len(all)), found.Entries)
		require.NoError(t, r.stop())
	})
}

// BenchmarkAppend is the cost of one event of 600 bytes at 1,200 a second, as 200
// calls a second give, fsync included.
func BenchmarkAppend(b *testing.B) {
	r := open(b, b.TempDir(), func(o *journal.Options) { o.CommitEvery = journal.DefaultCommitEvery })
	collect(b, r.Log)
	r.run(b)
	e := entry(1, 588)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	before := cpu()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if i%6 == 0 {
			<-tick.C
		}
		r.Append(e, 1, false)
	}
	if err := r.Wait(context.Background(), r.Head()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/event")
	s := r.Stats()
	b.ReportMetric(float64(s.CommitTime.Microseconds())/float64(s.Commits), "µs/commit")
}
