package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// link says whether PostgreSQL was found fit to be used: reached, writable, with
// the schema that this byeguard knows.
type link struct {
	mu   sync.Mutex
	why  error         // why not yet
	once chan struct{} // closed when it is fit
}

var errNotTried = errors.New("not connected to PostgreSQL yet")

func (l *link) init() { l.once, l.why = make(chan struct{}), errNotTried }

func (l *link) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		l.why = nil
		close(l.once)
	}
}

func (l *link) set(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		l.why = why
	}
}

func (l *link) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// OpenLater returns a store for a PostgreSQL that is away. What is Put waits, in
// memory and in Options.Spill, until Connect has succeeded once.
func OpenLater(opts Options) (*Store, error) {
	opts = opts.withDefaults()
	db, conns, cfg, err := openPool(&opts, opts.WriteTimeout+opts.ReadTimeout)
	if err != nil {
		return nil, err
	}
	quick, err := openQuick(&opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return newStore(db, quick, conns, describe(cfg), opts), nil
}

// Connect tries once to reach the PostgreSQL of a store made by OpenLater, and
// brings its schema up to date if it may. The errors are Open's. After a
// success it does nothing.
func (s *Store) Connect(ctx context.Context, migrate bool) error {
	if s.Ready() == nil {
		return nil
	}
	err := s.connectOnce(ctx, migrate)
	if err != nil {
		s.link.set(err)
		return err
	}
	s.link.up()
	return nil
}

func (s *Store) connectOnce(ctx context.Context, migrate bool) error {
	cfg, err := parseURL(s.opts.URL)
	if err != nil {
		return err
	}
	if err := tryOut(ctx, s.quick.DB, cfg, s.target, s.opts.ReadOnly); err != nil {
		return err
	}
	if migrate {
		if err := Migrate(ctx, s.opts); err != nil {
			return err
		}
	}
	return checkSchema(ctx, s.quick.DB, s.target)
}

// Ready says why PostgreSQL was not found fit to be used since the store was
// opened, nil if it was. It may have gone away since: see Stats.
func (s *Store) Ready() error { return s.link.err() }

// fit is what the writer asks before it writes.
func (s *Store) fit() error {
	if err := s.Ready(); err != nil {
		return err
	}
	if nodes := s.roles.undecided(); len(nodes) > 0 {
		return fmt.Errorf("the lease of node %s was not looked at yet", nodes[0])
	}
	return nil
}
