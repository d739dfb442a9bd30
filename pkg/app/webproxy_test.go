package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/web"
)

// TestBehindProxy: what comes through a proxy on this machine comes from elsewhere,
// and one guesser there does not lock the others out.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noGuard: true})
	token, sum := web.NewToken()
	s.guard(func(c *app.Config) {
		c.HTTP = "127.0.0.1:0"
		c.Web.BehindProxy, c.Web.PublicURL = true, "https://byeguard.example.net"
		c.Web.Tokens = []web.Token{{Name: "grafana", Role: web.RoleViewer, Sum: sum}}
	})
	s.eventually("ready", 10*time.Second, func() bool { return s.through("/readyz", "", "192.0.2.1") == http.StatusOK })
	for _, path := range []string{"/status", "/metrics"} {
		require.Equal(t, http.StatusUnauthorized, s.through(path, "", "192.0.2.1"), path)
		require.Equal(t, http.StatusUnauthorized, s.through(path, "", ""), "%s: behind_proxy says that there is one", path)
		require.Equal(t, http.StatusOK, s.through(path, token, "192.0.2.1"), path)
	}
	require.Eventually(t, func() bool {
		// What stands before the proxy's own word is the guesser's.
		return s.through("/metrics", "wrong", "198.51.100.11, 192.0.2.66") == http.StatusTooManyRequests
	}, 10*time.Second, time.Millisecond, "guessing is not slowed down")
	require.Equal(t, http.StatusTooManyRequests, s.through("/metrics", token, "203.0.113.5, 192.0.2.66"))
	require.Equal(t, http.StatusOK, s.through("/metrics", token, "192.0.2.1"), "somebody else has to wait for it")
}

// through asks as a proxy does that names its upstream in Host.
func (s *site) through(path, token, from string) int {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, "http://"+s.app.HTTPAddr()+path, http.NoBody)
	require.NoError(s.t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if from != "" {
		r.Header.Set("X-Forwarded-For", from)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	require.NoError(s.t, res.Body.Close())
	return res.StatusCode
}
