package app

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/web"
)

// KeepReconciliation keeps the outcome of a comparison for the page. what is acc,
// csv or live; of file, "" for none, the name is kept.
func KeepReconciliation(ctx context.Context, s *store.Store, what, file, by string, o *ReconcileOptions, r *Reconciliation) error {
	lines := []web.ReconciliationLine{}
	var calls int64
	for _, l := range r.Summary.Lines() {
		calls += l.Calls
		line := web.ReconciliationLine{Class: string(l.Class), Carrier: l.Carrier, Calls: l.Calls, OursMS: l.OursMS, TheirsMS: l.TheirsMS,
			Currency: l.Currency, OursCost: l.OursCost.String()}
		if l.Priced {
			cost := l.TheirsCost.String()
			line.TheirsCost = &cost
		}
		lines = append(lines, line)
	}
	text, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	if file != "" {
		file = filepath.Base(file)
	}
	given := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return s.PutReconciliation(ctx, &store.Reconciliation{By: by, What: what, Source: file, Since: given(o.Since), Until: given(o.Until),
		Node: o.Node, Carrier: o.Carrier, Calls: calls, Discrepancies: r.Dirty, Lines: text})
}
