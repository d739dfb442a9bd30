package control

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Options of a Board. Zero limits mean the defaults.
type Options struct {
	Nodes []string
	// Rate is how many BYEs on inference one node may get in a second.
	Rate float64
	// Share is how many it may get in a minute, as a share of its live calls, once
	// they are more than Floor.
	Share float64
	Floor int
	// Live returns how many live calls there are. nil: none, so Floor counts.
	Live func() int64
	// Acts says whether this byeguard acts for a node, else who does, a few words.
	// nil: it always does.
	Acts func(node string) (ok bool, why string)
	// Stopped is told of a switch that the board has set by itself. It must not
	// call the board, nor block.
	Stopped func(Op)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Defaults of [Options].
const (
	DefaultRate  = 5
	DefaultShare = 0.01
	DefaultFloor = 20
)

// By is who sets switches that byeguard sets itself.
const By = "byeguard"

// Board holds the switches as this byeguard knows them. It is safe for
// concurrent use.
type Board struct {
	o Options

	mu       sync.Mutex
	database []Switch // as PostgreSQL last told them
	local    []Op     // changes that PostgreSQL does not know yet, in their order
	own      []Op     // those of them that the board made itself
	now      []Switch // the one after the other
	tallies  map[string]*tally
}

// New returns a board without switches.
func New(o Options) *Board {
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	if o.Share == 0 {
		o.Share = DefaultShare
	}
	if o.Floor == 0 {
		o.Floor = DefaultFloor
	}
	if o.Live == nil {
		o.Live = func() int64 { return 0 }
	}
	if o.Acts == nil {
		o.Acts = func(string) (bool, string) { return true, "" }
	}
	if o.Stopped == nil {
		o.Stopped = func(Op) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Board{o: o, tallies: make(map[string]*tally)}
}

// Know tells the board what PostgreSQL says, and what it does not know yet. It
// returns the switches that came and those that went since the last time.
func (b *Board) Know(database []Switch, local []Op) (set, cleared []Switch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.database, b.local = slices.Clone(database), slices.Clone(local)
	return b.settle()
}

// Own returns the changes that the board made and nobody has confirmed yet.
func (b *Board) Own() []Op {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.own)
}

// Confirm tells that a change is known to PostgreSQL: the next Know has it.
func (b *Board) Confirm(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own = slices.DeleteFunc(b.own, func(o Op) bool { return o.ID == id })
}

// settle works out the switches of this moment. Callers hold b.mu.
func (b *Board) settle() (set, cleared []Switch) {
	before := b.now
	b.now = b.database
	for i := range b.own {
		b.now = apply(b.now, &b.own[i])
	}
	for i := range b.local {
		b.now = apply(b.now, &b.local[i])
	}
	same := func(list []Switch, s Switch) bool {
		return slices.ContainsFunc(list, func(o Switch) bool { return o.Node == s.Node && o.Kind == s.Kind })
	}
	for _, s := range b.now {
		if !same(before, s) {
			set = append(set, s)
		}
	}
	for _, s := range before {
		if same(b.now, s) {
			continue
		}
		cleared = append(cleared, s)
		if s.Kind == KindMassAction { // a person has looked: what waits may go, and counting begins anew
			for node, t := range b.tallies {
				if s.holds(node) {
					t.forgive()
				}
			}
		}
	}
	return set, cleared
}

// Switches returns what holds sending back now.
func (b *Board) Switches() []Switch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.now)
}

// Hold implements the sender's gate.
func (b *Board) Hold(c call.Command) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	why := b.hold(c.Node, inferred(&c))
	if why != "" && inferred(&c) && b.stopped(c.Node) {
		b.tally(c.Node).wait()
	}
	return why
}

// Free says whether commands of a node that were decided on for a reason may go
// out.
func (b *Board) Free(node string, why call.Reason) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hold(node, why.Inferred()) == ""
}

// hold says why commands wait. Callers hold b.mu.
func (b *Board) hold(node string, inferred bool) string {
	if ok, who := b.o.Acts(node); !ok {
		return who
	}
	for i := range b.now {
		s := &b.now[i]
		switch {
		case !s.holds(node):
		case s.Kind == KindPause:
			return "sending is paused by " + s.By
		case inferred:
			return "too many BYEs rested on inference"
		}
	}
	return ""
}

// inferred says that a command ends a leg, and rests on inference.
func inferred(c *call.Command) bool { return c.Method != call.MethodOptions && c.Reason.Inferred() }

func (b *Board) stopped(node string) bool {
	return slices.ContainsFunc(b.now, func(s Switch) bool { return s.Kind == KindMassAction && s.holds(node) })
}

func (b *Board) tally(node string) *tally {
	t := b.tallies[node]
	if t == nil {
		t = &tally{}
		b.tallies[node] = t
	}
	return t
}

// Admit implements the sender's gate: it counts BYEs on inference, and stops
// them where there are too many. The one that is too many is stopped, too.
func (b *Board) Admit(c call.Command) string {
	b.mu.Lock()
	why := b.hold(c.Node, inferred(&c))
	if why != "" || !inferred(&c) {
		b.mu.Unlock()
		return why
	}
	t, now := b.tally(c.Node), b.o.Now()
	detail := t.add(now, &b.o)
	if detail == "" {
		b.mu.Unlock()
		return ""
	}
	op := Op{
		ID: fmt.Sprintf("mass-%d-%s", now.UnixNano(), c.Key), Action: ActionSet, Kind: KindMassAction,
		Node: c.Node, By: By, Reason: detail, At: now,
	}
	b.own = append(b.own, op)
	b.settle()
	t.wait()
	b.mu.Unlock()
	b.o.Stopped(op)
	return "too many BYEs rested on inference"
}
