package kamailiocfg_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A reader in a process of its own, so that it can be stopped with SIGSTOP: the
// test binary runs itself with this variable set to "ADDR ACK_EVERY QUICKACK";
// ACK_EVERY 0 is a client that is not byeguard.
const readerEnv = "BYEGUARD_TEST_READER"

func TestMain(m *testing.M) {
	if spec := os.Getenv(readerEnv); spec != "" {
		if err := runReader(spec, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// report is what a reader process has seen.
type report struct {
	Frames, Ours int   // all, and events of ours
	First, Last  int64 // sequence numbers
	Acks         int
}

// runReader reads until stdin closes, then prints its report to stdout. It acknowledges
// every ackEvery frames; what is left over at the end of a burst waits for the next
// one, since it never adds up to more than that.
func runReader(spec string, stdin io.Reader, stdout io.Writer) error {
	var addr string
	var ackEvery int
	var quickack bool
	if _, err := fmt.Sscan(spec, &addr, &ackEvery, &quickack); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	var rep report
	go func() {
		_, _ = io.Copy(io.Discard, stdin)                            // however it ends, the parent is done
		conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // the last frames
	}()
	if ackEvery > 0 {
		fmt.Fprint(conn, "22:byeguard hello 1 bench,")
	} else {
		fmt.Fprintln(stdout, "ready")
	}
	// evapi's sockets have Nagle's algorithm on: without quick TCP ACKs the kernel
	// holds frames back for up to 40 ms.
	in := bufio.NewReaderSize(quickReader{conn.(*net.TCPConn), quickack}, 1<<20)
	var sent, acked string
	for n := 0; ; {
		size, err := in.ReadSlice(':')
		if err != nil {
			break
		}
		length, err := strconv.Atoi(string(size[:len(size)-1]))
		if err != nil {
			return err
		}
		frame, err := in.Peek(length + 1)
		if err != nil {
			break
		}
		rep.Frames++
		if bytes.HasPrefix(frame, []byte(`{"bg":1,`)) {
			sent = field(frame, `"r":`)
			if bytes.HasPrefix(frame, []byte(`{"bg":1,"k":"lab"`)) {
				rep.Ours++
				rep.Last, _ = strconv.ParseInt(field(frame, `"s":`), 10, 64)
				if rep.First == 0 {
					rep.First = rep.Last
				}
			} else if rep.Frames == 1 {
				fmt.Fprintln(stdout, "ready")
			}
		}
		if _, err := in.Discard(length + 1); err != nil {
			return err
		}
		if n++; ackEvery > 0 && n >= ackEvery && sent != acked {
			ack := "byeguard ack " + sent
			if _, err := fmt.Fprintf(conn, "%d:%s,", len(ack), ack); err != nil {
				break
			}
			acked, n = sent, 0
			rep.Acks++
		}
	}
	return json.NewEncoder(stdout).Encode(rep)
}

// quickReader asks for an immediate TCP ACK around each read (tcp(7): TCP_QUICKACK
// is not permanent).
type quickReader struct {
	conn  *net.TCPConn
	quick bool
}

func (q quickReader) Read(p []byte) (int, error) {
	n, err := q.conn.Read(p)
	if q.quick {
		if raw, e := q.conn.SyscallConn(); e == nil {
			_ = raw.Control(func(fd uintptr) { // what cannot be set costs time only
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
			})
		}
	}
	return n, err
}

func field(frame []byte, key string) string {
	_, rest, _ := bytes.Cut(frame, []byte(key))
	end := bytes.IndexAny(rest, ",}")
	return string(rest[:max(end, 0)])
}

// readerProcess is a reader that can be stalled.
type readerProcess struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startReader(tb testing.TB, addr string, ackEvery int) *readerProcess {
	tb.Helper()
	r := &readerProcess{t: tb, cmd: exec.Command(os.Args[0])}
	r.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d true", readerEnv, addr, ackEvery))
	r.cmd.Stderr = os.Stderr
	var err error
	r.in, err = r.cmd.StdinPipe()
	require.NoError(tb, err)
	out, err := r.cmd.StdoutPipe()
	require.NoError(tb, err)
	r.out = bufio.NewReader(out)
	require.NoError(tb, r.cmd.Start())
	tb.Cleanup(func() { r.cmd.Process.Kill(); r.cmd.Wait() })
	line, err := r.out.ReadString('\n')
	require.NoError(tb, err)
	require.Equal(tb, "ready\n", line)
	return r
}

// stop stalls the reader, as a debugger or a full disk would.
func (r *readerProcess) stop() { r.cmd.Process.Signal(syscall.SIGSTOP) }
func (r *readerProcess) kill() { r.cmd.Process.Kill() }

// finish ends the reader and returns what it saw.
func (r *readerProcess) finish() report {
	r.t.Helper()
	r.in.Close()
	var rep report
	require.NoError(r.t, json.NewDecoder(r.out).Decode(&rep))
	return rep
}

// load is a stream of events: each OPTIONS makes batch of them, so that all SIP
// workers emit in parallel.
type load struct {
	rate, size, batch int
	operator          bool // every other batch is an operator's untagged relay behind the gate
	ungated           bool // the same, past the gate
	during            time.Duration
}

// probe is how the proxy answered plain OPTIONS meanwhile.
type probe struct {
	sent, lost int
	times      []time.Duration
}

func (p probe) quantile(q float64) time.Duration {
	if len(p.times) == 0 {
		return 0
	}
	slices.Sort(p.times)
	return p.times[int(q*float64(len(p.times)-1))]
}

func (p probe) String() string {
	return fmt.Sprintf("%d OPTIONS, %d lost, median %v, 99 %% %v, longest %v", p.sent, p.lost,
		p.quantile(.5).Round(10*time.Microsecond), p.quantile(.99).Round(10*time.Microsecond), p.quantile(1).Round(10*time.Microsecond))
}

// run drives the load and returns how many events were asked for.
func (l load) run(p *proxy) (events int, seen probe) {
	p.t.Helper()
	c, err := net.Dial("udp", p.sip)
	require.NoError(p.t, err)
	defer c.Close()
	pad := strings.Repeat("x", max(0, l.size-110))
	message := func(kind string) []byte {
		id := randomText()
		return []byte("OPTIONS sip:" + p.sip + " SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK" + id + "\r\n" +
			"Max-Forwards: 70\r\nFrom: <sip:load@127.0.0.1>;tag=" + id + "\r\nTo: <sip:load@127.0.0.1>\r\nCall-ID: " + id + "\r\nCSeq: 1 OPTIONS\r\n" +
			fmt.Sprintf("X-Lab-Events: %d\r\nX-Lab-Kind: %s\r\nX-Lab-Pad: %s\r\nContent-Length: 0\r\n\r\n", l.batch, kind, pad))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			seen.sent++
			if took := p.options(2 * time.Second); took < 0 {
				seen.lost++
			} else {
				seen.times = append(seen.times, took)
			}
		}
	}()
	start := time.Now()
	pace := time.NewTimer(0)
	defer pace.Stop()
	for i := 0; ; i++ {
		due := start.Add(time.Duration(i*l.batch) * time.Second / time.Duration(l.rate))
		if due.Sub(start) >= l.during {
			break
		}
		if wait := time.Until(due); wait > 0 {
			pace.Reset(wait)
			<-pace.C
		}
		kind := "event"
		if l.operator && i%2 == 1 {
			kind = "operator"
		}
		if l.ungated && i%2 == 1 {
			kind = "ungated"
		}
		_, err := c.Write(message(kind))
		require.NoError(p.t, err)
		events += l.batch
	}
	close(stop)
	wg.Wait()
	return events, seen
}
