package evapi_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/evapi"
)

// readAll takes frames until src ends or the framing breaks.
func readAll(f *evapi.Framer, src io.Reader) (frames []string, err error) {
	for err == nil {
		_, err = f.Fill(src)
		for {
			n := f.Count(2)
			frame, ok, bad := f.Next()
			if bad != nil {
				return frames, bad
			}
			if ok != (n > 0) {
				return frames, errors.New("Count and Next disagree")
			}
			if !ok {
				break
			}
			frames = append(frames, string(frame))
		}
	}
	return frames, err
}

func TestFramer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in   string
		want []string
		err  error
	}{
		"empty stream":        {"", nil, io.EOF},
		"two":                 {"5:hello,3:abc,", []string{"hello", "abc"}, io.EOF},
		"empty body":          {"0:,1:x,", []string{"", "x"}, io.EOF},
		"separators inside":   {"7:1:,,:2,,", []string{"1:,,:2,"}, io.EOF},
		"at the limit":        {"20:" + strings.Repeat("x", 20) + ",", []string{strings.Repeat("x", 20)}, io.EOF},
		"cut":                 {"5:hel", nil, io.EOF},
		"above the limit":     {"1:a,21:", []string{"a"}, evapi.ErrFrameTooLong},
		"huge":                {"99999999999999999999999999:", nil, evapi.ErrFrameTooLong},
		"huge, not yet ended": {"100", nil, evapi.ErrFrameTooLong},
		"leading zero":        {"05:hello,", nil, evapi.ErrFrameSyntax},
		"two zeros":           {"00:,", nil, evapi.ErrFrameSyntax},
		"negative":            {"-1:x,", nil, evapi.ErrFrameSyntax},
		"plus":                {"+1:x,", nil, evapi.ErrFrameSyntax},
		"space":               {" 1:x,", nil, evapi.ErrFrameSyntax},
		"no digits":           {":x,", nil, evapi.ErrFrameSyntax},
		"no comma":            {"1:xx", nil, evapi.ErrFrameSyntax},
		"garbage behind":      {"1:x,\x00\xff", []string{"x"}, evapi.ErrFrameSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, src := range []io.Reader{
				strings.NewReader(tc.in), iotest.OneByteReader(strings.NewReader(tc.in)),
				iotest.DataErrReader(strings.NewReader(tc.in)),
			} {
				got, err := readAll(evapi.NewFramer(20), src)
				require.ErrorIs(t, err, tc.err)
				require.Equal(t, tc.want, got)
			}
		})
	}
}

// TestFramerEveryCut splits a stream in two reads at each byte.
func TestFramerEveryCut(t *testing.T) {
	t.Parallel()
	data, n := stream(2)
	whole, _ := readAll(evapi.NewFramer(0), bytes.NewReader(data))
	require.Len(t, whole, n)
	for cut := range data {
		got, err := readAll(evapi.NewFramer(0), io.MultiReader(bytes.NewReader(data[:cut]), bytes.NewReader(data[cut:])))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, whole, got, "cut at %d", cut)
	}
}

// TestFramerSlides reads frames of all sizes up to the limit through a buffer
// that is much smaller than the stream.
func TestFramerSlides(t *testing.T) {
	t.Parallel()
	var data []byte
	var want []int
	for size := 0; size <= evapi.DefaultMaxFrame; size += 997 {
		data = evapi.AppendFrame(data, strings.Repeat("a", size))
		want = append(want, size)
	}
	data = evapi.AppendFrame(data, strings.Repeat("b", evapi.DefaultMaxFrame))
	want = append(want, evapi.DefaultMaxFrame)
	got, err := readAll(evapi.NewFramer(0), iotest.HalfReader(bytes.NewReader(data)))
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, got, len(want))
	for i := range want {
		require.Len(t, got[i], want[i])
	}
}

//nolint:paralleltest // testing.AllocsPerRun counts for the whole process
func TestFramerAllocatesNothing(t *testing.T) {
	data, _ := stream(20)
	src := &loop{data: data}
	f := evapi.NewFramer(0)
	for range 10_000 {
		next(f, src) // the buffer has its size
	}
	require.Zero(t, testing.AllocsPerRun(10_000, func() { next(f, src) }))
}

func FuzzFramer(f *testing.F) {
	data, _ := stream(1)
	f.Add(data, 7)
	f.Add([]byte("0:,00:,"), 1)
	f.Add([]byte("18446744073709551617:x,"), 3)
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		const limit = 4096
		whole, errWhole := readAll(evapi.NewFramer(limit), bytes.NewReader(in))
		parts, errParts := readAll(evapi.NewFramer(limit), &steps{in, 1 + step&63})
		require.Equal(t, whole, parts, "depends on how the bytes come")
		require.Equal(t, errWhole.Error(), errParts.Error())
		var again []byte
		for _, frame := range whole {
			require.LessOrEqual(t, len(frame), limit)
			again = evapi.AppendFrame(again, frame)
		}
		require.True(t, bytes.HasPrefix(in, again), "frames must be what stands in the stream")
	})
}

// steps reads a few bytes at a time.
type steps struct {
	data []byte
	n    int
}

func (s *steps) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(s.n, len(p))], s.data)
	s.data = s.data[n:]
	return n, nil
}
