package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// aheadDays is how many days have their partitions made before they come.
const aheadDays = 2

// partitioned are the tables that have a partition a day.
var partitioned = [...]struct {
	table, column, options string
}{
	{"events", "at", ""},
	// Calls that began together are neighbours and may end together: half of the
	// page is room for the update that makes a record final (HOT).
	{"cdrs", "started", " with (fillfactor = 50)"},
}

// Maintain makes the partitions of today and the days to come. Run does it at
// its start and every hour; several byeguards may do it at once. Without a
// partition rows go to the default one, which is slower to clean up but loses
// nothing. Old days are Retain's.
func (s *Store) Maintain(ctx context.Context, now time.Time) error {
	today := now.UTC().Truncate(24 * time.Hour)
	var errs []error
	for _, p := range partitioned {
		for d := range aheadDays + 1 {
			if err := s.makePartition(ctx, p.table, p.column, p.options, today.AddDate(0, 0, d)); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// makePartition makes one day's partition apart and attaches it, which blocks
// no writer for longer than a moment. Rows of that day in the default
// partition move over.
func (s *Store) makePartition(ctx context.Context, table, column, options string, day time.Time) error {
	name := "byeguard." + table + "_" + day.Format("20060102")
	from, to := day.Format("2006-01-02 00:00:00+00"), day.AddDate(0, 0, 1).Format("2006-01-02 00:00:00+00")
	err := s.tx(ctx, func(tx *sqlx.Tx) error {
		// Checked once without the lock: nearly always it is there.
		exists := "select to_regclass($1) is not null"
		var there bool
		if err := tx.GetContext(ctx, &there, exists, name); err != nil || there {
			return err
		}
		if _, err := tx.ExecContext(ctx, "select pg_advisory_xact_lock($1)", migrateLock); err != nil {
			return err
		}
		if err := tx.GetContext(ctx, &there, exists, name); err != nil || there {
			return err
		}
		_, err := tx.ExecContext(ctx, strings.NewReplacer(
			"NAME", name, "TABLE", "byeguard."+table, "COLUMN", column, "OPTIONS", options, "FROM", from, "TO", to,
		).Replace(`
create table NAME (like TABLE including all)OPTIONS;
with moved as (delete from only TABLE_default where COLUMN >= 'FROM' and COLUMN < 'TO' returning *)
insert into NAME select * from moved;
alter table TABLE attach partition NAME for values from ('FROM') to ('TO');`))
		return err
	})
	if err != nil {
		return fmt.Errorf("make partition %s: %w", name, err)
	}
	return nil
}

func (s *Store) tx(ctx context.Context, f func(*sqlx.Tx) error) error { return inTx(ctx, s.db, f) }

func inTx(ctx context.Context, db *sqlx.DB, f func(*sqlx.Tx) error) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error tells
		return err
	}
	return tx.Commit()
}
