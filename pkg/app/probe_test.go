package app_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// quick makes byeguard ask end points as fast as it is allowed to.
func quick(c *app.Config) {
	c.ProbeRate, c.ProbeAgain, c.ProbeSlow = 50, time.Second, time.Second
}

// asked waits until an end was asked by OPTIONS n times.
func (s *site) asked(c *lab.Call, n int) []lab.Options {
	s.t.Helper()
	require.NoError(s.t, c.Wait(s.ctx, func(r lab.Record) bool { return len(r.Options) >= n }))
	return c.Record().Options
}

// forge has a stranger send a BYE in the name of an end point, which the proxy
// refuses or drops.
func (s *site) forge(c *lab.Call, what string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, time.Second)
	defer cancel()
	_, err := c.Forge(ctx, lab.RequestOptions{Headers: []string{"X-Lab: " + what}})
	require.True(s.t, err == nil || ctx.Err() != nil, "%v", err)
}

// undisturbed proves that both ends go on taking each other's requests: they
// re-INVITE both ways, and hang up.
func (s *site) undisturbed(p lab.Pair) {
	s.t.Helper()
	for _, c := range []*lab.Call{p.Caller, p.Callee} {
		reply, err := c.Reinvite(s.ctx, lab.RequestOptions{})
		require.NoError(s.t, err)
		require.Equal(s.t, 200, reply.Code, "a re-INVITE after OPTIONS")
	}
	reply, err := p.Callee.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(s.t, err)
	require.Equal(s.t, 200, reply.Code, "a BYE after OPTIONS")
}

// TestP1ForgedByeBothAlive is row 5: both ends are asked again and again, and
// live on undisturbed. The callee's first own request has CSeq 1: an OPTIONS in its
// name must have carried less.
func TestP1ForgedByeBothAlive(t *testing.T) {
	t.Parallel()
	eachKamailio(t, func(t *testing.T, b lab.Binary) {
		t.Helper()
		s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{Binary: b}, config: quick})
		refused, dropped := s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
		s.forge(refused.Caller, "refuse")
		s.forge(dropped.Callee, "drop")
		for _, p := range []lab.Pair{refused, dropped} {
			for _, o := range append(s.asked(p.Caller, 2), s.asked(p.Callee, 2)...) {
				require.Equal(t, 500, o.Code, "an OPTIONS that moves the dialog's CSeq")
			}
			require.Zero(t, p.Caller.Record().RemoteCSeq)
			s.undisturbed(p)
			require.Equal(t, "callee", s.final(p.Caller.CallID()).Released)
		}
		s.noCommands()
		s.noViolations()
	})
}

// TestRefusedByeOfOneThatIsGone is row 5 with a genuine BYE: its sender is gone,
// whatever the proxy answered, and the other end gets its BYE.
func TestRefusedByeOfOneThatIsGone(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: quick})
	for _, end := range []string{"caller", "callee"} {
		p := s.call(lab.CallOptions{})
		gone, left := p.Caller, p.Callee
		if end == "callee" {
			gone, left = left, gone
		}
		_, err := gone.Bye(s.ctx, lab.RequestOptions{Headers: []string{"X-Lab: refuse"}})
		require.NoError(t, err)
		require.NoError(t, left.WaitEnded(s.ctx))
		require.Len(t, left.ByesReceived(), 1)
		r := s.final(p.Caller.CallID())
		require.True(t, r.Repaired)
		require.Equal(t, "end_point_gone", r.RepairWhy)
		require.Equal(t, "unknown", r.Released)
		require.True(t, r.Ended.Valid)
		s.incident(p.Caller.CallID(), "one_sided_bye", "resolved")
		s.incident(p.Caller.CallID(), "bye_refused", "resolved")
		options := gone.Record().Options
		require.GreaterOrEqual(t, len(options), 2)
		require.GreaterOrEqual(t, options[1].At.Sub(options[0].At), time.Second, "481 counts twice only some time apart")
	}
	s.noViolations()
}

// TestP1SilenceIsNoEvidence: one end answers nothing, or refuses, the other one
// answers: the call goes on.
func TestP1SilenceIsNoEvidence(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: quick})
	var pairs []lab.Pair
	for _, policy := range []lab.OptionsPolicy{{Never: true}, {Code: 404}, {Code: 405}, {Code: 501}, {Code: 408}, {Code: 200}} {
		p := s.call(lab.CallOptions{})
		p.Caller.SetOptions(policy)
		s.forge(p.Callee, "refuse")
		pairs = append(pairs, p)
	}
	for _, p := range pairs {
		s.asked(p.Caller, 2) // the silent one's second comes after Kamailio's time-out
		require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
	}
	s.noCommands()
	for _, p := range pairs {
		s.undisturbed(p)
	}
	s.noCommands()
	s.noViolations()
}

// TestP1FurtherProxyAnswers: 481 from behind a further proxy may be that proxy's.
// A person is told, nobody gets a BYE.
func TestP1FurtherProxyAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: quick})
	proxy := lab.MustRRProxy(t, lab.RRProxyOptions{Targets: []string{s.callee.Addr()}})
	p := s.call(lab.CallOptions{To: "sip:bob@" + proxy.Addr()})
	p.Callee.SetOptions(lab.OptionsPolicy{Code: 481})
	s.forge(p.Callee, "refuse")
	s.asked(p.Callee, 3)
	s.incident(p.Caller.CallID(), "leg_gone", "open")
	require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
	s.undisturbed(p)
	s.final(p.Caller.CallID())
	s.incident(p.Caller.CallID(), "leg_gone", "resolved")
	s.noCommands()
	s.noViolations()
}

// TestP1OptionsBelied: an end that answers 481 and then re-INVITEs is never taken
// for gone again.
func TestP1OptionsBelied(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: func(c *app.Config) { quick(c); c.ProbeAgain, c.ProbeSlow = 3*time.Second, 3*time.Second }})
	p := s.call(lab.CallOptions{})
	p.Caller.SetOptions(lab.OptionsPolicy{Code: 481})
	s.forge(p.Callee, "refuse")
	s.asked(p.Caller, 1)
	_, err := p.Caller.Reinvite(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	s.asked(p.Caller, 3)
	require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
	s.undisturbed(p)
	s.noCommands()
	s.noViolations()
}

// TestP1DialogTimeoutAsksSlowly is row 7: the proxy forgot the call. A leg that is
// gone is reported and its end noted; the other one gets no BYE, unless the
// operator wants it so. Where both are gone, the CDR closes.
func TestP1DialogTimeoutAsksSlowly(t *testing.T) {
	t.Parallel()
	kam := lab.KamailioOptions{Defines: map[string]string{"LAB_TIMEOUT": "2"}}
	t.Run("both alive", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, siteOptions{kamailio: kam, config: quick})
		p := s.call(lab.CallOptions{})
		s.asked(p.Caller, 2)
		s.asked(p.Callee, 2)
		s.undisturbed(p)
		require.Equal(t, "callee", s.final(p.Caller.CallID()).Released)
		s.noCommands()
		s.noViolations()
	})
	t.Run("both gone", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, siteOptions{kamailio: kam, config: quick})
		p := s.call(lab.CallOptions{})
		s.incident(p.Caller.CallID(), "dialog_forgotten", "open")
		p.Caller.Vanish()
		p.Callee.Vanish()
		r := s.final(p.Caller.CallID())
		require.Equal(t, "gone", r.CallerHow)
		require.Equal(t, "gone", r.CalleeHow)
		require.Equal(t, "unknown", r.Released)
		require.True(t, r.Ended.Valid)
		s.incident(p.Caller.CallID(), "dialog_forgotten", "resolved")
		s.noCommands()
		s.noViolations()
	})
	t.Run("one gone, report", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, siteOptions{kamailio: kam, config: quick})
		p := s.call(lab.CallOptions{})
		p.Caller.Vanish()
		s.incident(p.Caller.CallID(), "leg_gone", "open")
		s.asked(p.Callee, 2)
		require.True(t, p.Callee.State().Live())
		require.Equal(t, "open", s.open(p.Caller.CallID()).State)
		s.noCommands()
		_, err := p.Callee.Bye(s.ctx, lab.RequestOptions{})
		require.NoError(t, err)
		require.Equal(t, "own_bye", s.final(p.Caller.CallID()).CalleeHow)
		s.incident(p.Caller.CallID(), "leg_gone", "resolved")
		s.noCommands()
		s.noViolations()
	})
	t.Run("one gone, end", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, siteOptions{kamailio: kam, config: func(c *app.Config) { quick(c); c.Zombie = app.ZombieEnd }})
		alive, half := s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
		half.Callee.Vanish()
		require.NoError(t, half.Caller.WaitEnded(s.ctx))
		require.Equal(t, "end_point_gone", s.final(half.Caller.CallID()).RepairWhy)
		require.True(t, alive.Caller.State().Live() && alive.Callee.State().Live())
		s.undisturbed(alive)
		s.noViolations()
	})
}

// TestZombie: a call that is older than max_age is found, reported and asked; a leg
// that answers nothing for long is reported. Neither is evidence.
func TestZombie(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: func(c *app.Config) {
		quick(c)
		c.MaxAge, c.ZombieAfter = 2*time.Second, 2*time.Second
	}})
	p := s.call(lab.CallOptions{})
	p.Caller.SetOptions(lab.OptionsPolicy{Never: true})
	s.asked(p.Callee, 2)
	s.eventually("an incident of the call, and one of its leg", 90*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='zombie' AND state='open' AND leg IN ('', 'caller')") == 2
	})
	require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
	s.undisturbed(p)
	s.final(p.Caller.CallID())
	s.eventually("both are resolved", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='zombie' AND state='resolved'") == 2
	})
	s.noCommands()
	s.noViolations()
}

// TestHealthyCallsAreNotAsked: nothing is odd about them, so nobody is asked.
func TestHealthyCallsAreNotAsked(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: quick})
	p := s.call(lab.CallOptions{})
	odd := s.call(lab.CallOptions{})
	s.forge(odd.Caller, "refuse")
	s.asked(odd.Caller, 2)
	require.Empty(t, p.Caller.Record().Options)
	require.Empty(t, p.Callee.Record().Options)
	s.undisturbed(p)
	s.final(p.Caller.CallID())
}
