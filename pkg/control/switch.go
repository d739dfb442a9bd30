package control

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Kind of a switch.
type Kind string

// Kinds of switches.
const (
	// KindPause was set by a person: nothing is sent.
	KindPause Kind = "pause"
	// KindMassAction was set by byeguard: too many BYEs rested on inference.
	// Those are not sent; BYEs on evidence are.
	KindMassAction Kind = "mass_action"
)

// AllNodes is the node of a switch that holds for every node.
const AllNodes = ""

// Switch holds sending back until somebody clears it. There is at most one of
// a kind and node.
type Switch struct {
	Node   string    `json:"node"` // AllNodes, or one node
	Kind   Kind      `json:"kind"`
	By     string    `json:"by"`     // who set it
	Reason string    `json:"reason"` // why, in that one's words
	At     time.Time `json:"at"`     // on the clock of PostgreSQL, or of the machine while that is away
}

// holds says whether the switch concerns a node.
func (s *Switch) holds(node string) bool { return s.Node == AllNodes || s.Node == node }

// Action of an Op.
type Action string

// Actions.
const (
	ActionSet   Action = "set"
	ActionClear Action = "clear"
)

// Op is one change of the switches, as a person or byeguard asked for it.
type Op struct {
	ID     string    `json:"id"` // unique: doing it twice is doing it once
	Action Action    `json:"action"`
	Kind   Kind      `json:"kind"` // of ActionSet; ActionClear clears every kind
	Node   string    `json:"node"` // ActionClear with AllNodes clears those of every node
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// maxText bounds what a person may give as a reason.
const maxText = 500

// Validate says what is wrong with the op, nil if nothing.
func (o *Op) Validate() error {
	switch {
	case o.ID == "" || len(o.ID) > 100:
		return errors.New("a change of the switches needs an id of 1 to 100 bytes")
	case o.Action != ActionSet && o.Action != ActionClear:
		return fmt.Errorf("unknown action %q: use set or clear", o.Action)
	case o.Action == ActionSet && o.Kind != KindPause && o.Kind != KindMassAction:
		return fmt.Errorf("unknown switch %q", o.Kind)
	case o.By == "":
		return errors.New("nobody is named who asks for it")
	}
	return nil
}

// Clean takes what cannot be printed off a person's words, and what is too long.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return strings.TrimSpace(s)
}

// apply returns the switches after the op. The slice is not changed.
func apply(switches []Switch, o *Op) []Switch {
	after := slices.Clone(switches)
	if o.Action == ActionClear {
		return slices.DeleteFunc(after, func(s Switch) bool { return o.Node == AllNodes || s.Node == o.Node })
	}
	if slices.ContainsFunc(after, func(s Switch) bool { return s.Node == o.Node && s.Kind == o.Kind }) {
		return after // the first reason stays
	}
	return append(after, Switch{Node: o.Node, Kind: o.Kind, By: o.By, Reason: o.Reason, At: o.At})
}
