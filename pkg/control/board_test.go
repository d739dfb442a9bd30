package control_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/control"
)

// inferred is a reason that is not listed as evidence.
const inferred = call.Reason("both_probed_gone")

type fixture struct {
	*control.Board
	now  time.Time
	live int64
	ops  []control.Op
}

func newFixture() *fixture {
	f := &fixture{now: time.Unix(1_700_000_000, 0)}
	f.Board = control.New(control.Options{
		Live: func() int64 { return f.live }, Now: func() time.Time { return f.now },
		Stopped: func(o control.Op) { f.ops = append(f.ops, o) },
	})
	return f
}

func command(node string, why call.Reason) call.Command { return call.Command{Node: node, Reason: why} }

func pause(node string) control.Switch {
	return control.Switch{Node: node, Kind: control.KindPause, By: "anna@noc", Reason: "maintenance"}
}

func TestPauseHoldsEverythingOfItsNode(t *testing.T) {
	t.Parallel()
	for _, why := range []call.Reason{call.ReasonByeMissing, inferred} {
		f := newFixture()
		require.Empty(t, f.Hold(command("a", why)))
		set, cleared := f.Know([]control.Switch{pause("a")}, nil)
		require.Len(t, set, 1)
		require.Empty(t, cleared)
		require.Contains(t, f.Hold(command("a", why)), "anna@noc")
		require.NotEmpty(t, f.Admit(command("a", why)))
		require.Empty(t, f.Hold(command("b", why)))
		require.False(t, f.Free("a", why))

		f.Know([]control.Switch{pause(control.AllNodes)}, nil)
		require.NotEmpty(t, f.Hold(command("b", why)))
		_, cleared = f.Know(nil, nil)
		require.Len(t, cleared, 1)
		require.Empty(t, f.Admit(command("b", why)))
	}
}

// TestLocalChangesWin: while PostgreSQL is away its last word holds, and what was
// asked for since on this machine goes on top, in its order.
func TestLocalChangesWin(t *testing.T) {
	t.Parallel()
	f := newFixture()
	set := control.Op{ID: "1", Action: control.ActionSet, Kind: control.KindPause, By: "x", At: f.now}
	clearAll := control.Op{ID: "2", Action: control.ActionClear, By: "x", At: f.now}
	f.Know([]control.Switch{pause("a")}, []control.Op{clearAll})
	require.Empty(t, f.Switches())
	f.Know([]control.Switch{pause("a")}, []control.Op{clearAll, set})
	require.Len(t, f.Switches(), 1)
	require.NotEmpty(t, f.Hold(command("b", call.ReasonByeMissing)))
	only := control.Op{ID: "3", Action: control.ActionClear, Node: "b", By: "x", At: f.now}
	f.Know([]control.Switch{pause(control.AllNodes)}, []control.Op{only})
	require.NotEmpty(t, f.Hold(command("b", call.ReasonByeMissing)), "a pause of all nodes is not lifted for one")
}

func TestMassActionStopsByRate(t *testing.T) {
	t.Parallel()
	f := newFixture()
	f.live = 1_000_000
	for range 5 {
		require.Empty(t, f.Admit(command("a", inferred)))
	}
	for range 1000 {
		require.Empty(t, f.Admit(command("a", call.ReasonProxyEnded)), "evidence is only paced")
	}
	require.NotEmpty(t, f.Admit(command("a", inferred)), "the sixth within a second")
	require.Len(t, f.ops, 1)
	require.Equal(t, "a", f.ops[0].Node)
	f.now = f.now.Add(time.Hour)
	require.NotEmpty(t, f.Admit(command("a", inferred)), "waiting does not lift it")
	require.Len(t, f.ops, 1, "it is set once")
	require.Empty(t, f.Admit(command("a", call.ReasonByeMissing)))
	require.Empty(t, f.Admit(command("b", inferred)), "another node's calls are another matter")
}

func TestMassActionStopsByShare(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		live    int64
		allowed int
	}{
		"few calls: the floor":       {10, 20},
		"many calls: one in hundred": {5000, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture()
			f.live = c.live
			for range c.allowed {
				require.Empty(t, f.Admit(command("a", inferred)))
				f.now = f.now.Add(time.Second)
			}
			require.Equal(t, c.allowed < 60, len(f.ops) == 0)
			require.NotEmpty(t, f.Admit(command("a", inferred)))
			require.Len(t, f.ops, 1)
		})
	}
}

func TestSlowInferenceIsNotStopped(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for range 1000 {
		require.Empty(t, f.Admit(command("a", inferred)))
		f.now = f.now.Add(3 * time.Second) // 20 a minute
	}
}

// TestResumeLetsGoWhatWaits: who resumes has looked at what waits. It goes out
// uncounted, and what comes after is counted anew.
func TestResumeLetsGoWhatWaits(t *testing.T) {
	t.Parallel()
	f := newFixture()
	stopped := 0
	for range 100 {
		if f.Admit(command("a", inferred)) != "" {
			stopped++
		}
		if stopped == 1 { // from now on the sender's first look holds them
			for range 94 {
				require.NotEmpty(t, f.Hold(command("a", inferred)))
				stopped++
			}
			break
		}
	}
	require.Equal(t, 95, stopped)
	// PostgreSQL is told, and then told of the resume.
	f.Know([]control.Switch{{Node: "a", Kind: control.KindMassAction, By: control.By}}, nil)
	f.Confirm(f.ops[0].ID)
	require.Empty(t, f.Own())
	require.False(t, f.Free("a", inferred))
	f.Know(nil, nil)
	require.True(t, f.Free("a", inferred))
	for range 95 {
		require.Empty(t, f.Hold(command("a", inferred)))
		require.Empty(t, f.Admit(command("a", inferred)))
	}
	for range 5 {
		require.Empty(t, f.Admit(command("a", inferred)))
	}
	require.NotEmpty(t, f.Admit(command("a", inferred)))
}

// TestStandbyHoldsEverything: another byeguard acts.
func TestStandbyHoldsEverything(t *testing.T) {
	t.Parallel()
	acts := false
	b := control.New(control.Options{Acts: func(string) (bool, string) { return acts, "host-2 acts for this node" }})
	require.Equal(t, "host-2 acts for this node", b.Hold(command("a", call.ReasonByeMissing)))
	require.False(t, b.Free("a", call.ReasonByeMissing))
	acts = true
	require.Empty(t, b.Admit(command("a", call.ReasonByeMissing)))
}
