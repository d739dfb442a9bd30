package lab

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Network is the bad network between user agents and the rest: it loses and
// delays their datagrams, those that they send and those that they get. It
// works within the agents' own sockets, since a kernel may lack the means for
// it (netem), and so needs no privileges. Delayed datagrams may overtake each
// other. TCP is left alone. One Network may serve any number of agents; its
// methods are safe for concurrent use.
type Network struct {
	mu     sync.Mutex
	dice   *rand.Rand
	loss   float64
	delay  time.Duration
	jitter time.Duration

	bad           atomic.Bool
	lost, delayed atomic.Int64
}

// NewNetwork returns a good network. What it loses once it is made bad is drawn
// from seed.
func NewNetwork(seed uint64) *Network {
	return &Network{dice: rand.New(rand.NewPCG(seed, 1))}
}

// Set makes the network lose that share of datagrams (0 to 1), and delay each
// other one by delay and up to jitter more. Zeros make it good again.
func (n *Network) Set(loss float64, delay, jitter time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss, n.delay, n.jitter = loss, delay, jitter
	n.bad.Store(loss > 0 || delay > 0 || jitter > 0)
}

// Counts says how many datagrams were lost and how many delayed so far.
func (n *Network) Counts() (lost, delayed int64) { return n.lost.Load(), n.delayed.Load() }

// wait says what becomes of one datagram; nil is a good network.
func (n *Network) wait() (delay time.Duration, lost bool) {
	if n == nil || !n.bad.Load() {
		return 0, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dice.Float64() < n.loss {
		n.lost.Add(1)
		return 0, true
	}
	delay = n.delay
	if n.jitter > 0 {
		delay += time.Duration(n.dice.Int64N(int64(n.jitter)))
	}
	if delay > 0 {
		n.delayed.Add(1)
	}
	return delay, false
}
