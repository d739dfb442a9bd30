package watchdog_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/watchdog"
)

func TestReportSurvivesThePipe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		ready      bool
		age        time.Duration
		source     string
		wantAge    time.Duration
		wantSource string
	}{
		{"starting", false, 0, "", 0, ""},
		{"ready", true, 123 * time.Millisecond, "evapi kam1", 123 * time.Millisecond, "evapi kam1"},
		{"below a millisecond", true, 999 * time.Microsecond, "x", 0, "x"},
		{"too old for the field", true, time.Hour, "x", 65535 * time.Millisecond, "x"},
		{"negative", true, -time.Second, "x", 0, "x"},
		{"long name", true, 0, strings.Repeat("n", 300), 0, strings.Repeat("n", 60)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			buf := watchdog.EncodeReport(c.ready, c.age, c.source)
			require.Len(t, buf, watchdog.ReportSize)
			ready, age, source, ok := watchdog.DecodeReport(buf)
			require.True(t, ok)
			require.Equal(t, c.ready, ready)
			require.Equal(t, c.wantAge, age)
			require.Equal(t, c.wantSource, source)
		})
	}
}

func FuzzDecodeReport(f *testing.F) {
	f.Add(watchdog.EncodeReport(true, time.Second, "evapi"))
	f.Add([]byte{'r', 0, 0, 255})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, buf []byte) {
		ready, age, source, ok := watchdog.DecodeReport(buf)
		if !ok {
			return
		}
		// What was understood says the same when it is said again.
		again := watchdog.EncodeReport(ready, age, source)
		ready2, age2, source2, ok2 := watchdog.DecodeReport(again)
		require.True(t, ok2)
		require.Equal(t, ready, ready2)
		require.Equal(t, age, age2)
		require.Equal(t, source, source2)
	})
}

func TestBackoffDoublesAndForgets(t *testing.T) {
	t.Parallel()
	const s = time.Second
	require.Equal(t,
		[]time.Duration{0, s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s, 0, s},
		watchdog.Pauses(s, 30*s, 60*s, 0, s, s, s, s, s, s, 59*s, 60*s, s))
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, watchdog.Options{}.Validate())
	require.NoError(t, watchdog.Options{Stall: watchdog.DefaultStall}.Validate())
	require.ErrorContains(t, watchdog.Options{Stall: time.Millisecond}.Validate(), "give at least 200ms")
	require.ErrorContains(t, watchdog.Options{Backoff: -1}.Validate(), "negative")
}

func TestNoWatchdog(t *testing.T) {
	t.Parallel()
	beats, ok := watchdog.Child()
	require.False(t, ok, "the test binary is not a child")
	require.Nil(t, beats)

	// Code that beats need not ask.
	beats.Ready()
	beats.Beat()
	restarts, why := beats.Restarts()
	require.Zero(t, restarts)
	require.Empty(t, why)
	source := beats.NewSource("reader")
	require.Nil(t, source)
	source.Enable()
	source.Beat()
	source.Disable()
	source.Close()
}
