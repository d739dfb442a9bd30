package web

import (
	"context"
	"net/http"
	"time"
)

// maxReport is the longest time that one report is of.
const maxReport = 93 * 24 * time.Hour

func (s *Server) getReport(w http.ResponseWriter, r *http.Request, _ identity) error {
	p := readParams(r)
	q := ReportQuery{By: p.oneOf("by", "day", "hour", "carrier", "node"), Node: p.text("node"), Zone: time.UTC,
		Since: p.time("since"), Until: p.time("until")}
	if q.By == "" {
		q.By = "day"
	}
	if name := p.text("zone"); name != "" {
		zone, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			p.bad("zone", "%q is no zone: use a name of the tz database, as Europe/Berlin", short(name))
		} else {
			q.Zone = zone
		}
	}
	if q.Until.IsZero() {
		q.Until = s.now()
	}
	if q.Since.IsZero() {
		q.Since = q.Until.Add(-7 * 24 * time.Hour)
	}
	most := maxReport
	if q.By == "hour" {
		most = 8 * 24 * time.Hour
	}
	switch {
	case !q.Since.Before(q.Until):
		p.bad("until", "it is not after since")
	case q.Until.Sub(q.Since) > most:
		p.bad("since", "a report by %s is of %d days at most", q.By, most/(24*time.Hour))
	}
	if err := p.err(); err != nil {
		return err
	}
	var report Report
	err := s.turn(r.Context(), s.scans, scanTimeout, func(ctx context.Context) (err error) {
		report, err = s.opts.Backend.Report(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, report)
	return nil
}
