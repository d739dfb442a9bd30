package compensate_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/compensate"
)

// options returns an OPTIONS for the call of command i.
func options(i int) call.Command {
	c := command(i)
	c.ID, c.Method, c.CSeq = fmt.Sprintf("o%d", i), call.MethodOptions, 0
	return c
}

// TestOptionsHaveAPaceOfTheirOwn: OPTIONS go out at their rate and hold up no
// BYE; their outcome is KindProbed, with the target that was asked.
func TestOptionsHaveAPaceOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		s, err := compensate.New(compensate.Options{
			Nodes: map[string]compensate.Caller{"a": callerFunc(ok)}, Results: out.take, ProbeRate: 1,
		})
		require.NoError(t, err)
		defer start(t, s)()
		for i := range 5 {
			s.Send(options(i))
		}
		s.Send(command(9))
		pass(100 * time.Millisecond)
		synctest.Wait()
		kinds := map[call.Kind]int{}
		for _, e := range out.events() {
			kinds[e.Kind]++
		}
		require.Equal(t, map[call.Kind]int{call.KindProbed: 1, call.KindResult: 1}, kinds)
		pass(4 * time.Second)
		synctest.Wait()
		require.Len(t, out.events(), 6)
		for _, e := range out.events() {
			if e.Kind == call.KindProbed {
				require.Equal(t, "sip:b@192.0.2.1", e.RURI)
				require.Equal(t, call.MethodOptions, e.Method)
			}
		}
		require.EqualValues(t, 5, s.Stats().Asking["a"].Reported)
	})
}

// TestPatientOptionsGiveWay: where many wait, one on which nothing hangs is not
// queued, and its call hears so at once.
func TestPatientOptionsGiveWay(t *testing.T) {
	t.Parallel()
	out := &sink{}
	s, err := compensate.New(compensate.Options{Nodes: map[string]compensate.Caller{"a": callerFunc(ok)}, Results: out.take})
	require.NoError(t, err)
	for i := range 150 { // nothing runs: they wait
		c := options(i)
		c.Patient = true
		s.Send(c)
	}
	require.Len(t, out.events(), 50)
	require.Zero(t, out.events()[0].Code)
	s.Send(options(999)) // a pressing one is taken
	require.Len(t, out.events(), 50)
	require.Len(t, s.Pending(), 101)
}
