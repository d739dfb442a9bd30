package app_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/accdb"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/lab"
)

// accountingDatabase has the tables of Kamailio's own scripts, with columns for a
// Call-ID and for --fix.
func accountingDatabase(t *testing.T) (*lab.Database, *sqlx.DB) {
	t.Helper()
	acc := lab.MustDatabase(t)
	db, err := sqlx.ConnectContext(t.Context(), "postgres", acc.URL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	for _, name := range []string{"standard-create.sql", "acc-create.sql"} {
		text, err := os.ReadFile("/usr/share/kamailio/postgres/" + name)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), string(text))
		require.NoError(t, err, name)
	}
	_, err = db.ExecContext(t.Context(), "alter table acc_cdrs add callid varchar(255), add byeguard_run varchar(128)")
	require.NoError(t, err)
	return acc, db
}

// found compares byeguard's records with a table, and returns the class of each
// call.
func (s *site) found(acc *lab.Database, m accdb.Map, mend bool) (classes map[string]reconcile.Class, run string) {
	s.t.Helper()
	db, err := accdb.Open(s.ctx, acc.URL, m)
	require.NoError(s.t, err)
	defer db.Close()
	opts := &app.ReconcileOptions{Rates: &billing.Rates{}, Core: reconcile.DefaultOptions(), Clean: app.DefaultClean(), All: true}
	r, err := app.ReconcileAcc(s.ctx, s.app.Store(), db, opts)
	require.NoError(s.t, err)
	defer r.Close()
	classes = map[string]reconcile.Class{}
	require.NoError(s.t, r.Each(func(f *app.Finding) error {
		id := ""
		if f.Ours != nil {
			id = f.Ours.CallID
		}
		require.NotContains(s.t, classes, id, "%s: %+v %+v", f.Why, f.Ours, f.Theirs)
		classes[id] = f.Class
		s.t.Logf("%s %s: %s", f.Class, id, f.Why)
		return nil
	}))
	if mend {
		require.NoError(s.t, db.CanMend(s.ctx))
		list, err := app.PlanMends(r)
		require.NoError(s.t, err)
		run, _, err = app.Mend(s.ctx, db, list, time.Now())
		require.NoError(s.t, err)
	}
	return classes, run
}

// TestReconcileRealAcc: calls through a real Kamailio with the acc module's own
// defaults. byeguard's records and acc_cdrs agree on calls that end points ended;
// calls that the proxy ended, one-sided or not, have no row there: they are found,
// made on request, and taken back.
func TestReconcileRealAcc(t *testing.T) {
	t.Parallel()
	acc, db := accountingDatabase(t)
	s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{
		Defines: map[string]string{"WITH_ACC_DB": "", "ACC_DB_URL": `"` + acc.KamailioURL + `"`},
		ExtraCfg: strings.Join([]string{
			`modparam("acc", "cdr_expired_dlg_enable", 0)`, // the module's default
			`modparam("acc", "cdr_extra", "callid=$dlg(callid)")`,
			`modparam("acc", "db_flag", 1)`, // the table acc, too
		}, "\n"),
	}})
	var good, ended []string
	for range 3 {
		p := s.call(lab.CallOptions{})
		_, err := p.Caller.Send("BYE", lab.RequestOptions{})
		require.NoError(t, err)
		s.final(p.Caller.CallID())
		good = append(good, p.Caller.CallID())
	}
	for range 2 {
		p := s.call(lab.CallOptions{})
		s.forceRace(p)
		require.NoError(t, p.Callee.WaitEnded(s.ctx))
		require.True(t, s.final(p.Caller.CallID()).Repaired)
		ended = append(ended, p.Caller.CallID())
	}
	up := s.call(lab.CallOptions{}).Caller.CallID()
	s.open(up)
	s.eventually("acc_cdrs has the rows of the calls that end points ended", 40*time.Second, func() bool {
		n := 0
		require.NoError(t, db.GetContext(s.ctx, &n, "select count(*) from acc_cdrs where callid <> ''"))
		return n >= len(good)
	})
	var rows []string
	require.NoError(t, db.SelectContext(s.ctx, &rows, "select row_to_json(c)::text from acc_cdrs c"))
	t.Log(strings.Join(rows, "\n"))

	m, err := accdb.ParseMap([]byte("columns: {call_id: callid}"))
	require.NoError(t, err)
	classes, run := s.found(acc, m, true)
	for _, id := range good {
		require.Contains(t, []reconcile.Class{reconcile.Matched, reconcile.Rounding}, classes[id], id)
	}
	for _, id := range ended {
		require.Contains(t, []reconcile.Class{reconcile.MissingThere, reconcile.ZeroDuration}, classes[id], id)
	}
	require.Equal(t, reconcile.StillOpen, classes[up])
	require.Len(t, classes, len(good)+len(ended)+1)

	after, _ := s.found(acc, m, false)
	for _, id := range ended {
		require.Contains(t, []reconcile.Class{reconcile.Matched, reconcile.KeyMissing}, after[id], id)
	}
	mended, err := accdb.Open(s.ctx, acc.URL, m)
	require.NoError(t, err)
	n, err := mended.Undo(s.ctx, run)
	require.NoError(t, err)
	require.EqualValues(t, len(ended), n.Inserted+n.Changed)
	require.NoError(t, mended.Close())
	again, _ := s.found(acc, m, false)
	require.Equal(t, classes, again)

	// The live proxy holds what byeguard holds open.
	live, err := app.ReconcileLive(s.ctx, s.app.Store(), []app.Node{{Name: "lab", JSONRPC: s.kam.RPCURL}},
		&app.ReconcileOptions{Rates: &billing.Rates{}, Core: reconcile.DefaultOptions(), Clean: app.DefaultClean(), All: true})
	require.NoError(t, err)
	require.Zero(t, live.Dirty)
	require.NoError(t, live.Close())
	s.noViolations()
}
