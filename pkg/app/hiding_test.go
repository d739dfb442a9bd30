package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// TestTopologyHiding: a Kamailio that hides topology is recognised, its one-sided
// calls are found, and nothing is sent.
func TestTopologyHiding(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{Defines: map[string]string{"LAB_TOPOH": "1"}}, config: quick})
	s.eventually("it is recognised", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='topology_hidden' AND state='open'") == 1
	})
	c, err := s.caller.Call(s.ctx, lab.CallOptions{To: s.callee.URI()})
	require.NoError(t, err)
	require.NoError(t, c.WaitUp(s.ctx))
	callee := s.callee.Calls()[0]
	require.NotEqual(t, c.CallID(), callee.CallID(), "topoh hides nothing")
	s.open(c.CallID())
	s.forceRace(lab.Pair{Caller: c})
	s.incident(c.CallID(), "one_sided_bye", "open")
	require.True(t, callee.State().Live())
	stories, err := s.app.Store().CallStory(s.ctx, c.CallID())
	require.NoError(t, err)
	require.Equal(t, "topology_hidden", stories[0].Incidents[0].Kind, "calls show says nothing of it")
	_, err = callee.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	s.final(c.CallID())
	s.noCommands()
	require.Empty(t, callee.Record().Options)
	require.Equal(t, 1, s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='topology_hidden'"), "it is said once")
}
