package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// TestLogLine: where Kamailio's own log line names the call, nobody waits for
// the grace time. 5.6's line names none and is only counted.
func TestLogLine(t *testing.T) {
	t.Parallel()
	eachKamailio(t, testLogLine)
}

func testLogLine(t *testing.T, b lab.Binary) {
	t.Helper()
	const grace, calls, rounds = 10 * time.Second, 60, 8
	s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{Binary: b}, noGuard: true})
	s.guard(func(c *app.Config) {
		c.Grace = grace
		c.Nodes[0].LogFile = s.kam.LogPath
	})
	named := func() int { return len(s.kam.LogLines("already in deleted state, BYE not sent")) }
	why := ""
	for round := 0; round < rounds && why == ""; round++ {
		pairs := s.calls(calls, lab.CallOptions{})
		s.endAll()
		for _, p := range pairs {
			require.NoError(t, p.Callee.WaitEnded(s.ctx))
			if r := s.final(p.Caller.CallID()); s.wasRepaired(r, grace+5*time.Second, p) {
				why = r.RepairWhy
				took := p.Callee.Record().Ended.Sub(p.Caller.Record().Ended)
				require.Equal(t, why == "log_line", took < grace/2, "%s took %v", why, took)
			}
		}
	}
	switch {
	case !losesByes(s.kam.Version()):
		require.Empty(t, why)
	case named() > 0:
		require.Equal(t, "log_line", why)
	default:
		require.Contains(t, []string{"bye_missing", "proxy_ended"}, why)
	}
	s.noViolations()
}
