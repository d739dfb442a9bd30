package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// What can be wrong with a database, for callers that treat them apart. The
// errors that Open returns say in one line what to do.
var (
	// ErrUnreachable: no server answers; it may come up later.
	ErrUnreachable = errors.New("cannot be reached")
	// ErrSchemaOld: the database needs `byeguard migrate up`.
	ErrSchemaOld = errors.New("schema is too old or missing")
	// ErrSchemaNew: a newer byeguard has migrated the database.
	ErrSchemaNew = errors.New("schema is newer than this byeguard")
	// ErrReadOnly: the server takes no writes.
	ErrReadOnly = errors.New("server is read-only")
)

// Open connects and checks that the schema is the one this byeguard knows.
// The password in the URL appears in no error and no log line.
func Open(ctx context.Context, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	db, conns, target, err := connect(ctx, &opts, opts.WriteTimeout+opts.ReadTimeout)
	if err != nil {
		return nil, err
	}
	if err := checkSchema(ctx, db.DB, target); err != nil {
		return nil, orAway(errors.Join(err, db.Close()))
	}
	quick, err := openQuick(&opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := newStore(db, quick, conns, target, opts)
	s.link.up()
	return s, nil
}

// quickSilence is the longest that the server may be silent to what must not
// wait: a frozen server must not keep a pause from being noticed.
const quickSilence = time.Second

// openQuick makes a pool that gives up soon. It does not connect yet.
func openQuick(opts *Options) (*sqlx.DB, error) {
	cfg, err := parseURL(opts.URL)
	if err != nil {
		return nil, err
	}
	cfg.ConnectTimeout = quickSilence
	connector, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to database %s: %w", describe(cfg), err)
	}
	connector.Dialer(dialer{silence: quickSilence, conns: &connSet{open: map[*patientConn]bool{}}})
	db := sqlx.NewDb(sql.OpenDB(connector), "postgres")
	db.SetMaxOpenConns(2)
	db.SetMaxIdleConns(2)
	return db, nil
}

// connect opens the pool and tries it; silence is the longest that the server
// may take to say anything, 0 = for ever.
func connect(ctx context.Context, opts *Options, silence time.Duration) (*sqlx.DB, *connSet, string, error) {
	db, conns, cfg, err := openPool(opts, silence)
	if err != nil {
		return nil, nil, "", err
	}
	target := describe(cfg)
	if err := tryOut(ctx, db.DB, cfg, target, opts.ReadOnly); err != nil {
		return nil, nil, "", errors.Join(err, db.Close())
	}
	return db, conns, target, nil
}

// openPool makes the pool. It does not connect yet.
func openPool(opts *Options, silence time.Duration) (*sqlx.DB, *connSet, pq.Config, error) {
	if err := opts.Validate(); err != nil {
		return nil, nil, pq.Config{}, err
	}
	cfg, err := parseURL(opts.URL)
	if err != nil {
		return nil, nil, cfg, err
	}
	connector, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, nil, cfg, fmt.Errorf("connect to database %s: %w", describe(cfg), err)
	}
	conns := &connSet{open: map[*patientConn]bool{}}
	connector.Dialer(dialer{silence: silence, conns: conns})
	db := sqlx.NewDb(sql.OpenDB(connector), "postgres")
	db.SetMaxOpenConns(opts.MaxConns)
	db.SetMaxIdleConns(opts.MaxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, conns, cfg, nil
}

// IsAway says whether an error of a query means that PostgreSQL cannot be used now:
// nobody answers, or the server comes up, goes down or has no room.
func IsAway(err error) bool {
	if err == nil {
		return false
	}
	pe, ok := errors.AsType[*pq.Error](err)
	if !ok { // not the server's word
		_, network := errors.AsType[net.Error](err)
		return network || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	switch pe.Code.Class() {
	case "08", "53", "57":
		return pe.Code != pqerror.QueryCanceled
	}
	return false
}

func parseURL(text string) (pq.Config, error) {
	cfg, err := pq.NewConfig(text)
	if err != nil {
		// The parser quotes what it could not read, password and all.
		var bad *url.Error
		if errors.As(err, &bad) || strings.Contains(text, "@") || strings.Contains(text, "password") {
			return pq.Config{}, errors.New("database URL cannot be parsed: write it like postgres://user:password@host:5432/database?sslmode=disable, special characters in the password as %XX")
		}
		return pq.Config{}, fmt.Errorf("parse database URL: %w", err)
	}
	if !strings.Contains(text, "sslmode") && os.Getenv("PGSSLMODE") == "" {
		cfg.SSLMode = pq.SSLModePrefer
	}
	// Arrays go to the server in binary: see array.go.
	cfg.BinaryParameters = true
	if cfg.ApplicationName == "" {
		cfg.ApplicationName = "byeguard"
	}
	if cfg.Runtime == nil {
		cfg.Runtime = map[string]string{}
	}
	cfg.Runtime["timezone"] = "UTC"
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	return cfg, nil
}

// describe names the database for people, without the password.
func describe(cfg pq.Config) string {
	db := cfg.Database
	if db == "" {
		db = cfg.User
	}
	if strings.HasPrefix(cfg.Host, "/") {
		return fmt.Sprintf("%s on socket %s (port %d)", db, cfg.Host, cfg.Port)
	}
	return fmt.Sprintf("%s on %s", db, net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
}

func tryOut(ctx context.Context, db *sql.DB, cfg pq.Config, target string, readOnly bool) error {
	var ro bool
	err := db.QueryRowContext(ctx, "select current_setting('transaction_read_only')::bool or pg_is_in_recovery()").Scan(&ro)
	if err != nil {
		return explain(err, cfg, target)
	}
	if ro && !readOnly {
		return fmt.Errorf("database %s: %w: give the address of the primary server", target, ErrReadOnly)
	}
	return nil
}

// explain turns a failed connection into one line that says what to do.
func explain(err error, cfg pq.Config, target string) error {
	var pe *pq.Error
	if errors.As(err, &pe) {
		switch pe.Code {
		case pqerror.InvalidPassword:
			return fmt.Errorf("database %s refuses user %q: wrong or missing password", target, cfg.User)
		case pqerror.InvalidAuthorizationSpecification:
			return fmt.Errorf("database %s refuses user %q: %s", target, cfg.User, pe.Message)
		case pqerror.InvalidCatalogName:
			return fmt.Errorf("database %s does not exist: make it with `createdb %s`, then `byeguard migrate up`", target, cfg.Database)
		case pqerror.CannotConnectNow, pqerror.TooManyConnections, pqerror.AdminShutdown, pqerror.CrashShutdown:
			return fmt.Errorf("database %s %w now: %s", target, ErrUnreachable, pe.Message)
		}
		return fmt.Errorf("connect to database %s: %s", target, pe.Message)
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("connect to database %s: %w", target, err)
	}
	if errors.Is(err, pq.ErrSSLNotSupported) {
		return fmt.Errorf("database %s offers no TLS: add sslmode=disable to the URL if that is meant", target)
	}
	return fmt.Errorf("database %s %w: %w: is PostgreSQL running, and are host and port right?", target, ErrUnreachable, err)
}
