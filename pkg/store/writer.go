package store

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"unsafe"

	"github.com/byeguard/byeguard/pkg/call"
)

// ErrStopped says that Run has ended.
var ErrStopped = errors.New("store has stopped")

// cdrLock is the advisory lock under which CDRs are written: it makes "one CDR
// a call" hold across days and writers, see writeCDRs.
const cdrLock int64 = 0x6279656775617201

// writer owns the one connection that writes. It belongs to Run's goroutine.
type writer struct {
	s     *Store
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	xid   string // the transaction of this moment
	doubt string // a transaction whose commit was not answered

	cdrs, dialogs, ended, incidents, opened, closed columns // one set a statement, to keep their memory

	marked  bool   // covered is known
	covered uint64 // journal position up to which an earlier run's evidence is stored

	blob     bytes.Buffer
	accepted map[call.Key]int64 // calls whose state was news: where their record is filed
	filedAt  map[call.Key]int64 // the same of all live calls, from earlier transactions; Unix µs
}

// session makes plans that stay right while tables grow: they are made once,
// maybe on empty tables. The statements find rows by key = any(keys), which
// leaves an index scan alone, and match them with the new values by a hash
// join, since a nested loop might go round the wrong way.
const session = `set enable_seqscan = off; set enable_bitmapscan = off; set enable_nestloop = off;
set enable_mergejoin = off; set jit = off; set plan_cache_mode = force_generic_plan;
set lock_timeout = '10s'; set client_min_messages = warning; set statement_timeout = `

func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.s.db.Conn(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, session+fmt.Sprint(w.s.opts.WriteTimeout.Milliseconds())); err != nil {
		discard(conn)
		return err
	}
	w.conn, w.stmts = conn, map[string]*sql.Stmt{}
	if !w.marked && w.s.opts.Journal != "" {
		if w.covered, err = w.s.StoredUpto(ctx, w.s.opts.Journal); err != nil {
			w.disconnect()
			return err
		}
		w.marked = true
	}
	if err := w.noteBackend(ctx); err != nil {
		w.disconnect()
		return err
	}
	return nil
}

// disconnect throws the connection away: after an error its state is not known.
func (w *writer) disconnect() {
	if w.conn != nil {
		discard(w.conn)
		w.conn, w.stmts = nil, nil
	}
}

// discard closes the connection itself instead of handing it back to the pool.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}

// stmt returns the prepared statement; the connection keeps it.
func (w *writer) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := w.stmts[query]; st != nil {
		return st, nil
	}
	st, err := w.conn.PrepareContext(ctx, query)
	if err == nil {
		w.stmts[query] = st
	}
	return st, err
}

func (w *writer) exec(ctx context.Context, query string, args ...any) error {
	st, err := w.stmt(ctx, query) //nolint:sqlclosecheck // kept with the connection
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx, args...)
	return err
}

// write commits the batch. An error means that nothing of it is stored.
func (w *writer) write(ctx context.Context, b *batch) error {
	if err := w.s.fit(); err != nil {
		return err
	}
	if err := w.connect(ctx); err != nil {
		return err
	}
	if b.upto > 0 && b.upto <= w.covered {
		// Of an earlier run, which was killed after the commit. All else is the same
		// when it is written again.
		b.chunks = nil
	}
	if w.doubt != "" {
		stored, err := w.settle(ctx)
		if err != nil || stored {
			return err
		}
	}
	if err := w.transaction(ctx, b); err != nil {
		if lost, ok := errors.AsType[*fencedError](err); !isPoison(err) && !ok {
			w.disconnect()
			return err
		} else if ok {
			w.s.giveUp(b, lost)
		}
		if _, rollback := w.conn.ExecContext(ctx, "rollback"); rollback != nil {
			w.disconnect()
		}
		return err
	}
	w.remember(b.entries)
	return nil
}

// settle finds out what became of a commit that was not answered, so that a
// retry does not store its evidence twice.
func (w *writer) settle(ctx context.Context) (stored bool, err error) {
	var status sql.NullString
	if err := w.conn.QueryRowContext(ctx, "select pg_xact_status($1::xid8)", w.doubt).Scan(&status); err != nil {
		if isPoison(err) { // an id that this server never gave: another server
			w.doubt = ""
			return false, nil
		}
		w.disconnect()
		return false, err
	}
	if status.String == "in progress" {
		return false, errors.New("the transaction before is not over yet")
	}
	w.doubt = ""
	return status.String == "committed", nil
}

func (w *writer) transaction(ctx context.Context, b *batch) error {
	// Read committed: after the wait for cdrLock the next statement must see
	// what the one before us wrote.
	if _, err := w.conn.ExecContext(ctx, "begin isolation level read committed"); err != nil {
		return err
	}
	if err := w.fence(ctx); err != nil {
		return err
	}
	if err := w.copyEvidence(ctx, b.chunks); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	id := "select pg_current_xact_id()::text"
	if len(b.entries) > 0 {
		id = fmt.Sprintf("select pg_current_xact_id()::text from pg_advisory_xact_lock(%d)", cdrLock)
	}
	if err := w.conn.QueryRowContext(ctx, id).Scan(&w.xid); err != nil {
		return fmt.Errorf("lock CDRs: %w", err)
	}
	for _, step := range [...]struct {
		what  string
		write func(context.Context, []*entry) error
	}{
		{"CDRs", w.writeCDRs},
		{"dialogs", w.writeDialogs},
		{"ended dialogs", w.deleteDialogs},
		{"incidents", w.writeIncidents},
		{"new commands", w.openCommands},
		{"command results", w.closeCommands},
	} {
		if err := step.write(ctx, b.entries); err != nil {
			return fmt.Errorf("write %s: %w", step.what, err)
		}
	}
	if err := w.writeNodes(ctx, b.nodes); err != nil {
		return fmt.Errorf("write nodes: %w", err)
	}
	if err := w.mark(ctx, b.upto); err != nil {
		return fmt.Errorf("write journal position: %w", err)
	}
	if _, err := w.conn.ExecContext(ctx, "commit"); err != nil {
		w.doubt = w.xid
		w.disconnect()
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// copyEvidence sends rows that are in COPY's text format already.
func (w *writer) copyEvidence(ctx context.Context, chunks []chunk) error {
	if len(chunks) == 0 {
		return nil
	}
	return w.conn.Raw(func(dc any) error {
		st, err := dc.(driver.Conn).Prepare(copyEvents)
		if err != nil {
			return err
		}
		in, ok := st.(interface {
			CopyData(context.Context, string) (driver.Result, error)
		})
		if !ok {
			return errors.New("lib/pq has no CopyData")
		}
		for i := range chunks {
			b := chunks[i].buf
			b = b[:len(b)-1]                                                                       // CopyData ends the line itself
			if _, err = in.CopyData(ctx, unsafe.String(unsafe.SliceData(b), len(b))); err != nil { //nolint:gosec // read only, and b lives on
				break
			}
		}
		// Close sends the rest and waits for the verdict.
		if closed := st.Close(); err == nil {
			err = closed
		}
		return err
	})
}
