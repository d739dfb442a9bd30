package app_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// forceRace has the proxy send the caller its BYE, pause, and try the callee's.
func (s *site) forceRace(p lab.Pair) {
	s.t.Helper()
	require.NoError(s.t, lab.ForceRace(s.ctx, s.kam.RPC(), p.Caller))
	require.NoError(s.t, p.Caller.WaitEnded(s.ctx))
}

// TestForcedRace: dlg_bye("caller"), a pause, dlg_bye("callee").
func TestForcedRace(t *testing.T) {
	t.Parallel()
	eachKamailio(t, testForcedRace)
}

func testForcedRace(t *testing.T, b lab.Binary) {
	t.Helper()
	s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{Binary: b}})
	p := s.call(lab.CallOptions{})
	s.forceRace(p)
	require.NoError(t, p.Callee.WaitEnded(s.ctx))
	r := s.final(p.Caller.CallID())
	require.True(t, r.Repaired)
	require.Equal(t, "callee", r.RepairedLeg)
	require.Equal(t, "proxy", r.Released)
	require.GreaterOrEqual(t, r.Overrun, int64(200))
	s.incident(p.Caller.CallID(), "one_sided_bye", "resolved")
	s.noViolations()
}

// TestGoodEndings: calls that end well get no BYE of byeguard's, however slowly
// a BYE is answered.
func TestGoodEndings(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	slow := func(after time.Duration) lab.Pair {
		p := s.call(lab.CallOptions{})
		p.Callee.SetBye(lab.ByePolicy{After: after})
		return p
	}
	one, twenty, byCallee, byProxy := slow(time.Second), slow(20*time.Second), s.call(lab.CallOptions{}), slow(20*time.Second)
	hangUp := func(c *lab.Call) {
		_, err := c.Send("BYE", lab.RequestOptions{})
		require.NoError(t, err)
	}
	hangUp(one.Caller)
	hangUp(twenty.Caller)
	hangUp(byCallee.Callee)
	require.NoError(t, byCallee.Caller.WaitEnded(s.ctx))
	// With the callee's BYE first there is no race: its answer takes 20 s.
	_, err := lab.EndDialogs(s.ctx, s.kam.RPC(), 1, func(d lab.Dialog) bool { return d.CallID == byProxy.Caller.CallID() })
	require.NoError(t, err)

	require.Equal(t, "caller", s.final(one.Caller.CallID()).Released)
	require.Equal(t, "callee", s.final(byCallee.Caller.CallID()).Released)
	r := s.final(twenty.Caller.CallID())
	require.Equal(t, "own_bye", r.CallerHow)
	require.Equal(t, "confirmed", r.CalleeHow)
	require.GreaterOrEqual(t, r.Overrun, int64(19_000), "the carrier's leg ends with its 2xx")
	s.final(byProxy.Caller.CallID())
	require.Zero(t, s.count("SELECT count(*) FROM byeguard.outbox WHERE call_key IN (SELECT call_key FROM byeguard.cdrs WHERE call_id <> $1)", byProxy.Caller.CallID()))
	s.noViolations()
}

// TestCalleeNeverAnswers: the caller hangs up, its BYE is forwarded and nobody
// answers. byeguard sends it again with a higher CSeq until it is heard.
func TestCalleeNeverAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	p := s.call(lab.CallOptions{})
	p.Callee.SetBye(lab.ByePolicy{Never: true})
	_, err := p.Caller.Send("BYE", lab.RequestOptions{})
	require.NoError(t, err)
	first := func(r lab.Record) bool { return len(r.ByesReceived()) > 0 }
	require.NoError(t, p.Callee.Wait(s.ctx, first))
	require.NoError(t, p.Callee.Wait(s.ctx, func(r lab.Record) bool { return len(r.ByesReceived()) > 1 }))
	byes := p.Callee.ByesReceived()
	require.Greater(t, byes[1].CSeq, byes[0].CSeq)
	require.GreaterOrEqual(t, byes[1].At.Sub(byes[0].At), 25*time.Second, "not while the proxy's own time-out runs")
	p.Callee.SetBye(lab.ByePolicy{})
	r := s.final(p.Caller.CallID())
	require.Equal(t, "confirmed", r.CalleeHow)
	require.Equal(t, "own_bye", r.CallerHow)
	require.True(t, r.Repaired)
	require.Equal(t, "bye_unanswered", r.RepairWhy)
	require.Equal(t, "caller", r.Released)
	s.noViolations()
}

// TestCalleeRefusesBye: 500 closes nothing and is tried again; 481 says that the
// leg was gone.
func TestCalleeRefusesBye(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	failing, gone := s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
	failing.Callee.SetBye(lab.ByePolicy{Code: 500})
	gone.Callee.SetBye(lab.ByePolicy{Code: 481})
	for _, p := range []lab.Pair{failing, gone} {
		_, err := p.Caller.Send("BYE", lab.RequestOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, failing.Callee.Wait(s.ctx, func(r lab.Record) bool { return len(r.ByesReceived()) > 1 }))
	failing.Callee.SetBye(lab.ByePolicy{})
	r := s.final(failing.Caller.CallID())
	require.Equal(t, "confirmed", r.CalleeHow)
	require.Equal(t, "bye_failed", r.RepairWhy)
	r = s.final(gone.Caller.CallID())
	require.Equal(t, "gone", r.CalleeHow)
	require.False(t, r.Repaired)
	require.Zero(t, r.Attempts)
}

// TestP1RefusedOrDroppedBye: a forged BYE with the right tags ends nothing where
// the config refuses it, or drops it silently, though the proxy's own dialog is
// deleted. Both legs live on.
func TestP1RefusedOrDroppedBye(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	refused, dropped := s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
	ctx, cancel := context.WithTimeout(s.ctx, time.Second)
	defer cancel()
	for p, what := range map[*lab.Call]string{refused.Caller: "refuse", dropped.Callee: "drop"} {
		_, err := p.Forge(ctx, lab.RequestOptions{Headers: []string{"X-Lab: " + what}})
		require.True(t, err == nil || ctx.Err() != nil, "%v", err)
	}
	s.incident(refused.Caller.CallID(), "bye_refused", "open")
	s.incident(dropped.Caller.CallID(), "bye_refused", "open")
	for _, p := range []lab.Pair{refused, dropped} {
		require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
		require.Equal(t, "open", s.open(p.Caller.CallID()).State)
	}
	s.noCommands()
	// The end points hang up by themselves in the end: their BYEs are followed
	// though the proxy has forgotten the dialogs.
	for _, p := range []lab.Pair{refused, dropped} {
		_, err := p.Caller.Bye(s.ctx, lab.RequestOptions{})
		require.NoError(t, err)
		require.Equal(t, "caller", s.final(p.Caller.CallID()).Released)
		s.incident(p.Caller.CallID(), "bye_refused", "resolved")
	}
	s.noCommands()
	s.noViolations()
}

// TestTargetRefreshInReply: the callee moves in its 200 to a re-INVITE. The BYE
// that is missing goes to where it is now.
func TestTargetRefreshInReply(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	p := s.call(lab.CallOptions{})
	old := p.Callee.Record().Contact
	p.Callee.MoveOnNext()
	reply, err := p.Caller.Reinvite(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, reply.Code)
	require.NotEqual(t, old, p.Callee.Record().Contact)
	s.forceRace(p)
	require.NoError(t, p.Callee.WaitEnded(s.ctx))
	byes := p.Callee.ByesReceived()
	require.Equal(t, p.Callee.Record().Contact, byes[len(byes)-1].URI)
	require.True(t, s.final(p.Caller.CallID()).Repaired)
	s.noViolations()
}

// TestP1DialogTimeout: a dialog time-out without BYE ends nothing: both legs live
// on, the CDR stays open.
func TestP1DialogTimeout(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{Defines: map[string]string{"LAB_TIMEOUT": "2"}}})
	p := s.call(lab.CallOptions{})
	s.incident(p.Caller.CallID(), "dialog_forgotten", "open")
	dialogs, err := lab.Dialogs(s.ctx, s.kam.RPC())
	require.NoError(t, err)
	require.Empty(t, dialogs, "the proxy should have forgotten the call")
	require.True(t, p.Caller.State().Live() && p.Callee.State().Live())
	require.Equal(t, "open", s.open(p.Caller.CallID()).State)
	_, err = p.Callee.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, "callee", s.final(p.Caller.CallID()).Released)
	s.incident(p.Caller.CallID(), "dialog_forgotten", "resolved")
	s.noCommands()
	s.noViolations()
}

// TestDialogTimeoutWithBye: the timer that operators use.
func TestDialogTimeoutWithBye(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{Defines: map[string]string{"LAB_TIMEOUT_BYE": "2"}}})
	pairs := s.calls(20, lab.CallOptions{})
	for _, p := range pairs {
		require.NoError(t, p.Caller.WaitEnded(s.ctx))
		require.NoError(t, p.Callee.WaitEnded(s.ctx))
		require.Equal(t, "proxy", s.final(p.Caller.CallID()).Released)
	}
	s.noViolations()
}

// TestUnreachableCaller: a caller with Contact x.invalid (a dead websocket). The
// callee gets its BYE, the caller's leg becomes an incident.
func TestUnreachableCaller(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	p := s.call(lab.CallOptions{Contact: "sip:alice@x.invalid"})
	s.endAll()
	require.NoError(t, p.Callee.WaitEnded(s.ctx))
	s.eventually("the callee's leg is closed", 20*time.Second, func() bool {
		rows := s.records(p.Caller.CallID())
		return len(rows) == 1 && rows[0].CalleeHow == "confirmed"
	})
	require.NotEqual(t, "confirmed", s.records(p.Caller.CallID())[0].CallerHow)
}

// TestObserve: detected and recorded, nothing sent.
func TestObserve(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: func(c *app.Config) { c.Mode = "observe" }})
	p := s.call(lab.CallOptions{})
	s.forceRace(p)
	s.incident(p.Caller.CallID(), "one_sided_bye", "open")
	require.True(t, p.Callee.State().Live())
	s.noCommands()
	_, err := p.Callee.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	s.final(p.Caller.CallID())
	s.incident(p.Caller.CallID(), "one_sided_bye", "resolved")
}

// TestNeverAnswered: a call that is refused gets a CDR with its failure code.
func TestNeverAnswered(t *testing.T) {
	t.Parallel()
	for _, code := range []int{486, 603} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{callee: lab.UAOptions{Answer: lab.Answer{Code: code}}})
			c, err := s.caller.Call(s.ctx, lab.CallOptions{To: s.callee.URI()})
			require.NoError(t, err)
			require.NoError(t, c.Wait(s.ctx, func(r lab.Record) bool { return r.State == lab.StateFailed }))
			r := s.final(c.CallID())
			require.Equal(t, "failed", r.Disposition)
			require.Equal(t, code, r.Code)
			require.False(t, r.Duration.Valid && r.Duration.Int64 != 0)
		})
	}
}
