package main

import (
	"testing"

	"github.com/byeguard/byeguard/pkg/call"
)

func TestLadders(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*flow{
		"repaired":     newFlow("repaired@home.example", 0).answer().oneSided().repair(200, "OK"),
		"gone":         newFlow("gone@home.example", 0).answer().oneSided().repair(481, "Call Does Not Exist"),
		"challenged":   newFlow("challenged@home.example", 0).answer().oneSided().repair(407, "Proxy Authentication Required"),
		"hangup":       newFlow("hangup@home.example", 0).answer().hangup(),
		"failed":       newFlow("failed@home.example", 0).failed(),
		"up":           newFlow("up@home.example", 0).answer(),
		"second_node":  newFlow("two@home.example", 0).answer().event(0, call.KindByeIn, true, func(e *call.Event) { e.Node, e.Method = "kam2", "BYE" }),
		"let_go_first": newFlow("early@home.example", 0).answer().event(0, call.KindEnd, true, func(e *call.Event) { e.State = call.DialogConfirmed }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "ladder_"+name+".txt", newBench(t, f).print("calls", "show", f.id))
		})
	}
}
