package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// TestSplitBrain: two byeguards on one node, and the one that acts loses its way
// to PostgreSQL, and that alone. The other takes over; both send, since neither
// can know better. No leg answers two BYEs with 200, no call has two records or
// a changed one, and when the way is back one of them acts.
func TestSplitBrain(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noGuard: true})
	way := newLink(t, s.db)
	s.guard(func(c *app.Config) { c.DatabaseURL = way.url })
	holder := s.app
	s.guard(func(c *app.Config) { c.DataDir = t.TempDir() })
	standby := s.app
	role := func(a *app.App) string { return a.Status().Nodes[0].Role }
	require.Equal(t, []string{"active", "standby"}, []string{role(holder), role(standby)})

	all := s.calls(30, lab.CallOptions{})
	for _, p := range all {
		s.open(p.Caller.CallID())
	}
	twice, n := 0, 0
	judge := func(repaired []lab.Pair) {
		t.Helper()
		for _, p := range repaired {
			require.NoError(t, p.Callee.WaitEnded(s.ctx))
			// Of two BYEs with one CSeq the second one's 481 may be read before the
			// first one's 200: then the leg counts as gone, not as repaired.
			r := s.final(p.Caller.CallID())
			require.True(t, r.Repaired || r.CalleeHow == "gone" && byes(p.Callee) == 2, "%+v", r)
			good := 0
			for _, b := range p.Callee.ByesReceived() {
				if b.Code == 200 {
					good++
				}
			}
			require.Equal(t, 1, good, "a leg answered more than one BYE")
			if byes(p.Callee) > 1 {
				twice++
			}
		}
		n += len(repaired)
		require.Equal(t, len(all), s.count("SELECT count(*) FROM byeguard.cdrs"), "a call has more than one record")
		require.Zero(t, s.count("SELECT count(*) FROM byeguard.cdr_revisions"), "a final record was changed")
		require.Zero(t, s.count(`SELECT count(*) FROM (SELECT FROM byeguard.incidents WHERE call_id<>'' GROUP BY call_key, kind, leg HAVING count(*) > 1) x`))
		s.eventually("no incident is left", 20*time.Second, func() bool {
			return s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='one_sided_bye' AND state='open'") == 0
		})
	}
	race := func(pairs []lab.Pair) []lab.Pair {
		t.Helper()
		for _, p := range pairs {
			s.forceRace(p)
		}
		return pairs
	}
	judge(race(all[:5])) // one acts

	way.cut()
	owed := race(all[5:10]) // before the standby knows
	s.eventually("the standby takes over", 20*time.Second, func() bool { return role(standby) == "active" })
	require.Equal(t, "active", role(holder), "nobody could tell it")
	owed = append(owed, race(all[10:20])...) // both act
	for _, p := range all[20:23] {
		_, err := p.Callee.Bye(s.ctx, lab.RequestOptions{})
		require.NoError(t, err)
	}
	judge(owed)
	require.Equal(t, 2, s.count("SELECT epoch FROM byeguard.leases WHERE node='lab'"))

	way.mend()
	s.eventually("the old holder stands by", 30*time.Second, func() bool { return role(holder) == "standby" })
	require.Equal(t, "active", role(standby))
	judge(race(all[23:26])) // one acts
	for _, p := range all[20:23] {
		require.False(t, s.final(p.Caller.CallID()).Repaired)
	}
	for _, p := range all[26:] {
		require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
		require.Equal(t, "open", s.open(p.Caller.CallID()).State)
	}
	require.Equal(t, 2, s.count("SELECT epoch FROM byeguard.leases WHERE node='lab'"))
	t.Logf("%d of %d callees got a BYE from each byeguard", twice, n)
	s.noViolations()
}
