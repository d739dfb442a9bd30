package metrics

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
)

// Options says what Metrics shows.
type Options struct {
	Version string
	Nodes   []string // of the configuration: their series are there from the start
	// Take returns the figures of this moment. It is called at each scrape, by two
	// goroutines at once at most, and must not wait for PostgreSQL or a network.
	Take   func() *Snapshot
	Logger logrus.FieldLogger
}

// Metrics is a registry of its own and what is observed as it happens.
type Metrics struct {
	registry    *prometheus.Registry
	handler     http.Handler
	repair      *prometheus.HistogramVec
	transaction prometheus.Histogram
	batchCalls  prometheus.Histogram
	batchRows   prometheus.Histogram
}

// New returns metrics; nothing is registered globally.
func New(o Options) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		repair: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "byeguard_repair_seconds",
			Help: "Time from the end of a call to the end of the leg that was forgotten and got its BYE from byeguard, on the proxy's clock.",
			// Around the grace time (250 ms), then the waits of further BYEs.
			Buckets: []float64{0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.75, 1, 2, 5, 10, 30, 60, 120, 300, 1800},
		}, []string{"node"}),
		transaction: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "byeguard_store_transaction_seconds",
			Help:    "Time that a committed transaction of the writer took.",
			Buckets: []float64{0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30},
		}),
		batchCalls: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "byeguard_store_batch_calls",
			Help:    "Calls' states in a committed transaction of the writer.",
			Buckets: []float64{0, 1, 5, 10, 50, 100, 250, 500, 1000, 2000, 4000},
		}),
		batchRows: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "byeguard_store_batch_evidence_rows",
			Help:    "Rows of evidence in a committed transaction of the writer.",
			Buckets: []float64{0, 10, 50, 100, 500, 1000, 2500, 5000, 10000, 20000, 50000},
		}),
	}
	for _, n := range o.Nodes {
		m.repair.WithLabelValues(n)
	}
	m.registry.MustRegister(
		m.repair, m.transaction, m.batchCalls, m.batchRows, buildInfo(o.Version), &collector{take: o.Take},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: errorLog{o.Logger}, ErrorHandling: promhttp.HTTPErrorOnError,
		MaxRequestsInFlight: 2, Timeout: 8 * time.Second,
	})
	return m
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Repaired observes that byeguard ended a leg, so long after its call's end.
func (m *Metrics) Repaired(node string, after time.Duration) {
	m.repair.WithLabelValues(node).Observe(after.Seconds())
}

// Wrote observes a committed transaction.
func (m *Metrics) Wrote(calls, rows int, took time.Duration) {
	m.transaction.Observe(took.Seconds())
	m.batchCalls.Observe(float64(calls))
	m.batchRows.Observe(float64(rows))
}

// buildInfo is 1, and says by its labels what runs.
func buildInfo(version string) prometheus.Collector {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "byeguard_build_info", Help: "1; the labels say which byeguard runs.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

// errorLog tells what a scrape trips over.
type errorLog struct{ log logrus.FieldLogger }

// Println implements promhttp.Logger.
func (e errorLog) Println(v ...any) { e.log.Error(append([]any{"metrics: "}, v...)...) }
