package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"

	migrations "github.com/byeguard/byeguard/sql"
)

// schemaTable is where goose keeps what it has applied.
const schemaTable = "byeguard.schema_version"

// migrateLock is the advisory lock of whoever migrates: two daemons that start
// together wait for each other.
const migrateLock int64 = 0x6279656775617264 // "byeguard"

// Migration is one step of the schema.
type Migration struct {
	Version   int64
	Name      string
	Applied   bool
	AppliedAt time.Time     // zero: not applied
	Took      time.Duration // set by Up and Down
}

// Migrator changes the schema. It needs a role that may create a schema.
type Migrator struct {
	db     *sqlx.DB
	goose  *goose.Provider
	target string
}

// OpenMigrator connects without regard to the schema that is there.
func OpenMigrator(ctx context.Context, opts Options) (*Migrator, error) {
	opts = opts.withDefaults()
	db, _, target, err := connect(ctx, &opts, 0)
	if err != nil {
		return nil, err
	}
	p, err := provider(db.DB)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Migrator{db: db, goose: p, target: target}, nil
}

// Migrate brings the database at opts.URL up to date: what Up does, for
// callers that need no more.
func Migrate(ctx context.Context, opts Options) error {
	m, err := OpenMigrator(ctx, opts)
	if err != nil {
		return err
	}
	_, err = m.Up(ctx)
	return orAway(errors.Join(err, m.Close()))
}

// Close closes the connections.
func (m *Migrator) Close() error { return m.db.Close() }

// Up applies what is missing and returns it; nothing missing is no error.
func (m *Migrator) Up(ctx context.Context) ([]Migration, error) {
	var done []Migration
	err := m.locked(ctx, func() error {
		res, err := m.goose.Up(ctx)
		for _, r := range res {
			done = append(done, Migration{Version: r.Source.Version, Name: r.Source.Path, Applied: true, Took: r.Duration})
		}
		return err
	})
	if err != nil {
		return done, fmt.Errorf("migrate database %s up: %w", m.target, err)
	}
	return done, nil
}

// Down takes back the newest migration, with all data in what it made. It
// returns nil if none is applied.
func (m *Migrator) Down(ctx context.Context) (*Migration, error) {
	var done *Migration
	err := m.locked(ctx, func() error {
		r, err := m.goose.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil
		}
		if err == nil {
			done = &Migration{Version: r.Source.Version, Name: r.Source.Path, Took: r.Duration}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("migrate database %s down: %w", m.target, err)
	}
	return done, nil
}

// Status returns all migrations, oldest first. It changes nothing.
func (m *Migrator) Status(ctx context.Context) ([]Migration, error) {
	var rows []struct {
		Version int64     `db:"version_id"`
		At      time.Time `db:"tstamp"`
	}
	err := m.db.SelectContext(ctx, &rows, "select version_id, tstamp from "+schemaTable+" where is_applied")
	if err != nil && !isUndefined(err) {
		return nil, fmt.Errorf("read schema version of database %s: %w", m.target, err)
	}
	applied := map[int64]time.Time{}
	for _, r := range rows {
		applied[r.Version] = r.At
	}
	var all []Migration
	for _, s := range m.goose.ListSources() {
		at, ok := applied[s.Version]
		all = append(all, Migration{Version: s.Version, Name: s.Path, Applied: ok, AppliedAt: at})
	}
	return all, nil
}

// locked runs f while no other byeguard migrates, with the schema in place.
func (m *Migrator) locked(ctx context.Context, f func() error) error {
	conn, err := m.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // ending the session frees the lock, too
	if _, err := conn.ExecContext(ctx, "select pg_advisory_lock($1)", migrateLock); err != nil {
		return fmt.Errorf("wait for another migration: %w", err)
	}
	_, err = conn.ExecContext(ctx, "create schema if not exists byeguard")
	if err == nil {
		err = f()
	}
	_, unlock := conn.ExecContext(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", migrateLock)
	return errors.Join(err, unlock)
}

func provider(db *sql.DB) (*goose.Provider, error) {
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS,
		goose.WithTableName(schemaTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read embedded migrations: %w", err)
	}
	return p, nil
}

// newest is the schema version that this byeguard was built for.
func newest(db *sql.DB) (int64, error) {
	p, err := provider(db)
	if err != nil {
		return 0, err
	}
	s := p.ListSources()
	return s[len(s)-1].Version, nil
}

func checkSchema(ctx context.Context, db *sql.DB, target string) error {
	want, err := newest(db)
	if err != nil {
		return err
	}
	var have int64
	err = db.QueryRowContext(ctx, "select coalesce(max(version_id), 0) from "+schemaTable+" where is_applied").Scan(&have)
	switch {
	case isUndefined(err):
		have = 0
	case err != nil:
		return fmt.Errorf("read schema version of database %s: %w", target, err)
	}
	switch {
	case have < want:
		return fmt.Errorf("database %s: %w (version %d, needed %d): run `byeguard migrate up`", target, ErrSchemaOld, have, want)
	case have > want:
		return fmt.Errorf("database %s: %w (version %d, known %d): upgrade byeguard, or run the newer one's `byeguard migrate down`", target, ErrSchemaNew, have, want)
	}
	return nil
}
