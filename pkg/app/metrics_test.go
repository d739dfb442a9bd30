package app_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// scrape is one answer of /metrics.
type scrape map[string]*dto.MetricFamily

// fetchMetrics reads /metrics as Prometheus does.
func fetchMetrics(t *testing.T, addr string) (text []byte, s scrape) {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	text, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	s, err = parser.TextToMetricFamilies(bytes.NewReader(text))
	require.NoError(t, err)
	return text, s
}

// value is that of one series; labels are name, value, name, value…
func (s scrape) value(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	f := s[name]
	require.NotNil(t, f, "no metric %s", name)
	for _, m := range f.Metric {
		have := map[string]string{}
		for _, l := range m.Label {
			have[l.GetName()] = l.GetValue()
		}
		fits := true
		for i := 0; i < len(labels); i += 2 {
			fits = fits && have[labels[i]] == labels[i+1]
		}
		switch {
		case !fits:
		case m.Counter != nil:
			return m.Counter.GetValue()
		case m.Gauge != nil:
			return m.Gauge.GetValue()
		case m.Histogram != nil:
			return float64(m.Histogram.GetSampleCount())
		case m.Summary != nil:
			return float64(m.Summary.GetSampleCount())
		}
	}
	require.Failf(t, "no series", "%s%v", name, labels)
	return 0
}

// What a real Kamailio makes wrong, and byeguard mends, is counted as it was:
// events, the one-sided BYE and its reason, the repair and its time, the legs.
func TestMetricsOfARepair(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: func(c *app.Config) { c.HTTP = "127.0.0.1:0" }})
	p := s.call(lab.CallOptions{})
	s.open(p.Caller.CallID())
	_, m := fetchMetrics(t, s.app.HTTPAddr())
	require.InDelta(t, 1, m.value(t, "byeguard_calls", "state", "up"), 0)
	require.InDelta(t, 2, m.value(t, "byeguard_legs", "state", "up"), 0)
	require.InDelta(t, 0, m.value(t, "byeguard_one_sided_byes_total", "node", "lab", "reason", "bye_missing"), 0)
	require.InDelta(t, 0, m.value(t, "byeguard_repair_seconds", "node", "lab"), 0)
	require.InDelta(t, 1, m.value(t, "byeguard_credit_gate_open", "node", "lab"), 0)
	require.InDelta(t, 0, m.value(t, "byeguard_node_clock_skew_seconds", "node", "lab"), 0.5)

	s.forceRace(p)
	require.NoError(t, p.Callee.WaitEnded(s.ctx))
	s.final(p.Caller.CallID())
	_, m = fetchMetrics(t, s.app.HTTPAddr())
	one := 0.0
	for _, reason := range []string{"bye_missing", "proxy_ended", "log_line"} {
		one += m.value(t, "byeguard_one_sided_byes_total", "node", "lab", "reason", reason)
	}
	require.InDelta(t, 1, one, 0)
	require.InDelta(t, 1, m.value(t, "byeguard_incidents_opened_total", "kind", "one_sided_bye"), 0)
	require.InDelta(t, 1, m.value(t, "byeguard_incidents_resolved_total", "kind", "one_sided_bye"), 0)
	require.InDelta(t, 1, m.value(t, "byeguard_byes_total", "outcome", "confirmed"), 0)
	require.InDelta(t, 1, m.value(t, "byeguard_repair_seconds", "node", "lab"), 0)
	require.Positive(t, m.value(t, "byeguard_overrun_seconds_total", "bound", "exact"))
	require.InDelta(t, 1, m.value(t, "byeguard_events_total", "kind", "start"), 0)
	require.InDelta(t, 0, m.value(t, "byeguard_calls", "state", "up"), 0)
	require.InDelta(t, 1, m.value(t, "byeguard_calls_done_total"), 0)
	require.InDelta(t, 0, m.value(t, "byeguard_legs", "state", "up"), 0)
	require.InDelta(t, 1, m.value(t, "byeguard_cdrs_written_total", "state", "final"), 0)
	require.InDelta(t, 1, m.value(t, "byeguard_database_up"), 0)
	require.Positive(t, m.value(t, "byeguard_store_transaction_seconds"))
	require.Positive(t, m.value(t, "byeguard_journal_commit_seconds"))
	s.eventually("the figures that PostgreSQL alone knows", 40*time.Second, func() bool {
		_, m = fetchMetrics(t, s.app.HTTPAddr())
		return m["byeguard_cdrs_closed_total"] != nil && m.value(t, "byeguard_cdrs_closed_total", "state", "final") == 1
	})
	require.InDelta(t, 0, m.value(t, "byeguard_cdrs", "state", "open"), 0)
	require.InDelta(t, time.Now().Unix(), m.value(t, "byeguard_database_figures_timestamp_seconds"), 60)
	s.noViolations()
}
