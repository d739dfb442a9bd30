package evapi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"
)

// Defaults of Options.
const (
	DefaultReader       = "byeguard"
	DefaultAckEvery     = 16
	DefaultMaxBatch     = 128
	DefaultRcvBuf       = 4 << 20
	DefaultDialTimeout  = 3 * time.Second
	DefaultHelloTimeout = 3 * time.Second
	DefaultSyncIdle     = 200 * time.Millisecond
	DefaultDeadAfter    = 2 * time.Second
	DefaultWriteTimeout = 250 * time.Millisecond
	DefaultBackoffMin   = 100 * time.Millisecond
	DefaultBackoffMax   = time.Second

	// beatEvery bounds how long the reader waits for anything without calling
	// Beat, so that a watchdog can tell idle from stalled.
	beatEvery = 100 * time.Millisecond
	// restBelow is how few frames may have come for the reader to rest. Together
	// with what comes during a rest they stay well below the proxy's credit.
	restBelow = 24
	// busyFor is how long the reader does not rest after more than that.
	busyFor = 250 * time.Millisecond
	// sendBuffer is SO_SNDBUF, bytes.
	sendBuffer = 16 << 10
	// maxEarly bounds the events kept back until the answer to hello is here.
	maxEarly = 4096
)

// Options of a Client. Zero values mean the defaults; Addr and Node have none.
type Options struct {
	Addr   string // host:port of the node's evapi
	Listen string // in place of Addr: ip:port where the node's UDP datagrams arrive
	From   string // with Listen: ip:port of the proxy's SIP socket that sends them; no others are read
	Node   string // the node's name; must be what BYEGUARD_NODE says there
	Reader string // how this reader is called in hello; up to 32 of A-Z a-z 0-9 . _ -

	MaxFrame int // longest frame body, bytes
	MaxBatch int // most events handed to the handler at once
	AckEvery int // acknowledge at the latest after so many frames, within a read too
	RcvBuf   int // SO_RCVBUF, bytes; the kernel may grant less

	// Rest is how long the reader rests after it has read little, so that it is
	// woken once for several events; 0 = not at all. It adds as much to the time
	// in which events are seen.
	Rest time.Duration

	ReorderEvents int           // reorder window, in events
	ReorderWait   time.Duration // reorder window, in time

	DialTimeout  time.Duration
	HelloTimeout time.Duration // until ErrNotByeguard
	SyncIdle     time.Duration // ask for a sync after so long without a frame
	DeadAfter    time.Duration // until ErrDead, from the unanswered sync on
	WriteTimeout time.Duration // until ErrWrite; keep it below the watchdog's patience
	BackoffMin   time.Duration // first wait before connecting again, ± jitter
	BackoffMax   time.Duration // longest; also how long a connection must have lived to start over

	// Resume is the last event that an earlier process had kept. With it the
	// first connection reports what was missed; zero = report nothing.
	Resume Position

	Logger logrus.FieldLogger // nil = no log
	Now    func() time.Time   // nil = time.Now; must not go backwards
	// Beat is called by the reader itself at every turn, at least every 100 ms
	// unless it hangs. It must not block; nil = none.
	Beat func()
}

func (o *Options) setDefaults() {
	if o.Listen != "" {
		o.Addr = "udp:" + o.Listen
	}
	def(&o.Reader, DefaultReader)
	def(&o.MaxFrame, DefaultMaxFrame)
	def(&o.MaxBatch, DefaultMaxBatch)
	def(&o.AckEvery, DefaultAckEvery)
	def(&o.RcvBuf, DefaultRcvBuf)
	def(&o.ReorderEvents, DefaultReorderEvents)
	def(&o.ReorderWait, DefaultReorderWait)
	def(&o.DialTimeout, DefaultDialTimeout)
	def(&o.HelloTimeout, DefaultHelloTimeout)
	def(&o.SyncIdle, DefaultSyncIdle)
	def(&o.DeadAfter, DefaultDeadAfter)
	def(&o.WriteTimeout, DefaultWriteTimeout)
	def(&o.BackoffMin, DefaultBackoffMin)
	def(&o.BackoffMax, max(DefaultBackoffMax, o.BackoffMin))
	if o.Logger == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Logger = silent
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Beat == nil {
		o.Beat = func() {}
	}
}

func def[T comparable](v *T, d T) {
	if zero := *new(T); *v == zero {
		*v = d
	}
}

// Validate says what is wrong with the options. Zero values that have a default
// are right.
func (o Options) Validate() error {
	if o.Listen != "" {
		for _, addr := range [...]string{o.Listen, o.From} {
			if _, err := netip.ParseAddrPort(addr); err != nil {
				return fmt.Errorf("UDP address %q: want ip:port: %w", addr, err)
			}
		}
	} else if _, _, err := net.SplitHostPort(o.Addr); err != nil {
		return fmt.Errorf("evapi address %q: want host:port: %w", o.Addr, err)
	}
	if o.Node == "" {
		return errors.New("evapi: node name is empty: give it the value of BYEGUARD_NODE")
	}
	if len(o.Reader) > 32 {
		return fmt.Errorf("evapi: reader name %q is longer than 32 characters", o.Reader)
	}
	for _, c := range []byte(o.Reader) {
		if !plain(c) {
			return fmt.Errorf("evapi: reader name %q: only A-Z a-z 0-9 . _ - are allowed", o.Reader)
		}
	}
	for _, n := range []int{o.MaxFrame, o.MaxBatch, o.AckEvery, o.RcvBuf, o.ReorderEvents} {
		if n < 0 || n > 1<<30 {
			return fmt.Errorf("evapi: size %d is out of range", n)
		}
	}
	for _, d := range []time.Duration{
		o.Rest, o.ReorderWait, o.DialTimeout, o.HelloTimeout, o.SyncIdle, o.DeadAfter,
		o.WriteTimeout, o.BackoffMin, o.BackoffMax,
	} {
		if d < 0 {
			return fmt.Errorf("evapi: negative duration %v", d)
		}
	}
	if o.BackoffMax > 0 && o.BackoffMax < o.BackoffMin {
		return fmt.Errorf("evapi: longest back-off %v is shorter than the first %v", o.BackoffMax, o.BackoffMin)
	}
	return nil
}

func plain(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' ||
		c == '.' || c == '_' || c == '-'
}
