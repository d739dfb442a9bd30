package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Feed reads final and partial records in the order of hand-over: by the number
// that each got when it was committed. What was numbered never changes: a
// correction has a number of its own, and the record that it replaces is read at
// its old place still. It holds one connection and is not safe for concurrent use.
type Feed struct {
	conn *sql.Conn
	page *sql.Stmt
	args []any
	id   string
}

// rowColumns are what a billing.Row is made of, from the alias c of type
// byeguard.cdrs; %s are its number, part and until. scanRow knows their order.
const rowColumns = `%s as seq, c.call_key, c.started, c.revision, c.revision_reason, %s, %s, c.state, c.disposition,
c.node, c.call_id, c.caller_tag, c.callee_tag, c.caller_uri, c.callee_uri, c.caller_addr, c.callee_addr,
c.setup_at, c.answered_at, c.confirmed_at, c.ended_at, c.duration_ms, c.caller_end, c.caller_how, c.callee_end, c.callee_how,
c.closed_at, c.released_by, c.code, c.cause, c.repaired, c.repaired_leg, c.repair_why, c.attempts, c.not_seen`

// feedQuery reads the numbers from $1 (excluded) to $2 (included). A row is
// sent as one value in PostgreSQL's binary form of records: reading forty columns
// one by one would cost more than all the rest of an export.
func feedQuery(conds string) string {
	if conds != "" {
		conds = " and " + conds
	}
	source := func(seq, part, until, from string) string {
		return "select " + fmt.Sprintf(rowColumns, seq, part, until) + " from " + from +
			" where " + seq + " > $1 and " + seq + " <= $2" + conds
	}
	return "select record_send(r) from (" + strings.Join([]string{
		source("c.seq", "0", "null::timestamptz", "byeguard.cdrs c"),
		// Their columns have names of their own, so that the conditions mean c's.
		source("v.at", "0", "null::timestamptz",
			"(select seq as at, record from byeguard.cdr_revisions) v cross join lateral jsonb_populate_record(null::byeguard.cdrs, v.record) c"),
		source("p.at", "p.nth", "p.upto",
			"(select seq as at, part as nth, until as upto, record from byeguard.cdr_partials) p cross join lateral jsonb_populate_record(null::byeguard.cdrs, p.record) c"),
	}, " union all ") + ") r order by r.seq"
}

// OpenFeed opens the feed. Filter narrows it; its Limit and After mean nothing
// here. Close it.
func (s *Store) OpenFeed(ctx context.Context, filter *Filter) (f *Feed, err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("read CDRs: %w", err)
	}
	f = &Feed{conn: conn}
	// Pages are short; a reader that waits does so between them. A page is some
	// megabytes, to be sorted in memory.
	_, err = conn.ExecContext(ctx, fmt.Sprintf("set default_transaction_read_only = on; set jit = off; set work_mem = '64MB'; set statement_timeout = %d",
		s.opts.ReadTimeout.Milliseconds()))
	if err == nil {
		err = conn.QueryRowContext(ctx, "select id from byeguard.cdr_feed").Scan(&f.id)
	}
	if err == nil {
		w := &where{args: []any{int64(0), int64(0)}}
		narrow := filter.cdrs()
		shift(narrow, w)
		f.args = w.args
		f.page, err = conn.PrepareContext(ctx, feedQuery(strings.Join(w.conds, " and ")))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read CDRs: %w", err), f.Close())
	}
	return f, nil
}

// shift adds the conditions of from to w, their parameters numbered anew and
// their columns those of c.
func shift(from, w *where) {
	n := len(w.args)
	for _, cond := range from.conds {
		for i := len(from.args); i > 0; i-- {
			cond = strings.ReplaceAll(cond, fmt.Sprintf("$%d", i), fmt.Sprintf("$#%d", i+n))
		}
		w.conds = append(w.conds, strings.ReplaceAll(cond, "$#", "$"))
	}
	w.args = append(w.args, from.args...)
}

// ID names the database that the numbers belong to.
func (f *Feed) ID() string { return f.id }

// End returns the highest number that is committed: no lower one will come any
// more. 0 = none yet.
func (f *Feed) End(ctx context.Context) (seq int64, err error) {
	err = f.conn.QueryRowContext(ctx, `select coalesce(greatest((select max(seq) from byeguard.cdrs),
		(select max(seq) from byeguard.cdr_revisions), (select max(seq) from byeguard.cdr_partials)), 0)`).Scan(&seq)
	if err != nil {
		err = fmt.Errorf("read the end of the CDRs: %w", err)
	}
	return seq, err
}

// Next returns the lowest number above after, 0 if there is none: old days are
// dropped, and gaps may be wide.
func (f *Feed) Next(ctx context.Context, after int64) (seq int64, err error) {
	err = f.conn.QueryRowContext(ctx, `select coalesce(least((select min(seq) from byeguard.cdrs where seq > $1),
		(select min(seq) from byeguard.cdr_revisions where seq > $1), (select min(seq) from byeguard.cdr_partials where seq > $1)), 0)`,
		after).Scan(&seq)
	if err != nil {
		err = fmt.Errorf("read CDRs: %w", err)
	}
	return seq, err
}

// Page reads the records numbered above after up to until, in order, into p,
// which is overwritten.
func (f *Feed) Page(ctx context.Context, after, until int64, p *Page) error {
	p.reset()
	f.args[0], f.args[1] = after, until
	rows, err := f.page.QueryContext(ctx, f.args...)
	if err != nil {
		return fmt.Errorf("read CDRs: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := p.add(rows); err != nil {
			return fmt.Errorf("read CDRs: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read CDRs: %w", err)
	}
	return nil
}

// Close gives the connection up.
func (f *Feed) Close() error {
	if f.page != nil {
		_ = f.page.Close()
	}
	discard(f.conn) // its settings are not everybody's
	return nil
}

// scanRows is how many rows ScanCDRs hands on at once.
const scanRows = 10_000

// ScanCDRs hands all records of the filter to each, in pages and in no order.
// It reads one snapshot; Limit and After of the filter mean nothing here. The
// page is good until each returns.
func (s *Store) ScanCDRs(ctx context.Context, filter *Filter, each func(*Page) error) error {
	return s.scanCDRs(ctx, filter, "", each)
}

// ScanCDRsByStart is ScanCDRs in the order of billing.Row.Started.
func (s *Store) ScanCDRsByStart(ctx context.Context, filter *Filter, each func(*Page) error) error {
	// The condition is that of the index, which then gives the order.
	return s.scanCDRs(ctx, filter, "c.started > '-infinity' order by c.started, c.call_key", each)
}

func (s *Store) scanCDRs(ctx context.Context, filter *Filter, order string, each func(*Page) error) error {
	tx, err := s.db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("read CDRs: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // it has only read
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("set local jit = off; set local statement_timeout = %d", s.opts.ScanTimeout.Milliseconds())); err != nil {
		return fmt.Errorf("read CDRs: %w", err)
	}
	w := filter.cdrs()
	if order != "" {
		w.conds = append(w.conds, order) // the last one
	}
	st, err := tx.PrepareContext(ctx, "select record_send(r) from (select "+
		fmt.Sprintf(rowColumns, "coalesce(c.seq, 0)", "0", "null::timestamptz")+" from byeguard.cdrs c"+w.String()+") r")
	if err != nil {
		return fmt.Errorf("read CDRs: %w", err)
	}
	defer st.Close() //nolint:errcheck // ends with its transaction
	rows, err := st.QueryContext(ctx, w.args...)
	if err != nil {
		return fmt.Errorf("read CDRs: %w", err)
	}
	defer rows.Close()
	var p Page
	hand := func() error {
		if err := p.decode(); err != nil {
			return err
		}
		err := each(&p)
		p.reset()
		return err
	}
	for rows.Next() {
		if err := p.add(rows); err != nil {
			return fmt.Errorf("read CDRs: %w", err)
		}
		if len(p.ends) == scanRows {
			if err := hand(); err != nil {
				return err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read CDRs: %w", err)
	}
	return hand()
}
