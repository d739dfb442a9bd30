package quietlog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/quietlog"
)

// output collects lines of JSON.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) lines(t *testing.T) (list []map[string]any) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(o.buf.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		list = append(list, m)
	}
	return list
}

func newLog(opts quietlog.Options) (*logrus.Logger, *quietlog.Formatter, *output) {
	log, out := logrus.New(), &output{}
	f := quietlog.New(&logrus.JSONFormatter{}, opts)
	log.SetFormatter(f)
	log.SetOutput(out)
	log.SetLevel(logrus.DebugLevel)
	return log, f, out
}

// A thousand lines that differ in Call-ID alone are some lines and a count; what
// is of another node, level or message is written.
func TestRepeatsAreSummedUp(t *testing.T) {
	t.Parallel()
	log, f, out := newLog(quietlog.Options{Burst: 3, Window: time.Hour})
	for i := range 1000 {
		log.WithField("node", "a").WithField("call_id", fmt.Sprint(i)).Warn("bye was not sent")
	}
	log.WithField("node", "b").Warn("bye was not sent")
	log.WithField("node", "a").Error("bye was not sent")
	log.WithField("node", "a").Warn("another")
	require.Len(t, out.lines(t), 6)
	require.EqualValues(t, 997, f.Suppressed())
	f.Flush()
	list := out.lines(t)
	require.Len(t, list, 7)
	last := list[6]
	require.InDelta(t, 997, last[quietlog.Repeated], 0)
	require.Equal(t, "999", last["call_id"])
	require.Equal(t, "warning", last["level"])
	require.Equal(t, "bye was not sent", last["msg"])
	f.Flush()
	require.Len(t, out.lines(t), 7, "it is told once")
}

// What was held back is told when the window is over, without another line.
func TestTheRestIsToldInTime(t *testing.T) {
	t.Parallel()
	log, _, out := newLog(quietlog.Options{Burst: 1, Window: 30 * time.Millisecond})
	for range 3 {
		log.Error("disk")
	}
	require.Eventually(t, func() bool { return len(out.lines(t)) >= 2 }, 10*time.Second, time.Millisecond)
	total := 0.0
	for _, m := range out.lines(t) {
		n, ok := m[quietlog.Repeated].(float64)
		if !ok {
			n = 1
		}
		total += n
	}
	require.InDelta(t, 3, total, 0)
}

// Memory is bounded, and nothing is lost for it: what cannot be followed is
// written. Debug lines always are.
func TestBoundsAndDebug(t *testing.T) {
	t.Parallel()
	log, f, out := newLog(quietlog.Options{Burst: 1, Window: time.Hour, Keys: 2})
	for i := range 50 {
		log.Warnf("line %d", i)
		log.Warnf("line %d", i)
		log.Debug("detail")
	}
	require.EqualValues(t, 2, f.Suppressed())
	require.Len(t, out.lines(t), 148)
}

// Many goroutines lose no line: those written and those counted are all.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	log, f, out := newLog(quietlog.Options{Burst: 2, Window: time.Millisecond})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				log.Warn("same")
			}
		})
	}
	wg.Wait()
	count := func() (n float64) {
		for _, m := range out.lines(t) {
			if k, ok := m[quietlog.Repeated].(float64); ok {
				n += k
				continue
			}
			n++
		}
		return n
	}
	f.Flush()
	require.Eventually(t, func() bool { return count() == 4000 }, 10*time.Second, time.Millisecond, "%v of 4000", count())
}
