package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

// TestReconcileLiveDiscrepancies: while byeguard is down one call of a real
// Kamailio ends and another begins. The comparison with the live proxy finds the
// open record without a dialog and the dialog without a record, leaves alone the
// call that both hold, and files an incident of each.
func TestReconcileLiveDiscrepancies(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	both := s.call(lab.CallOptions{}).Caller.CallID()
	ends := s.call(lab.CallOptions{})
	s.open(both)
	s.open(ends.Caller.CallID())
	s.stop()
	_, err := ends.Caller.Send("BYE", lab.RequestOptions{})
	require.NoError(t, err)
	unseen := s.call(lab.CallOptions{}).Caller.CallID()

	db, err := store.Open(s.ctx, store.Options{URL: s.db})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	opts := &app.ReconcileOptions{Rates: &billing.Rates{}, Core: reconcile.DefaultOptions(), Clean: app.DefaultClean(), All: true}
	want := map[string]reconcile.Class{
		both: reconcile.Matched, ends.Caller.CallID(): reconcile.MissingThere, unseen: reconcile.MissingHere,
	}
	var found map[string]reconcile.Class
	s.eventually("calls are old enough to be missed", 90*time.Second, func() bool {
		r, err := app.ReconcileLive(s.ctx, db, []app.Node{{Name: "lab", JSONRPC: s.kam.RPCURL}}, opts)
		require.NoError(t, err)
		defer r.Close()
		found = map[string]reconcile.Class{}
		require.NoError(t, r.Each(func(f *app.Finding) error {
			id := ""
			for _, side := range []*reconcile.Record{f.Theirs, f.Ours} {
				if side != nil {
					id = side.CallID
				}
			}
			found[id] = f.Class
			return nil
		}))
		if len(found) < len(want) {
			return false
		}
		require.EqualValues(t, 2, r.Dirty)
		opened, resolved, err := app.FileFindings(s.ctx, db, r, "the live proxy", opts)
		require.NoError(t, err)
		require.EqualValues(t, 2, opened)
		require.Zero(t, resolved)
		return true
	})
	for id, class := range found {
		if class == reconcile.StillOpen { // up on both sides
			found[id] = reconcile.Matched
		}
	}
	require.Equal(t, want, found)
	for kind, n := range map[string]int{"cdr_missing": 1, "records_differ": 1} {
		require.Equal(t, n, s.count("SELECT count(*) FROM byeguard.incidents WHERE kind = $1 AND state = 'open'", kind), kind)
		require.Equal(t, n, s.count("SELECT count(*) FROM byeguard.alert_news w JOIN byeguard.incidents i ON i.id = w.incident WHERE i.kind = $1", kind), kind)
	}
	// The proxy cannot be asked: an error, never a finding.
	_, err = app.ReconcileLive(s.ctx, db, []app.Node{{Name: "lab", JSONRPC: "http://127.0.0.1:1/RPC"}}, opts)
	require.ErrorContains(t, err, "node lab")
	_, err = app.ReconcileLive(s.ctx, db, nil, opts)
	require.ErrorContains(t, err, "no node to ask")
	s.noViolations()
}
