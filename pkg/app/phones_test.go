package app_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

// phone is one that nobody here wrote.
type phone interface {
	dial(ctx context.Context, uri string) error
	reinvite(ctx context.Context) error // sends re-INVITEs of its own
	hangUp(ctx context.Context) error
	wait(ctx context.Context, inCall bool) error
}

type baresip struct{ *lab.Baresip }

func (b baresip) do(ctx context.Context, command, params string) error {
	_, err := b.Command(ctx, command, params)
	return err
}
func (b baresip) dial(ctx context.Context, uri string) error { return b.do(ctx, "dial", uri) }
func (b baresip) reinvite(ctx context.Context) error         { return b.do(ctx, "hold", "") }
func (b baresip) hangUp(ctx context.Context) error           { return b.do(ctx, "hangup", "") }
func (b baresip) wait(ctx context.Context, inCall bool) error {
	n := 0
	if inCall {
		n = 1
	}
	return b.WaitCalls(ctx, n)
}

type linphone struct{ *lab.Linphone }

func (l linphone) do(ctx context.Context, command string) error {
	_, err := l.Command(ctx, command)
	return err
}
func (l linphone) dial(ctx context.Context, uri string) error { return l.do(ctx, "call "+uri) }
func (l linphone) reinvite(ctx context.Context) error         { return l.do(ctx, "call-pause") }
func (l linphone) hangUp(ctx context.Context) error           { return l.do(ctx, "terminate") }
func (l linphone) wait(ctx context.Context, inCall bool) error {
	return l.WaitInCall(ctx, inCall)
}

// phones start one each.
var phones = map[string]func(*testing.T, *site) (phone, string){
	"baresip": func(t *testing.T, s *site) (phone, string) {
		t.Helper()
		b := lab.MustBaresip(t, lab.BaresipOptions{OutboundProxy: s.kam.SIPAddr})
		return baresip{b}, b.URI
	},
	"linphone": func(t *testing.T, s *site) (phone, string) {
		t.Helper()
		l := lab.MustLinphone(t, lab.LinphoneOptions{OutboundProxy: s.kam.SIPAddr})
		return linphone{l}, l.URI
	},
}

// answers are the codes that a leg answered to OPTIONS, in their order.
func (s *site) answers(callID, leg string) []int {
	s.t.Helper()
	var codes []int
	require.NoError(s.t, s.sql.SelectContext(s.ctx, &codes, `SELECT e.code FROM byeguard.events e JOIN byeguard.cdrs c USING (call_key)
		WHERE c.call_id = $1 AND e.kind = 'probed' AND e.src = $2 ORDER BY e.ord`, store.Escape(callID), leg))
	return codes
}

// TestP1OptionsPhones: OPTIONS do not disturb a call of phones that nobody here
// wrote, as callee and as caller: afterwards a re-INVITE and a BYE of either
// side go through. What they answer stands in docs/decisions/0010.
func TestP1OptionsPhones(t *testing.T) {
	t.Parallel()
	for name, start := range phones {
		for _, ends := range []string{"phone", "agent"} {
			t.Run(name+" is called, "+ends+" hangs up", func(t *testing.T) {
				t.Parallel()
				s := newSite(t, siteOptions{config: quick})
				ph, uri := start(t, s)
				c, err := s.caller.Call(s.ctx, lab.CallOptions{To: uri})
				require.NoError(t, err)
				require.NoError(t, c.WaitUp(s.ctx))
				s.phoneIsAsked(ph, c, "callee", ends == "phone")
			})
			t.Run(name+" calls, "+ends+" hangs up", func(t *testing.T) {
				t.Parallel()
				s := newSite(t, siteOptions{config: quick})
				ph, _ := start(t, s)
				require.NoError(t, ph.dial(s.ctx, s.callee.URI()))
				s.eventually("the call comes in", 30*time.Second, func() bool { return len(s.callee.Calls()) == 1 })
				c := s.callee.Calls()[0]
				require.NoError(t, c.WaitUp(s.ctx))
				s.phoneIsAsked(ph, c, "caller", ends == "phone")
			})
		}
	}
}

// phoneIsAsked has a call asked by OPTIONS, and goes on with it.
func (s *site) phoneIsAsked(ph phone, agent *lab.Call, leg string, phoneEnds bool) {
	s.t.Helper()
	require.NoError(s.t, ph.wait(s.ctx, true))
	s.open(agent.CallID())
	s.forge(agent, "refuse")
	s.eventually("the phone is asked", 30*time.Second, func() bool { return len(s.answers(agent.CallID(), leg)) >= 2 })
	s.t.Logf("%s, up: %v", leg, s.answers(agent.CallID(), leg))
	require.NotContains(s.t, s.answers(agent.CallID(), leg), 481)

	reply, err := agent.Reinvite(s.ctx, lab.RequestOptions{})
	require.NoError(s.t, err)
	require.Equal(s.t, 200, reply.Code, "the phone refuses a re-INVITE after OPTIONS")
	require.NoError(s.t, ph.reinvite(s.ctx))
	require.NoError(s.t, agent.Wait(s.ctx, func(r lab.Record) bool { return slices.Contains(r.Requests, "INVITE") }), "the phone's own re-INVITE")
	if phoneEnds {
		require.NoError(s.t, ph.hangUp(s.ctx))
		require.NoError(s.t, agent.WaitEnded(s.ctx))
	} else {
		reply, err := agent.Bye(s.ctx, lab.RequestOptions{})
		require.NoError(s.t, err)
		require.Equal(s.t, 200, reply.Code, "the phone refuses a BYE after OPTIONS")
	}
	require.NoError(s.t, ph.wait(s.ctx, false))
	s.final(agent.CallID())
	s.noCommands()
	s.noViolations()
}

// TestP1PhoneIsGoneAndSays200: a phone hangs up and the proxy refuses its BYE.
// baresip and linphone go on answering OPTIONS with 200, which proves nothing: no
// BYE, a person is told.
func TestP1PhoneIsGoneAndSays200(t *testing.T) {
	t.Parallel()
	for name, start := range phones {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuse := lab.KamailioOptions{Defines: map[string]string{"LAB_REFUSE_BYE": "1"}}
			s := newSite(t, siteOptions{kamailio: refuse, config: quick})
			ph, uri := start(t, s)
			c, err := s.caller.Call(s.ctx, lab.CallOptions{To: uri})
			require.NoError(t, err)
			require.NoError(t, c.WaitUp(s.ctx))
			require.NoError(t, ph.wait(s.ctx, true))
			require.NoError(t, ph.hangUp(s.ctx))
			s.incident(c.CallID(), "bye_refused", "open")
			s.eventually("the phone is asked", 30*time.Second, func() bool { return len(s.answers(c.CallID(), "callee")) >= 2 })
			require.Equal(t, []int{200, 200}, s.answers(c.CallID(), "callee")[:2])
			require.True(t, c.State().Live())
			s.noCommands()
			s.noViolations()
		})
	}
}
