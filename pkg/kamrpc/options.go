package kamrpc

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Defaults of [Options].
const (
	DefaultTimeout     = 3 * time.Second
	DefaultDialTimeout = 2 * time.Second
	// DefaultUACTimeout lies above tm's fr_timer (30 s) and SIP's timer F (32 s),
	// so that the proxy's own 408 comes first.
	DefaultUACTimeout = 40 * time.Second
	// DefaultIdle lies below any sensible tcp_connection_lifetime of Kamailio
	// (120 s by default), so that we, not the proxy, close idle connections.
	DefaultIdle        = 10 * time.Second
	DefaultMaxResponse = 1 << 20
	// DefaultMaxConns is for questions; Kamailio allows 2048 TCP connections in
	// all (tcp_max_connections).
	DefaultMaxConns = 16
	// DefaultMaxWaits is for tm.t_uac_wait, where each request that waits for its
	// final reply holds a connection.
	DefaultMaxWaits = 512
)

// Options of [New]. URL is needed, every other zero value means its default.
type Options struct {
	// URL of Kamailio's JSON-RPC, "http://127.0.0.1:8080/RPC".
	URL string
	// Timeout of a question, connecting and reading included.
	Timeout time.Duration
	// DialTimeout of connecting alone.
	DialTimeout time.Duration
	// UACTimeout is how long to wait for the final reply to a SIP request.
	UACTimeout time.Duration
	// Idle is how long an unused connection is kept.
	Idle time.Duration
	// MaxResponse is the size in bytes that a response may have.
	MaxResponse int64
	// MaxConns and MaxWaits are the number of connections for questions and for
	// waiting requests. What does not get one waits within its time-out.
	MaxConns int
	MaxWaits int
	// Now is the clock, for [Client.Uptime]; nil means time.Now.
	Now func() time.Time
}

// Validate tells what is wrong with the options, or nil.
func (o Options) Validate() error {
	if o.URL == "" {
		return errors.New("check json-rpc options: no url, give the address of kamailio's json-rpc listener")
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("check json-rpc options: %q is no http address, give one like http://127.0.0.1:8080/RPC", o.URL)
	}
	if o.Timeout < 0 || o.DialTimeout < 0 || o.UACTimeout < 0 || o.Idle < 0 {
		return errors.New("check json-rpc options: a time is negative, leave it out to get the default")
	}
	if o.MaxResponse < 0 || o.MaxConns < 0 || o.MaxWaits < 0 {
		return errors.New("check json-rpc options: a limit is negative, leave it out to get the default")
	}
	return nil
}

// withDefaults returns the options with every zero field filled.
func (o Options) withDefaults() Options {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Timeout, DefaultTimeout}, {&o.DialTimeout, DefaultDialTimeout},
		{&o.UACTimeout, DefaultUACTimeout}, {&o.Idle, DefaultIdle},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.MaxResponse == 0 {
		o.MaxResponse = DefaultMaxResponse
	}
	if o.MaxConns == 0 {
		o.MaxConns = DefaultMaxConns
	}
	if o.MaxWaits == 0 {
		o.MaxWaits = DefaultMaxWaits
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
