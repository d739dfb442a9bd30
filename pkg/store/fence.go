package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// fencedError says that other byeguards write for some nodes.
type fencedError struct{ nodes []string }

// Error names the nodes.
func (e *fencedError) Error() string {
	return "another byeguard has taken over node " + strings.Join(e.nodes, ", ")
}

const leasesOurs = `
select l.node from byeguard.leases l join unnest($2::text[], $3::bigint[]) as i (node, epoch) on l.node = i.node and l.epoch = i.epoch
where l.session = $1 for key share of l`

// fence checks, within the transaction, that the leases of all nodes that are
// written for are still ours, and keeps them so until it ends: whoever takes one
// waits for the lock, or has ended this connection.
func (w *writer) fence(ctx context.Context) error {
	session, nodes, epochs := w.s.roles.held()
	if len(nodes) == 0 {
		return nil
	}
	var names []string
	st, err := w.stmt(ctx, leasesOurs) //nolint:sqlclosecheck // kept with the connection
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, session, pq.Array(escapeAll(nodes)), pq.Array(epochs))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return err
		}
		names = append(names, Unescape(n))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	lost := &fencedError{}
	for _, n := range nodes {
		if !slices.Contains(names, n) {
			lost.nodes = append(lost.nodes, n)
		}
	}
	if len(lost.nodes) > 0 {
		return lost
	}
	return nil
}

// held returns what the writer must still hold to write.
func (r *roles) held() (session string, nodes []string, epochs []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, ro := range r.nodes {
		if ro.writes {
			nodes, epochs = append(nodes, n), append(epochs, ro.epoch)
		}
	}
	return r.session, nodes, epochs
}

// giveUp takes out of a batch what other byeguards write, and stops writing for
// their nodes. It tells whoever asked for it.
func (s *Store) giveUp(b *batch, lost *fencedError) {
	for _, n := range lost.nodes {
		s.StandBy(n)
	}
	all := true
	_, left, _ := s.roles.held()
	if len(left) > 0 {
		all = false
	}
	before := len(b.entries)
	b.entries = slices.DeleteFunc(b.entries, func(e *entry) bool { return slices.Contains(lost.nodes, e.node()) })
	for _, n := range lost.nodes {
		delete(b.nodes, n)
	}
	if all { // else the rows of several nodes are mixed: the other byeguard has its own as well
		b.chunks = nil
	}
	s.log.WithField("nodes", lost.nodes).WithField("calls", before-len(b.entries)).
		Warn("another byeguard acts: what it writes itself is not written here")
	if s.opts.Fenced != nil {
		s.opts.Fenced(lost.nodes)
	}
}

// node is whose lease an entry is written under.
func (en *entry) node() string {
	switch {
	case en.hasCall:
		return en.call.Node
	case len(en.incidents) > 0:
		return en.incidents[0].node
	case len(en.commands) > 0:
		return en.commands[0].Node
	}
	return ""
}

// noteBackend remembers the server's side of the writer's connection, for
// whoever may have to end it.
func (w *writer) noteBackend(ctx context.Context) error {
	var b backend
	err := w.conn.QueryRowContext(ctx, "select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()").Scan(&b.pid, &b.start)
	if err != nil {
		return fmt.Errorf("look up the own connection: %w", err)
	}
	w.s.backend.Store(&b)
	return nil
}
