package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

const monitoring = "../../docs/monitoring/"

// promtool runs Prometheus' own checker.
func promtool(t *testing.T, in []byte, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "promtool %s (apt-get install prometheus):\n%s", strings.Join(args, " "), out)
}

// The alert rules are well formed, do what their unit tests say, and have some
// each.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool(t, nil, "check", "rules", "--lint-fatal", monitoring+"alerts.yml")
	promtool(t, nil, "test", "rules", monitoring+"alerts_test.yml")
	tests, err := os.ReadFile(monitoring + "alerts_test.yml")
	require.NoError(t, err)
	for _, r := range readRules(t) {
		require.Contains(t, string(tests), `alertname="`+r.Alert+`", alertstate="firing"`, "%s never fires in alerts_test.yml", r.Alert)
		require.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.NotEmpty(t, r.Annotations["description"], r.Alert)
	}
}

type alertRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readRules(t *testing.T) (list []alertRule) {
	t.Helper()
	text, err := os.ReadFile(monitoring + "alerts.yml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []alertRule `yaml:"rules"`
		} `yaml:"groups"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		list = append(list, g.Rules...)
	}
	require.NotEmpty(t, list)
	return list
}

// panels returns the dashboard's queries by panel, as Grafana would send them.
func panels(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(monitoring + "dashboard.json")
	require.NoError(t, err)
	var board struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	require.NoError(t, json.Unmarshal(text, &board))
	out := map[string][]string{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$node", ".*", "$__rate_interval", "1m").Replace(target.Expr)
			require.NotContains(t, expr, "$", "panel %s has a variable that this test does not know", p.Title)
			out[p.Title] = append(out[p.Title], expr)
		}
	}
	require.NotEmpty(t, out)
	return out
}

var ourMetric = regexp.MustCompile(`\bbyeguard_[a-z0-9_]+`)

// quietPanels show nothing where nothing is wrong.
var quietPanels = map[string]bool{
	"Gaps": true, "Incidents, an hour": true, "Time to repair": true, "Time of a transaction": true, "Incidents not resolved": true,
}

// A real Prometheus scrapes a real byeguard beside a real Kamailio: /metrics is
// well formed and named as Prometheus wants it, every metric that the rules, the
// dashboard and the documentation name is there, every rule and every panel can
// be evaluated, every panel shows something, and nothing fires where all is well.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	s := newSite(t, siteOptions{config: func(c *app.Config) {
		c.HTTP = "127.0.0.1:0"
		c.Alerts.Routes = []alert.Route{h.route(t)}
	}})
	prom := lab.MustPrometheus(t, s.app.HTTPAddr(), monitoring+"alerts.yml")
	p := s.call(lab.CallOptions{})
	s.open(p.Caller.CallID())
	s.eventually("the first scrapes", 20*time.Second, func() bool {
		list, err := prom.Query(s.ctx, `count_over_time(byeguard_calls{state="up"}[1m]) > 1`)
		return err == nil && len(list) == 1
	})
	s.forceRace(p)
	s.final(p.Caller.CallID())
	s.eventually("the repair is scraped", 20*time.Second, func() bool {
		list, err := prom.Query(s.ctx, `byeguard_repair_seconds_count == 1 and on () byeguard_cdrs_closed_total{state="final"} == 1`)
		return err == nil && len(list) == 1
	})

	text, families := fetchMetrics(t, s.app.HTTPAddr())
	promtool(t, text, "check", "metrics")
	known := map[string]bool{}
	for name, f := range families {
		known[name] = true
		if f.GetType().String() == "HISTOGRAM" || f.GetType().String() == "SUMMARY" {
			known[name+"_bucket"], known[name+"_sum"], known[name+"_count"] = true, true, true
		}
	}
	// Those that are there only where there is something to tell.
	for _, rare := range []string{
		"byeguard_alert_messages", "byeguard_alert_oldest_message_timestamp_seconds", "byeguard_alert_last_sent_timestamp_seconds",
		"byeguard_incidents", "byeguard_database_away_timestamp_seconds", "byeguard_outbox_oldest_command_timestamp_seconds",
	} {
		known[rare] = true
	}
	named := func(where, text string) {
		for _, name := range ourMetric.FindAllString(text, -1) {
			require.True(t, known[name], "%s names %s, which /metrics does not have", where, name)
		}
	}
	for _, r := range readRules(t) {
		named(r.Alert, r.Expr+r.Annotations["description"])
	}
	readme, err := os.ReadFile(monitoring + "README.md")
	require.NoError(t, err)
	named("README.md", string(readme))
	operations, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	named("operations.md", string(operations))
	for name := range families {
		if strings.HasPrefix(name, "byeguard_") {
			require.Contains(t, string(readme), "`"+name+"`", "docs/monitoring/README.md does not list it")
		}
	}

	for title, list := range panels(t) {
		for _, expr := range list {
			named("panel "+title, expr)
			got, err := prom.Query(s.ctx, expr)
			require.NoError(t, err, "panel %s: %s", title, expr)
			if !quietPanels[title] && !strings.HasPrefix(title, "Time of a journal") && title != "Batch" {
				require.NotEmpty(t, got, "panel %s shows nothing: %s", title, expr)
			}
		}
	}
	rules, err := prom.Rules(s.ctx)
	require.NoError(t, err)
	require.Len(t, rules, len(readRules(t)))
	for _, r := range rules {
		require.Equal(t, "ok", r.Health, "%s: %s", r.Name, r.Error)
		require.NotEqual(t, "firing", r.State, r.Name)
	}
	s.noViolations()
}
