package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/byeguard/byeguard/pkg/accdb"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
)

// maxMends bounds one run of mending: more is no slip of a few rows.
const maxMends = 100_000

// PlanMends says what of the findings can be mended in acc_cdrs: answered calls
// that ended and have no row, and rows of no length. Nothing else is touched: where
// two lengths differ a person decides which is right.
func PlanMends(r *Reconciliation) (list []accdb.Mend, err error) {
	err = r.Each(func(f *Finding) error {
		a := f.Ours
		if a == nil || a.Open || a.Start == 0 || a.End == 0 || a.DurationMS < 0 {
			return nil
		}
		m := accdb.Mend{Start: a.Start, End: a.End, DurationMS: a.DurationMS, CallID: a.CallID, From: a.From, To: a.To}
		switch f.Class {
		case reconcile.MissingThere:
		case reconcile.ZeroDuration:
			m.ID = f.Theirs.ID
		default:
			return nil
		}
		if len(list) == maxMends {
			return fmt.Errorf("more than %d rows to mend: look into the reason first, or choose a shorter time", maxMends)
		}
		list = append(list, m)
		return nil
	})
	return list, err
}

// Mend writes a plan under a new run, whose name undoes it.
func Mend(ctx context.Context, db *accdb.DB, list []accdb.Mend, now time.Time) (run string, n accdb.Mended, err error) {
	var id [3]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", n, err
	}
	run = "byeguard-" + now.UTC().Format("20060102-150405") + "-" + hex.EncodeToString(id[:])
	n, err = db.Mend(ctx, run, list)
	return run, n, err
}
