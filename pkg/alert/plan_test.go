package alert_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/alert"
)

var began = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func valid(t *testing.T, r alert.Route) alert.Route {
	t.Helper()
	if r.Type == "" {
		r.Type = alert.TypeSlack
	}
	if r.URL == "" && r.Type != alert.TypeMail {
		r.URL = "https://example.net/hook"
	}
	if r.Name == "" {
		r.Name = "billing"
	}
	r.Zone = "Europe/Berlin"
	require.NoError(t, r.Validate(nil, nil))
	return r
}

func keyFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func opened(id int64, kind, severity string) alert.News {
	return alert.News{Change: alert.ChangeOpened, Incident: alert.Incident{
		ID: id, Kind: kind, Severity: severity, Node: "kam1", State: "open", Opened: began, Overrun: -1,
	}}
}

// 1,000 incidents of one cause within a minute are one message, then one more for
// those that came after it.
func TestThousandIncidentsAreTwoMessages(t *testing.T) {
	t.Parallel()
	p := alert.NewPlanner([]alert.Route{valid(t, alert.Route{})})
	due := map[time.Time]int{}
	for i := range 1000 {
		now := began.Add(time.Duration(i) * 59 * time.Millisecond)
		got := p.Plan(now, opened(int64(i), "one_sided_bye", "warning"))
		require.Len(t, got, 1)
		require.False(t, got[0].Due.Before(now))
		due[got[0].Due]++
	}
	require.Len(t, due, 2)
	require.Equal(t, 17, due[began.Add(time.Second)], "the first second's, at once")
	require.Equal(t, 983, due[began.Add(time.Minute+time.Second)], "the others as one, a minute later")
	// Another cause does not wait for this one.
	got := p.Plan(began.Add(30*time.Second), opened(2000, "leg_unconfirmed", "critical"))
	require.Equal(t, began.Add(31*time.Second), got[0].Due)
	// When it has been silent, the first one is told at once again.
	got = p.Plan(began.Add(10*time.Minute), opened(2001, "one_sided_bye", "warning"))
	require.Equal(t, began.Add(10*time.Minute+time.Second), got[0].Due)
}

func TestRoutesChoose(t *testing.T) {
	t.Parallel()
	n := opened(1, "one_sided_bye", "warning")
	n.Incident.Carrier = "acme"
	for name, c := range map[string]struct {
		route  alert.Route
		change alert.Change
		state  string
		want   bool
	}{
		"all":                {alert.Route{}, alert.ChangeOpened, "open", true},
		"kind":               {alert.Route{Kinds: []string{"one_sided_bye"}}, alert.ChangeOpened, "open", true},
		"other kind":         {alert.Route{Kinds: []string{"zombie"}}, alert.ChangeOpened, "open", false},
		"too mild":           {alert.Route{Severity: "critical"}, alert.ChangeOpened, "open", false},
		"node":               {alert.Route{Nodes: []string{"kam1"}}, alert.ChangeOpened, "open", true},
		"other node":         {alert.Route{Nodes: []string{"kam2"}}, alert.ChangeOpened, "open", false},
		"carrier":            {alert.Route{Carriers: []string{"acme"}}, alert.ChangeOpened, "open", true},
		"other carrier":      {alert.Route{Carriers: []string{"other"}}, alert.ChangeOpened, "open", false},
		"acknowledged":       {alert.Route{}, alert.ChangeAcknowledged, "acknowledged", false},
		"resolved":           {alert.Route{}, alert.ChangeResolved, "resolved", true},
		"resolved, unwanted": {alert.Route{OnlyOpened: true}, alert.ChangeResolved, "resolved", false},
		"given up":           {alert.Route{}, alert.ChangeResolved, alert.StateGivenUp, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := n
			n.Change, n.Incident.State = c.change, c.state
			require.Equal(t, c.want, len(alert.NewPlanner([]alert.Route{valid(t, c.route)}).Plan(began, n)) == 1)
		})
	}
}

// In quiet hours what is urgent is told at once, all else as one message when
// they end; so with a digest.
func TestQuietAndDigestGather(t *testing.T) {
	t.Parallel()
	night := at(t, "Europe/Berlin", "2026-03-28 23:30:00") // the clocks go forward in it
	morning := at(t, "Europe/Berlin", "2026-03-29 07:00:00")
	p := alert.NewPlanner([]alert.Route{valid(t, alert.Route{Quiet: []alert.Quiet{{From: "22:00", To: "07:00"}}})})
	a, b := p.Plan(night, opened(1, "zombie", "warning")), p.Plan(night.Add(time.Hour), opened(2, "one_sided_bye", "warning"))
	require.True(t, a[0].Due.Equal(morning) && b[0].Due.Equal(morning))
	require.Equal(t, a[0].Group, b[0].Group)
	require.Equal(t, 6*time.Hour+30*time.Minute, morning.Sub(night))
	c := p.Plan(night, opened(3, "leg_unconfirmed", "critical"))
	require.True(t, c[0].Due.Equal(night.Add(time.Second)))
	require.NotEqual(t, a[0].Group, c[0].Group)

	p = alert.NewPlanner([]alert.Route{valid(t, alert.Route{Digest: "08:00", Urgent: alert.UrgentNone})})
	a, c = p.Plan(night, opened(1, "zombie", "warning")), p.Plan(night, opened(2, "leg_unconfirmed", "critical"))
	require.True(t, a[0].Due.Equal(morning.Add(time.Hour)) && c[0].Due.Equal(morning.Add(time.Hour)))
	require.Equal(t, a[0].Group, c[0].Group)
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	key := keyFile(t, "k")
	good := alert.Route{Name: "a", Type: alert.TypeWebhook, URL: "https://h/x", SecretFile: key}
	for want, change := range map[string]func(*alert.Route){
		`name: ""`:                        func(r *alert.Route) { r.Name = "" },
		`type: "pager"`:                   func(r *alert.Route) { r.Type = "pager" },
		`"bye" is no kind`:                func(r *alert.Route) { r.Kinds = []string{"bye"} },
		`severity: "bad"`:                 func(r *alert.Route) { r.Severity = "bad" },
		`no node is called "x"`:           func(r *alert.Route) { r.Nodes = []string{"x"} },
		`has no carrier "y"`:              func(r *alert.Route) { r.Carriers = []string{"y"} },
		`secret_file or secret_env`:       func(r *alert.Route) { r.SecretFile = "" },
		`exclude each other`:              func(r *alert.Route) { r.SecretEnv = "X" },
		`url, url_file, url_env: give`:    func(r *alert.Route) { r.URLFile = key },
		`url: use a URL`:                  func(r *alert.Route) { r.URL = "ftp://user:hunter2@h" },
		`"25:00" is no time`:              func(r *alert.Route) { r.Quiet = []alert.Quiet{{From: "25:00", To: "07:00"}} },
		`leave no time`:                   func(r *alert.Route) { r.Quiet = []alert.Quiet{{From: "07:00", To: "07:00"}} },
		`digest: "soon"`:                  func(r *alert.Route) { r.Digest = "soon" },
		`zone: "Mars/Olympus"`:            func(r *alert.Route) { r.Zone = "Mars/Olympus" },
		`are for type mail`:               func(r *alert.Route) { r.SMTP = "h:25" },
		`group_interval: 1ms`:             func(r *alert.Route) { r.GroupInterval = time.Millisecond },
		`does not go over a line without`: func(r *alert.Route) { *r = alert.Route{Name: "m", Type: alert.TypeMail, TLS: "none", Username: "u"} },
	} {
		r := good
		change(&r)
		err := r.Validate([]string{"kam1"}, []string{"acme"})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
	require.NoError(t, good.Validate([]string{"kam1"}, []string{"acme"}))
	c := alert.Config{Routes: []alert.Route{good}}
	require.NoError(t, c.Check())
	c.Routes[0].SecretFile = "/nonexistent/key"
	require.ErrorContains(t, c.Check(), "route a: secret_file: open /nonexistent/key")
}
