package accdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/byeguard/byeguard/pkg/billing/reconcile"
)

// Rows are the calls of the table, sorted by their start. Close them.
type Rows struct {
	conn *sql.Conn
	rows *sql.Rows
	wall wall
	end  wall
	m    *Map
	real bool

	id, callID, from, to sql.RawBytes
	start                sql.RawBytes
	stop, ms             sql.RawBytes
}

// longest is how much later than its INVITE a call's BYE is looked for in acc.
const longest = 4 * 24 * time.Hour

// Rows reads the calls that began from since on and before until.
func (d *DB) Rows(ctx context.Context, since, until time.Time) (*Rows, error) {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", d.m.Table, err)
	}
	if !d.mysql { // one sort in memory
		if _, err := conn.ExecContext(ctx, "set timezone = 'UTC'; set work_mem = '64MB'; set jit = off; set default_transaction_read_only = on"); err != nil {
			return nil, errors.Join(fmt.Errorf("read %s: %w", d.m.Table, err), discard(conn))
		}
	}
	query, args := d.cdrsQuery(since, until)
	if d.m.Kind == KindAcc {
		query, args = d.accQuery(since, until)
	}
	rows, err := conn.QueryContext(ctx, query, args...) //nolint:rowserrcheck // Rows.Next does
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", d.m.Table, err), discard(conn))
	}
	return &Rows{conn: conn, rows: rows, m: &d.m, real: d.real, wall: wall{zone: d.m.zone}, end: wall{zone: d.m.zone}}, nil
}

// discard closes a connection whose settings are not everybody's.
func discard(conn *sql.Conn) error {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close() // it is closed
	return nil
}

// shown is a moment as the table shows it.
func (d *DB) shown(at time.Time) any {
	us := at.UnixMicro()
	if !d.real {
		w := wall{zone: d.m.zone}
		us = w.shows(us)
	}
	return time.UnixMicro(us).UTC().Format("2006-01-02 15:04:05.000000")
}

// bounds adds the limits of a time to args.
func (d *DB) bounds(expr string, since, until time.Time, args []any) (string, []any) {
	kind := ""
	if !d.mysql {
		kind = "::timestamp"
		if d.real {
			kind = "::timestamptz"
		}
	}
	cond := "1 = 1"
	for _, b := range []struct {
		at time.Time
		op string
	}{{since, " >= "}, {until, " < "}} {
		if !b.at.IsZero() {
			args = append(args, d.shown(b.at))
			cond += " and " + expr + b.op + d.param(len(args)) + kind
		}
	}
	return cond, args
}

func (d *DB) cdrsQuery(since, until time.Time) (string, []any) {
	c := &d.m.Columns
	opt := func(column string, as func(string) string) string {
		if column == "" {
			return "null"
		}
		return as(d.name(column))
	}
	cond, args := d.bounds(d.name(c.Start), since, until, nil)
	return "select " + d.text(d.name(c.ID)) + ", " + d.micros(d.name(c.Start)) + ", " + opt(c.End, d.micros) + ", " +
		opt(c.Duration, d.millis) + ", " + opt(c.CallID, same) + ", " + opt(c.From, same) + ", " + opt(c.To, same) +
		" from " + d.table() + " t where " + cond +
		// Of the table, not of the list above: there the id is text.
		" order by t." + d.name(c.Start) + ", t." + d.name(c.ID), args
}

func same(s string) string { return s }

// accQuery makes calls of transactions: by Call-ID and both tags, whichever side
// the BYE came from. The first INVITE that was answered begins the call, others
// are changes within it.
func (d *DB) accQuery(since, until time.Time) (string, []any) {
	c := &d.m.Columns
	opt := func(column string) string {
		if column == "" {
			return "null"
		}
		return "min(case when " + d.name(c.Method) + " = 'INVITE' then " + d.name(column) + " end)"
	}
	late := until
	if !late.IsZero() {
		late = late.Add(longest)
	}
	cond, args := d.bounds(d.name(c.Start), since, late, nil)
	began := "min(case when " + d.name(c.Method) + " = 'INVITE' and " + d.name(c.Code) + " like '2%' then " + d.name(c.Start) + " end)"
	ended := "max(case when " + d.name(c.Method) + " = 'BYE' then " + d.name(c.Start) + " end)"
	having, args := d.bounds(began, time.Time{}, until, args)
	tags := "least(" + d.name(c.FromTag) + ", " + d.name(c.ToTag) + "), greatest(" + d.name(c.FromTag) + ", " + d.name(c.ToTag) + ")"
	return "select " + d.text("min("+d.name(c.ID)+")") + ", " + d.micros(began) + ", " + d.micros(ended) + ", null, " + d.name(c.CallID) + ", " +
		opt(c.From) + ", " + opt(c.To) + " from " + d.table() + " where " + cond + " and " + d.name(c.Method) + " in ('INVITE', 'BYE')" +
		" group by " + d.name(c.CallID) + ", " + tags + " having " + began + " is not null and " + having + " order by 2, 1", args
}

// Next reads a call. A row without an end has no length.
func (r *Rows) Next(rec *reconcile.Record) error {
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return fmt.Errorf("read %s: %w", r.m.Table, err)
		}
		return io.EOF
	}
	if err := r.rows.Scan(&r.id, &r.start, &r.stop, &r.ms, &r.callID, &r.from, &r.to); err != nil {
		return fmt.Errorf("read %s: %w", r.m.Table, err)
	}
	*rec = reconcile.Record{ID: string(r.id), CallID: string(r.callID), DurationMS: -1, BillableS: -1, Start: number(r.start)}
	if len(r.from) > 0 {
		rec.From = r.m.Numbers.Read(string(r.from))
	}
	if len(r.to) > 0 {
		rec.To = r.m.Numbers.Read(string(r.to))
	}
	rec.End = number(r.stop)
	if !r.real {
		rec.Start, rec.Alt = r.wall.moment(rec.Start)
		rec.End, _ = r.end.moment(rec.End)
	}
	switch {
	case r.ms != nil:
		rec.DurationMS = number(r.ms)
	case rec.End != 0:
		rec.DurationMS = (rec.End - rec.Start) / 1000
	}
	return nil
}

func number(b []byte) int64 {
	if len(b) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(b), 10, 64) // the database made it
	return n
}

// Close ends the reading.
func (r *Rows) Close() error {
	_ = r.rows.Close()
	return discard(r.conn)
}
