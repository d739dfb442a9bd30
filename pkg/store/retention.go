package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Keep says how old things may grow before they are dropped. Zero keeps them for
// ever.
type Keep struct {
	Events    time.Duration // evidence, by its day
	CDRs      time.Duration // records, by the day of their call's start, with their revisions
	Incidents time.Duration // resolved incidents, finished commands and alerts
	// Evidence is how long evidence, records, incidents and commands of calls
	// that had an incident are kept where that is longer: disputes come late.
	Evidence time.Duration
}

// Validate says what is wrong, in words that begin with the key's name.
func (k *Keep) Validate() error {
	const day = 24 * time.Hour
	for _, p := range [...]struct {
		name string
		keep time.Duration
	}{{"events", k.Events}, {"cdrs", k.CDRs}, {"incidents", k.Incidents}, {"evidence", k.Evidence}} {
		if p.keep != 0 && p.keep < day {
			return fmt.Errorf("%s: %v; use a day (1d) or more, or 0 for ever", p.name, p.keep)
		}
	}
	return nil
}

// Dropped is what Retain dropped, or would drop.
type Dropped struct {
	What  string    // "events_20261123", "incidents", …
	Until time.Time // what is older goes
	Rows  int64     // an estimate for whole days
	Bytes int64     // of whole days; 0 = not known
	Kept  int64     // rows of it that stay, since their calls had incidents
	Why   string    // "" or why it was not dropped
}

// Retain drops what Keep no longer allows, day by day; with dry it only says
// what it would drop. Run does it every hour. Several byeguards may do it at once.
func (s *Store) Retain(ctx context.Context, k Keep, now time.Time, dry bool) (list []Dropped, err error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	today := now.UTC().Truncate(24 * time.Hour)
	var errs []error
	for _, t := range partitioned {
		keep := k.Events
		if t.table == "cdrs" {
			keep = k.CDRs
		}
		if keep == 0 {
			continue
		}
		r := retained{s: s, table: t.table, column: t.column, before: today.Add(-keep), evidence: k.Evidence > keep, dry: dry}
		days, err := r.days(ctx)
		list = append(list, days...)
		errs = append(errs, err)
		d, err := r.rest(ctx, today.Add(-max(keep, k.Evidence)))
		list, errs = appendDropped(list, errs, d, err)
	}
	if k.CDRs != 0 {
		for _, t := range [...]string{"cdr_revisions", "cdr_partials"} {
			at := "replaced_at"
			if t == "cdr_partials" {
				at = "made_at"
			}
			d, err := s.deleteOld(ctx, t, at, "not exists (select 1 from byeguard.cdrs c where c.call_key = t.call_key)", today.Add(-k.CDRs), dry)
			list, errs = appendDropped(list, errs, d, err)
		}
	}
	if k.Incidents != 0 {
		before := today.Add(-max(k.Incidents, k.Evidence)) // they say which calls had any
		d, err := s.deleteOld(ctx, "incidents", "updated_at", "state = 'resolved'", before, dry)
		list, errs = appendDropped(list, errs, d, err)
		d, err = s.deleteOld(ctx, "outbox", "created_at", "state <> 'pending'", before, dry)
		list, errs = appendDropped(list, errs, d, err)
		d, err = s.deleteOld(ctx, "alerts", "created_at", "state in ('sent', 'dead')", before, dry)
		list, errs = appendDropped(list, errs, d, err)
	}
	return list, errors.Join(errs...)
}

func appendDropped(list []Dropped, errs []error, d Dropped, err error) ([]Dropped, []error) {
	if d.Rows > 0 {
		list = append(list, d)
	}
	return list, append(errs, err)
}

// retained is the work on one partitioned table.
type retained struct {
	s             *Store
	table, column string
	before        time.Time
	evidence, dry bool
}

// hadIncident chooses rows of calls that a person may have to account for.
const hadIncident = "exists (select 1 from byeguard.incidents i where i.call_key = t.call_key)"

// days drops the partitions of days that are wholly before the time.
func (r *retained) days(ctx context.Context) (list []Dropped, err error) {
	var parts []struct {
		Name  string  `db:"relname"`
		Rows  float64 `db:"reltuples"`
		Bytes int64   `db:"bytes"`
	}
	err = r.s.db.SelectContext(ctx, &parts, `
select c.relname, greatest(c.reltuples, 0) as reltuples, pg_total_relation_size(c.oid) as bytes
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = $1::regclass and c.relname ~ ('^' || $2 || '_[0-9]{8}$') order by c.relname`, "byeguard."+r.table, r.table)
	if err != nil {
		return nil, fmt.Errorf("list days of %s: %w", r.table, err)
	}
	for _, p := range parts {
		day, err := time.Parse("20060102", p.Name[len(r.table)+1:])
		if err != nil || day.AddDate(0, 0, 1).After(r.before) {
			continue
		}
		d := Dropped{What: p.Name, Until: day.AddDate(0, 0, 1), Rows: int64(p.Rows), Bytes: p.Bytes}
		if d.Rows < 10_000 { // the estimate may be of no use yet
			if err := r.s.db.GetContext(ctx, &d.Rows, "select count(*) from byeguard."+p.Name); err != nil {
				return list, fmt.Errorf("drop %s: %w", p.Name, err)
			}
		}
		if err := r.day(ctx, &d); err != nil {
			return list, fmt.Errorf("drop %s: %w", p.Name, err)
		}
		list = append(list, d)
	}
	return list, nil
}

func (r *retained) day(ctx context.Context, d *Dropped) error {
	if r.table == "cdrs" {
		var open int64
		if err := r.s.db.GetContext(ctx, &open, "select count(*) from byeguard."+d.What+" where state = 'open'"); err != nil {
			return err
		}
		if open > 0 {
			d.Why = fmt.Sprintf("%d records are still open", open)
			return nil
		}
	}
	if r.dry {
		if !r.evidence {
			return nil
		}
		return r.s.db.GetContext(ctx, &d.Kept, "select count(*) from byeguard."+d.What+" t where "+hadIncident)
	}
	return r.s.tx(ctx, func(tx *sqlx.Tx) error {
		if r.evidence {
			// Aside first: the lock that dropping takes should be short.
			res, err := tx.ExecContext(ctx, "create temp table byeguard_kept on commit drop as select t.* from byeguard."+d.What+" t where "+hadIncident)
			if err != nil {
				return err
			}
			if d.Kept, err = res.RowsAffected(); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "set local lock_timeout = '5s'; drop table byeguard."+d.What); err != nil {
			return err
		}
		if d.Kept == 0 {
			return nil
		}
		// Without a day of its own a row goes to the default partition.
		_, err := tx.ExecContext(ctx, "insert into byeguard."+r.table+" select * from byeguard_kept")
		return err
	})
}

// rest deletes old rows of the default partition: those that had no day, and
// those that were kept for longer, once that is over.
func (r *retained) rest(ctx context.Context, evidenceBefore time.Time) (Dropped, error) {
	cond := "true"
	if r.evidence {
		cond = fmt.Sprintf("(t.%s < '%s' or not %s)", r.column, evidenceBefore.Format(time.RFC3339), hadIncident)
	}
	if r.table == "cdrs" {
		cond += " and t.state = 'final'"
	}
	return r.s.deleteOld(ctx, r.table+"_default", r.column, cond, r.before, r.dry)
}

// deleteOld deletes rows of a table without days.
func (s *Store) deleteOld(ctx context.Context, table, at, cond string, before time.Time, dry bool) (d Dropped, err error) {
	d = Dropped{What: table, Until: before}
	where := fmt.Sprintf(" from byeguard.%s t where t.%s < $1 and %s", table, at, cond)
	if dry {
		err = s.db.GetContext(ctx, &d.Rows, "select count(*)"+where, before)
	} else {
		res, derr := s.db.ExecContext(ctx, "delete"+where, before)
		if err = derr; err == nil {
			d.Rows, err = res.RowsAffected()
		}
	}
	if err != nil {
		err = fmt.Errorf("drop old rows of %s: %w", table, err)
	}
	return d, err
}

// retain is Retain as Run does it.
func (s *Store) retain(ctx context.Context) {
	list, err := s.Retain(ctx, s.opts.Keep, time.Now(), false)
	if err != nil && ctx.Err() == nil {
		s.log.WithError(err).Warn("cannot drop all that is too old; trying again in an hour")
	}
	for _, d := range list {
		log := s.log.WithField("what", d.What)
		if d.Why != "" {
			log.Warn("an old day is kept: " + d.Why)
			continue
		}
		log.WithField("rows", d.Rows).WithField("kept", d.Kept).Info("dropped what was too old")
	}
}
