package evapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

// Client reads the events of one Kamailio node, over evapi or as datagrams.
type Client struct {
	opts    Options
	tracker *Tracker
	framer  *Framer
	decoder Decoder
	n       counters
}

// New returns a Client that is not connected yet. The options are checked.
func New(o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.setDefaults()
	c := &Client{
		opts:    o,
		tracker: NewTracker(o.ReorderEvents, o.ReorderWait),
		framer:  NewFramer(o.MaxFrame),
		decoder: Decoder{Node: o.Node},
	}
	if o.Resume != (Position{}) {
		c.tracker.Resume(o.Resume)
	}
	return c, nil
}

// Run connects and reads until ctx is done, connecting again after every error.
// It returns nil then. The calling goroutine is the reader; Run may be called
// once at a time.
func (c *Client) Run(ctx context.Context, h Handler) error {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		if c.once(ctx, h) {
			attempt = 0
		}
		c.pause(ctx, backoff(attempt, c.opts.BackoffMin, c.opts.BackoffMax, rand.Float64()))
	}
	return nil
}

// once makes one connection and reports its end. It says whether the connection
// lived long enough for the next to come soon.
func (c *Client) once(ctx context.Context, h Handler) (lived bool) {
	begun := c.opts.Now()
	err := c.connection(ctx, h)
	if ctx.Err() != nil {
		return false // the end of Run is no error
	}
	c.n.failures.Add(1)
	h.Disconnected(err)
	return c.opts.Now().Sub(begun) >= c.opts.BackoffMax && !errors.Is(err, errNoConnection)
}

// errNoConnection marks attempts that never reached a peer.
var errNoConnection = errors.New("connect to evapi")

func (c *Client) connection(ctx context.Context, h Handler) error {
	conn, err := c.dial(ctx)
	if err != nil && c.opts.Listen != "" {
		return fmt.Errorf("%w: listen for datagrams on %s: %w", errNoConnection, c.opts.Listen, err)
	}
	if err != nil {
		return fmt.Errorf("%w at %s (is kamailio up, and evapi bound there?): %w", errNoConnection, c.opts.Addr, err)
	}
	defer conn.close()
	err = newSession(c, conn, h).run(ctx)
	c.n.connected.Store(false)
	return err
}

// dial connects in a goroutine of its own, because the reader must go on
// beating while a name is looked up or a host is silent.
func (c *Client) dial(ctx context.Context) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.DialTimeout)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		d := net.Dialer{Control: setBuffers(c.opts.RcvBuf)}
		network, addr := "tcp", c.opts.Addr
		if c.opts.Listen != "" {
			// A connected socket takes datagrams of that one peer alone.
			d.LocalAddr = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(c.opts.Listen))
			network, addr = "udp", c.opts.From
		}
		conn, err := d.DialContext(ctx, network, addr)
		done <- result{conn, err}
	}()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		c.opts.Beat()
		select {
		case r := <-done: // DialContext ends with ctx, so this comes
			if r.err != nil {
				return nil, r.err
			}
			return takeSocket(r.conn)
		case <-tick.C:
		}
	}
}

// pause waits, beating.
func (c *Client) pause(ctx context.Context, d time.Duration) {
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		c.opts.Beat()
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-tick.C:
		}
	}
}

// backoff doubles from low to high and takes half to one and a half of that, so
// that several readers do not come back in step. r is in [0, 1).
func backoff(attempt int, low, high time.Duration, r float64) time.Duration {
	d := high
	if attempt < 30 && low<<attempt < high && low<<attempt > 0 {
		d = low << attempt
	}
	return min(high, d/2+time.Duration(r*float64(d)))
}
