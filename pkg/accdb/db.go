package accdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/lib/pq" // the driver
)

// ErrURL says that a database's address is not understood.
var ErrURL = errors.New("database address")

// DB is the database that Kamailio's acc module writes to.
type DB struct {
	db    *sql.DB
	mysql bool
	m     Map
	real  bool // the table's times have a zone
}

// Open connects. url is postgres://… or mysql://user:password@host:port/name;
// mysql://user@/name?socket=PATH is a Unix socket.
func Open(ctx context.Context, address string, m Map) (*DB, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	d := &DB{m: m}
	driver, dsn := "postgres", address
	switch scheme, _, _ := strings.Cut(address, "://"); scheme {
	case "postgres", "postgresql":
	case "mysql", "mariadb":
		var err error
		if dsn, err = mysqlDSN(address); err != nil {
			return nil, err
		}
		driver, d.mysql = "mysql", true
	default:
		return nil, fmt.Errorf("%w: use postgres://user:password@host/name or mysql://user:password@host/name", ErrURL)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	d.db = db
	if err := d.look(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// mysqlDSN puts a URL into the driver's own form. Times of the type TIMESTAMP come
// in UTC, and text as bytes.
func mysqlDSN(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("%w: not a URL", ErrURL) // the error would show the password
	}
	c := mysql.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName = strings.TrimPrefix(u.Path, "/")
	c.Net, c.Addr = "tcp", u.Host
	if u.Port() == "" {
		c.Addr = u.Hostname() + ":3306"
	}
	if socket := u.Query().Get("socket"); socket != "" {
		c.Net, c.Addr = "unix", socket
	}
	c.Timeout = 10 * time.Second
	c.Params = map[string]string{"time_zone": "'+00:00'"}
	return c.FormatDSN(), nil
}

// look finds out whether the table is as the mapping says.
func (d *DB) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	rows, err := d.db.QueryContext(ctx, "select "+d.name(d.m.Columns.Start)+" from "+d.table()+" where 1 = 0") //nolint:gosec // names are quoted
	if err != nil {
		return fmt.Errorf("look at table %s: %w (its name and columns can be mapped, see docs/reconcile.md)", d.m.Table, err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return fmt.Errorf("look at table %s: %w", d.m.Table, err)
	}
	switch t := types[0].DatabaseTypeName(); {
	case d.mysql && t == "TIMESTAMP", !d.mysql && t == "TIMESTAMPTZ":
		d.real = true
	case d.mysql && t == "DATETIME", !d.mysql && t == "TIMESTAMP":
	default:
		return fmt.Errorf("%w: column %s is %s; it must hold a time", ErrMap, d.m.Columns.Start, t)
	}
	return rows.Err()
}

// Close ends the connections.
func (d *DB) Close() error { return d.db.Close() }

// Map returns the mapping.
func (d *DB) Map() *Map { return &d.m }

// name quotes a column.
func (d *DB) name(s string) string {
	if d.mysql {
		return "`" + strings.ReplaceAll(s, "`", "``") + "`"
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// table quotes the table, with its schema if it has one.
func (d *DB) table() string {
	parts := strings.Split(d.m.Table, ".")
	for i := range parts {
		parts[i] = d.name(parts[i])
	}
	return strings.Join(parts, ".")
}

// micros is a time as µs since 1970 as the table shows it.
func (d *DB) micros(expr string) string {
	if d.mysql {
		return "timestampdiff(microsecond, '1970-01-01', " + expr + ")"
	}
	return "(extract(epoch from " + expr + ") * 1000000)::bigint"
}

// millis is a number of seconds in ms.
func (d *DB) millis(expr string) string {
	if d.mysql {
		return "cast(round(" + expr + " * 1000) as signed)"
	}
	return "round(" + expr + "::float8 * 1000)::bigint"
}

// param is the nth parameter.
func (d *DB) param(n int) string {
	if d.mysql {
		return "?"
	}
	return fmt.Sprintf("$%d", n)
}

// text makes any column text.
func (d *DB) text(expr string) string {
	if d.mysql {
		return "cast(" + expr + " as char)"
	}
	return expr + "::text"
}
