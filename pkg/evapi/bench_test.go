package evapi_test

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/buger/jsonparser"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/evapi"
)

// loop repeats a stream for ever, in reads as large as the reader asks for.
type loop struct {
	data []byte
	at   int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.data[l.at:])
	if l.at += n; l.at == len(l.data) {
		l.at = 0
	}
	return n, nil
}

// next returns the next frame of an endless stream.
func next(f *evapi.Framer, src io.Reader) []byte {
	for {
		frame, ok, err := f.Next()
		if err != nil {
			panic(err)
		}
		if ok {
			return frame
		}
		if _, err := f.Fill(src); err != nil {
			panic(err)
		}
	}
}

// A way takes n events off an endless stream.
type way func(n int)

// framerWay is the netstring reader alone.
func framerWay(src io.Reader) way {
	f := evapi.NewFramer(0)
	return func(n int) {
		for range n {
			next(f, src)
		}
	}
}

// decodeWay is framing and decoding to call.Event, in slabs as the client makes
// them.
func decodeWay(src io.Reader) way {
	f := evapi.NewFramer(0)
	d := evapi.Decoder{Node: testNode}
	var slab []call.Event
	return func(n int) {
		for range n {
			if len(slab) == 0 {
				slab = make([]call.Event, max(1, f.Count(evapi.DefaultMaxBatch)))
			}
			if _, err := d.Decode(next(f, src), &slab[0]); err != nil {
				panic(err)
			}
			slab = slab[1:]
		}
	}
}

// peerWay is what others do: ReadString(':') for the length, a fresh buffer for
// the body, encoding/json into a map. It leaves base64 and numbers as they are.
func peerWay(src io.Reader) way {
	r := bufio.NewReader(src)
	return func(n int) {
		for range n {
			length, err := r.ReadString(':')
			if err != nil {
				panic(err)
			}
			size, err := strconv.Atoi(length[:len(length)-1])
			if err != nil {
				panic(err)
			}
			body := make([]byte, size+1)
			if _, err := io.ReadFull(r, body); err != nil {
				panic(err)
			}
			var ev map[string]any
			if err := json.Unmarshal(body[:size], &ev); err != nil {
				panic(err)
			}
		}
	}
}

// walkWay walks through the keys with buger/jsonparser and decodes nothing: the
// least that a decoder built on it would cost.
func walkWay(src io.Reader) way {
	f := evapi.NewFramer(0)
	members := 0
	count := func(_, _ []byte, _ jsonparser.ValueType, _ int) error { members++; return nil }
	return func(n int) {
		for range n {
			if err := jsonparser.ObjectEach(next(f, src), count); err != nil {
				panic(err)
			}
		}
	}
}

func run(b *testing.B, begin func(io.Reader) way) {
	b.Helper()
	data, _ := stream(200)
	w := begin(&loop{data: data})
	w(5000) // buffers have their size
	b.ReportAllocs()
	b.ResetTimer()
	w(b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkFramer(b *testing.B)         { run(b, framerWay) }
func BenchmarkDecode(b *testing.B)         { run(b, decodeWay) }
func BenchmarkPeerMap(b *testing.B)        { run(b, peerWay) }
func BenchmarkJSONParserWalk(b *testing.B) { run(b, walkWay) }

// BenchmarkRatio takes turns on the same stream and compares CPU time, garbage
// collection included, so that the machine's other work does not count. The
// metrics are times as many events a CPU second as the peer's way.
func BenchmarkRatio(b *testing.B) {
	const turn = 3000
	data, _ := stream(200)
	ways := map[string]way{
		"peer":   peerWay(&loop{data: data}),
		"decode": decodeWay(&loop{data: data}),
		"framer": framerWay(&loop{data: data}),
		"walk":   walkWay(&loop{data: data}),
	}
	spent := map[string]time.Duration{}
	b.ResetTimer()
	for range b.N {
		for name, w := range ways {
			before := cpu()
			w(turn)
			spent[name] += cpu() - before
		}
	}
	for _, name := range []string{"decode", "framer", "walk"} {
		b.ReportMetric(float64(spent["peer"])/float64(spent[name]), name+"/peer")
	}
	b.ReportMetric(float64(spent["decode"].Nanoseconds())/float64(b.N*turn), "cpu-ns/decode")
	b.ReportMetric(float64(spent["peer"].Nanoseconds())/float64(b.N*turn), "cpu-ns/peer")
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
