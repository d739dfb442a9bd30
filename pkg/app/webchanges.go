package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/control"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/web"
)

// Report implements web.Backend.
func (s *webSite) Report(ctx context.Context, q web.ReportQuery) (out web.Report, err error) {
	out = web.Report{By: q.By, Zone: q.Zone.String(), Since: web.Time{Time: q.Since}, Until: web.Time{Time: q.Until}, Lines: []web.ReportLine{}}
	by := billing.By{Day: q.By == "day", Hour: q.By == "hour", Node: q.By == "node", Carrier: q.By == "carrier"}
	report := billing.NewReport(by, q.Zone, dayAssume)
	filter := store.Filter{Since: q.Since, Until: q.Until, Node: store.Unescape(q.Node)}
	var rec billing.Record
	err = s.asks(func() error {
		return s.db.ScanCDRs(ctx, &filter, func(p *store.Page) error {
			rows, err := p.Rows()
			for i := range rows {
				rec.Row = rows[i]
				rec.Derive(s.rates)
				report.Add(&rec)
			}
			return err
		})
	})
	if err != nil {
		return out, err
	}
	for _, t := range report.Lines() {
		line := web.ReportLine{
			Day: t.Day, Node: store.Escape(t.Node), Carrier: t.Carrier, Attempts: t.Attempts, Answered: t.Answered,
			ASR: hundredth(t.ASR()), NER: hundredth(t.NER()), RepairedP: hundredth(t.RepairedShare()), Minutes: inMinutes(t.Duration),
			OneSided: t.OneSided, Repaired: t.Repaired, Lost: t.Lost, Suffered: inMinutes(t.Suffered), Prevented: inMinutes(t.Prevented),
			Cost: amounts(t.Cost), Paid: amounts(t.CostSuffered), Saved: amounts(t.CostPrevented),
		}
		if t.Hour != 0 {
			line.Hour = web.At(time.UnixMicro(t.Hour))
		}
		if ms := t.ACD(); ms >= 0 {
			line.ACDMS = &ms
		}
		out.Lines = append(out.Lines, line)
	}
	return out, nil
}

// hundredth is a share in hundredths of a percent, nil where there is none.
func hundredth(n int64) *float64 {
	if n < 0 {
		return nil
	}
	f := float64(n) / 100
	return &f
}

// Reconciliations implements web.Backend.
func (s *webSite) Reconciliations(ctx context.Context, q web.Query) (p web.Page[web.Reconciliation], err error) {
	err = s.asks(func() error {
		rows, err := s.db.ListReconciliations(ctx, s.filter(&q))
		p = page(rows, q.Limit, func(r *store.Reconciliation) web.Reconciliation {
			out := web.Reconciliation{ID: r.ID, At: web.Time{Time: r.At}, By: r.By, What: r.What, Source: r.Source, Since: web.Ptr(r.Since), Until: web.Ptr(r.Until),
				Node: r.Node, Carrier: r.Carrier, Calls: r.Calls, Findings: r.Discrepancies, Lines: []web.ReconciliationLine{}}
			if err := json.Unmarshal(r.Lines, &out.Lines); err != nil || out.Lines == nil {
				out.Lines = []web.ReconciliationLine{}
			}
			return out
		}, func(r *store.Reconciliation) (time.Time, string) { return r.At, number(r.ID) })
		return err
	})
	return p, err
}

// switchPatience is how long PostgreSQL may take before a file does.
const switchPatience = 3 * time.Second

// Switch implements web.Backend. While PostgreSQL is away a file tells the desk, as
// it does for the command line.
func (s *webSite) Switch(ctx context.Context, pause bool, node, by, reason string) ([]web.Switch, error) {
	a := s.a
	node = store.Unescape(node)
	if node != "" && !slices.ContainsFunc(a.cfg.Nodes, func(n Node) bool { return n.Name == node }) {
		return nil, fmt.Errorf("%w: byeguard does not serve a node %q", web.ErrInvalid, store.Escape(node))
	}
	action, kind := control.ActionClear, control.Kind("")
	if pause {
		action, kind = control.ActionSet, control.KindPause
	}
	op := control.NewOp(action, kind, node, by, reason)
	err := s.away()
	if err == nil {
		limit, cancel := context.WithTimeout(ctx, switchPatience)
		_, err = s.db.DoSwitch(limit, op)
		cancel()
	}
	if err != nil {
		a.log.WithError(err).Warn("PostgreSQL cannot be told to " + map[bool]string{true: "pause", false: "resume"}[pause] + ": a file in data_dir does it")
		if err := a.desk.dir.Put(op); err != nil {
			return nil, err
		}
	}
	return s.obeyed(ctx, pause, node)
}

// obeyWithin is how soon the desk looks.
const obeyWithin = 5 * time.Second

// obeyed waits until this byeguard does what it was told.
func (s *webSite) obeyed(ctx context.Context, pause bool, node string) ([]web.Switch, error) {
	ctx, cancel := context.WithTimeout(ctx, obeyWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		list := s.a.board.Switches()
		held := slices.ContainsFunc(list, func(w control.Switch) bool {
			return (node == control.AllNodes && !pause || w.Node == node) && (!pause || w.Kind == control.KindPause)
		})
		if held == pause {
			return webSwitches(list), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.New("byeguard was told, but does not show it yet: look at /api/v1/overview")
		}
	}
}

// auditQueue holds entries that PostgreSQL could not take yet.
type auditQueue struct {
	mu   sync.Mutex
	wait []store.AuditEntry
	lost int
}

// maxAudit bounds what waits; the log has every entry.
const maxAudit = 10_000

// Audit implements web.Backend.
func (s *webSite) Audit(ctx context.Context, e web.AuditEntry) {
	entry := store.AuditEntry{At: e.At.Time, Instance: s.a.instance, Who: e.User, Role: e.Role, Via: e.Via, Remote: e.Remote,
		Action: e.Action, Target: e.Target, Detail: e.Detail, Outcome: e.Outcome, Request: e.Request}
	err := s.away()
	if err == nil {
		err = s.db.PutAudit(ctx, &entry)
	}
	if err == nil {
		return
	}
	s.a.log.WithError(err).Debug("an entry of the audit log waits for PostgreSQL")
	q := &s.audit
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.wait) == maxAudit {
		q.lost++
		return
	}
	q.wait = append(q.wait, entry)
}

// flush writes what waits.
func (q *auditQueue) flush(ctx context.Context, s *webSite) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		q.mu.Lock()
		if len(q.wait) == 0 {
			if q.lost > 0 {
				s.a.log.Errorf("%d entries of the audit log are in this log alone: too many waited for PostgreSQL", q.lost)
				q.lost = 0
			}
			q.mu.Unlock()
			return
		}
		e := q.wait[0]
		q.mu.Unlock()
		if err := s.db.PutAudit(ctx, &e); err != nil {
			return
		}
		q.mu.Lock()
		q.wait = q.wait[1:]
		q.mu.Unlock()
	}
}

// AuditLog implements web.Backend.
func (s *webSite) AuditLog(ctx context.Context, q web.Query) (p web.Page[web.AuditEntry], err error) {
	err = s.asks(func() error {
		rows, err := s.db.ListAudit(ctx, s.filter(&q))
		p = page(rows, q.Limit, func(e *store.AuditEntry) web.AuditEntry {
			return web.AuditEntry{ID: e.ID, At: web.Time{Time: e.At}, User: e.Who, Role: e.Role, Via: e.Via, Remote: e.Remote,
				Action: e.Action, Target: e.Target, Detail: e.Detail, Outcome: e.Outcome, Request: e.Request}
		}, func(e *store.AuditEntry) (time.Time, string) { return e.At, number(e.ID) })
		return err
	})
	return p, err
}
