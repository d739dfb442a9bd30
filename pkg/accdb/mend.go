package accdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Mend is one row to write. ID is "" for a row that is missing, else it names the
// row whose end and duration are put right.
type Mend struct {
	ID         string
	Start      int64 // Unix µs
	End        int64
	DurationMS int64
	CallID     string
	From, To   string
}

// Mended counts what a run did, or undid.
type Mended struct {
	Inserted int64
	Changed  int64
	Skipped  int64 // rows that were no longer as they had been read
}

// ErrMend says that the table cannot be mended.
var ErrMend = errors.New("cannot mend")

// runForm is what a run is called: it stands in the mark.
var runForm = regexp.MustCompile(`^[A-Za-z0-9-]{1,40}$`)

// CanMend says what keeps the table from being mended, or nil.
func (d *DB) CanMend(ctx context.Context) error {
	c := &d.m.Columns
	switch {
	case d.m.Kind != KindCDRs:
		return fmt.Errorf("%w: only acc_cdrs has a row a call", ErrMend)
	case c.End == "" || c.Duration == "" || c.Mark == "":
		return fmt.Errorf("%w: columns.end, columns.duration and columns.mark are needed", ErrMend)
	}
	rows, err := d.db.QueryContext(ctx, "select "+d.name(c.Mark)+" from "+d.table()+" where 1 = 0") //nolint:gosec // names are quoted
	if err != nil {
		return fmt.Errorf("%w: %w; a column that marks byeguard's rows is needed, Kamailio does not mind it: "+
			"alter table %s add %s varchar(128)", ErrMend, err, d.m.Table, c.Mark)
	}
	defer rows.Close()
	return rows.Err()
}

// Mend writes rows, all or none, and marks them with the run.
func (d *DB) Mend(ctx context.Context, run string, list []Mend) (n Mended, err error) {
	if !runForm.MatchString(run) {
		return n, fmt.Errorf("%w: run %q; use letters, digits and -", ErrMend, run)
	}
	err = d.inTx(ctx, func(tx *sql.Tx) error {
		for i := range list {
			m := &list[i]
			if m.ID == "" {
				if err := d.insert(ctx, tx, run, m); err != nil {
					return err
				}
				n.Inserted++
				continue
			}
			changed, err := d.change(ctx, tx, run, m)
			if err != nil {
				return err
			}
			if changed {
				n.Changed++
			} else {
				n.Skipped++
			}
		}
		return nil
	})
	if err != nil {
		return Mended{}, fmt.Errorf("mend %s: %w", d.m.Table, err)
	}
	return n, nil
}

func (d *DB) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if !d.mysql {
		if _, err := tx.ExecContext(ctx, "set local timezone = 'UTC'"); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (d *DB) insert(ctx context.Context, tx *sql.Tx, run string, m *Mend) error {
	c := &d.m.Columns
	columns := []string{c.Start, c.End, c.Duration, c.Mark}
	values := []any{d.shown(time.UnixMicro(m.Start)), d.shown(time.UnixMicro(m.End)), seconds(m.DurationMS), run}
	for _, o := range []struct{ column, value string }{{c.CallID, m.CallID}, {c.From, m.From}, {c.To, m.To}} {
		if o.column != "" {
			columns, values = append(columns, o.column), append(values, o.value)
		}
	}
	names, params := make([]string, len(columns)), make([]string, len(columns))
	for i := range columns {
		names[i], params[i] = d.name(columns[i]), d.param(i+1)
	}
	_, err := tx.ExecContext(ctx, "insert into "+d.table()+" ("+strings.Join(names, ", ")+") values ("+strings.Join(params, ", ")+")", values...) //nolint:gosec // names are quoted
	return err
}

// change puts a row of no length right. What it said goes into the mark, so that
// the row itself holds all that undoing needs.
func (d *DB) change(ctx context.Context, tx *sql.Tx, run string, m *Mend) (bool, error) {
	c := &d.m.Columns
	var end, ms sql.NullInt64
	err := tx.QueryRowContext(ctx, "select "+d.micros(d.name(c.End))+", "+d.millis(d.name(c.Duration))+" from "+d.table()+
		" where "+d.name(c.ID)+" = "+d.param(1)+" and coalesce("+d.name(c.Mark)+", '') = '' for update", m.ID).Scan(&end, &ms)
	if errors.Is(err, sql.ErrNoRows) || err == nil && ms.Int64 != 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	mark := fmt.Sprintf("%s was end=%s ms=%s", run, nullable(end), nullable(ms))
	_, err = tx.ExecContext(ctx, "update "+d.table()+" set "+d.name(c.End)+" = "+d.param(1)+", "+d.name(c.Duration)+" = "+d.param(2)+ //nolint:gosec // names are quoted
		", "+d.name(c.Mark)+" = "+d.param(3)+" where "+d.name(c.ID)+" = "+d.param(4),
		d.shown(time.UnixMicro(m.End)), seconds(m.DurationMS), mark, m.ID)
	return err == nil, err
}

func nullable(n sql.NullInt64) string {
	if !n.Valid {
		return "null"
	}
	return strconv.FormatInt(n.Int64, 10)
}

func seconds(ms int64) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }

// wasForm is the mark of a row that was changed.
var wasForm = regexp.MustCompile(`^[A-Za-z0-9-]+ was end=(null|-?\d+) ms=(null|-?\d+)$`)

// Undo takes back all that a run wrote: rows that it made go, rows that it
// changed are as they were.
func (d *DB) Undo(ctx context.Context, run string) (n Mended, err error) {
	if !runForm.MatchString(run) {
		return n, fmt.Errorf("%w: run %q; use one that --fix printed", ErrMend, run)
	}
	c := &d.m.Columns
	err = d.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "delete from "+d.table()+" where "+d.name(c.Mark)+" = "+d.param(1), run) //nolint:gosec // names are quoted
		if err != nil {
			return err
		}
		if n.Inserted, err = res.RowsAffected(); err != nil {
			return err
		}
		marks, err := d.marks(ctx, tx, run)
		if err != nil {
			return err
		}
		for id, mark := range marks {
			if err := d.restore(ctx, tx, id, mark); err != nil {
				return err
			}
			n.Changed++
		}
		return nil
	})
	if err != nil {
		return Mended{}, fmt.Errorf("undo run %s in %s: %w", run, d.m.Table, err)
	}
	return n, nil
}

// marks returns the marks of the rows that a run changed, by id.
func (d *DB) marks(ctx context.Context, tx *sql.Tx, run string) (map[string]string, error) {
	c := &d.m.Columns
	rows, err := tx.QueryContext(ctx, "select "+d.text(d.name(c.ID))+", "+d.name(c.Mark)+" from "+d.table()+ //nolint:gosec // names are quoted
		" where "+d.name(c.Mark)+" like "+d.param(1), run+" was %")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	marks := map[string]string{}
	for rows.Next() {
		var id, mark string
		if err := rows.Scan(&id, &mark); err != nil {
			return nil, err
		}
		marks[id] = mark
	}
	return marks, rows.Err()
}

func (d *DB) restore(ctx context.Context, tx *sql.Tx, id, mark string) error {
	was := wasForm.FindStringSubmatch(mark)
	if was == nil {
		return fmt.Errorf("%w: row %s has the mark %q, which says not what it was", ErrMend, id, mark)
	}
	var end, duration any
	if us, err := strconv.ParseInt(was[1], 10, 64); err == nil {
		end = time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05.000000") // as the table showed it
	}
	if ms, err := strconv.ParseInt(was[2], 10, 64); err == nil {
		duration = seconds(ms)
	}
	c := &d.m.Columns
	_, err := tx.ExecContext(ctx, "update "+d.table()+" set "+d.name(c.End)+" = "+d.param(1)+", "+d.name(c.Duration)+" = "+d.param(2)+ //nolint:gosec // names are quoted
		", "+d.name(c.Mark)+" = null where "+d.name(c.ID)+" = "+d.param(3), end, duration, id)
	return err
}
