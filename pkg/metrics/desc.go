package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// family is one metric: its description and what it is.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// families are all that the collector tells.
var families []*family

func gauge(name, help string, labels ...string) *family {
	return newFamily(name, help, prometheus.GaugeValue, labels)
}

func counter(name, help string, labels ...string) *family {
	return newFamily(name, help, prometheus.CounterValue, labels)
}

func newFamily(name, help string, kind prometheus.ValueType, labels []string) *family {
	f := &family{desc: prometheus.NewDesc("byeguard_"+name, help, labels, nil), kind: kind}
	families = append(families, f)
	return f
}

// out is where a scrape goes.
type out chan<- prometheus.Metric

func (o out) put(f *family, v float64, labels ...string) {
	o <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
}

func (o out) count(f *family, v uint64, labels ...string) { o.put(f, float64(v), labels...) }

func (o out) size(f *family, v int, labels ...string) { o.put(f, float64(v), labels...) }

func (o out) flag(f *family, v bool, labels ...string) {
	n := 0.0
	if v {
		n = 1
	}
	o.put(f, n, labels...)
}

// time tells a time, if there is one.
func (o out) time(f *family, t time.Time, labels ...string) {
	if !t.IsZero() {
		o.put(f, float64(t.UnixMilli())/1000, labels...)
	}
}

// span tells a length of time, if there is one.
func (o out) span(f *family, d *time.Duration, labels ...string) {
	if d != nil {
		o.put(f, d.Seconds(), labels...)
	}
}
