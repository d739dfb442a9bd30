package accdb_test

import (
	"database/sql"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/accdb"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/lab"
)

// As Kamailio's own scripts make them (postgres and mysql acc-create.sql), with
// the column for --fix.
const (
	cdrsPostgres = `create table acc_cdrs (id serial primary key not null, start_time timestamp without time zone default '2000-01-01 00:00:01' not null,
end_time timestamp without time zone default '2000-01-01 00:00:01' not null, duration real default 0 not null, byeguard_run varchar(128));
create index acc_cdrs_start_time_idx on acc_cdrs (start_time)`
	cdrsMySQL = `create table acc_cdrs (id int unsigned auto_increment primary key not null, start_time datetime default '2000-01-01 00:00:00' not null,
end_time datetime default '2000-01-01 00:00:00' not null, duration float(10,3) default 0 not null, byeguard_run varchar(128))`
	acc = `create table acc (id ID, method varchar(16) default '' not null, from_tag varchar(128) default '' not null,
to_tag varchar(128) default '' not null, callid varchar(255) default '' not null, sip_code varchar(3) default '' not null,
sip_reason varchar(128) default '' not null, time TIME not null, src_user varchar(64), dst_user varchar(64))`
)

// server is one kind of database.
type server struct {
	name, url, cdrs, acc string
	exec                 func(query string)
}

func servers(t *testing.T) []server {
	t.Helper()
	exec := func(driver, dsn string) func(string) {
		return func(query string) {
			db, err := sql.Open(driver, dsn)
			require.NoError(t, err)
			for q := range strings.SplitSeq(query, ";\n") {
				_, err = db.ExecContext(t.Context(), q)
				require.NoError(t, err, q)
			}
			require.NoError(t, db.Close())
		}
	}
	pg, my := lab.Postgres(t), lab.MariaDB(t)
	u, err := url.Parse(my)
	require.NoError(t, err)
	return []server{
		{"postgres", pg, cdrsPostgres, strings.NewReplacer("ID", "serial primary key", "TIME", "timestamp").Replace(acc), exec("postgres", pg)},
		{"mariadb", my, cdrsMySQL, strings.NewReplacer("ID", "int auto_increment primary key", "TIME", "datetime").Replace(acc),
			exec("mysql", "root@unix("+u.Query().Get("socket")+")/"+strings.TrimPrefix(u.Path, "/"))},
	}
}

func read(t *testing.T, s server, m accdb.Map, since, until time.Time) (list []reconcile.Record) {
	t.Helper()
	db, err := accdb.Open(t.Context(), s.url, m)
	require.NoError(t, err)
	rows, err := db.Rows(t.Context(), since, until)
	require.NoError(t, err)
	for {
		var r reconcile.Record
		err := rows.Next(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		list = append(list, r)
	}
	require.NoError(t, rows.Close())
	require.NoError(t, db.Close())
	return list
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339Nano, s)
	require.NoError(t, err)
	return x
}

func TestCDRs(t *testing.T) {
	t.Parallel()
	for _, s := range servers(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.exec(s.cdrs)
			s.exec(`insert into acc_cdrs (start_time, end_time, duration) values
('2026-11-23 12:00:00', '2026-11-23 12:01:02', 62.125),
('2026-10-25 02:30:00', '2026-10-25 02:31:00', 60),
('2026-03-29 01:59:50', '2026-03-29 03:00:10', 20),
('2028-02-29 23:59:59', '2028-03-03 23:59:59', 259200.123),
('2026-11-22 23:59:59', '2026-11-22 23:59:59', 0)`)
			m := accdb.DefaultMap(accdb.KindCDRs)
			list := read(t, s, m, time.Time{}, time.Time{})
			require.Len(t, list, 5)
			require.Equal(t, at(t, "2026-11-23T12:00:00Z").UnixMicro(), list[3].Start)
			require.EqualValues(t, 62_125, list[3].DurationMS)
			require.Equal(t, "1", list[3].ID)
			require.InDelta(t, 259_200_123, list[4].DurationMS, 16, "REAL holds no more")
			require.Zero(t, list[2].DurationMS)

			m.Zone = "Europe/Berlin"
			list = read(t, s, m, time.Time{}, time.Time{})
			require.Equal(t, at(t, "2026-11-23T11:00:00Z").UnixMicro(), list[3].Start)
			// Summer time ends: 02:30 comes twice.
			require.Equal(t, at(t, "2026-10-25T00:30:00Z").UnixMicro(), list[1].Start)
			require.Equal(t, at(t, "2026-10-25T01:30:00Z").UnixMicro(), list[1].Alt)
			// And begins: from 01:59:50 to 03:00:10 it is 20 s.
			m.Columns.Duration = ""
			list = read(t, s, m, time.Time{}, time.Time{})
			require.EqualValues(t, 20_000, list[0].DurationMS)

			list = read(t, s, m, at(t, "2026-11-23T11:00:00Z"), at(t, "2026-11-23T11:00:01Z"))
			require.Len(t, list, 1)
		})
	}
}

func TestAcc(t *testing.T) {
	t.Parallel()
	for _, s := range servers(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.exec(s.acc)
			s.exec(`insert into acc (method, from_tag, to_tag, callid, sip_code, time, src_user, dst_user) values
('INVITE', 'a', 'b', 'x', '200', '2026-11-23 12:00:00', '03012345', '0049891234'),
('INVITE', 'b', 'a', 'x', '200', '2026-11-23 12:00:20', null, null),
('BYE', 'b', 'a', 'x', '200', '2026-11-23 12:01:00', null, null),
('INVITE', 'a', 'c', 'x', '200', '2026-11-23 12:00:02', '03012345', '0049891235'),
('INVITE', 'a', 'z', 'busy', '486', '2026-11-23 12:00:05', null, null),
('BYE', 'q', 'r', 'stray', '200', '2026-11-23 12:00:05', null, null)`)
			m, err := accdb.ParseMap([]byte("{kind: acc, columns: {from: src_user, to: dst_user}, numbers: {country: '49', trunk: '0'}}"))
			require.NoError(t, err)
			list := read(t, s, m, at(t, "2026-11-23T11:00:00Z"), at(t, "2026-11-23T13:00:00Z"))
			require.Len(t, list, 2)
			require.Equal(t, "x", list[0].CallID)
			require.EqualValues(t, 60_000, list[0].DurationMS)
			require.Equal(t, "+493012345", list[0].From)
			require.Equal(t, "+49891234", list[0].To)
			require.EqualValues(t, -1, list[1].DurationMS, "a fork's branch without a BYE")
		})
	}
}

func TestMendAndUndo(t *testing.T) {
	t.Parallel()
	for _, s := range servers(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.exec(s.cdrs)
			s.exec(`insert into acc_cdrs (start_time, end_time, duration) values ('2026-11-23 12:00:00', '2026-11-23 12:00:00', 0), ('2026-11-23 12:10:00', '2026-11-23 12:10:05', 5)`)
			m := accdb.DefaultMap(accdb.KindCDRs)
			m.Zone = "Europe/Berlin"
			before := read(t, s, m, time.Time{}, time.Time{})
			db, err := accdb.Open(t.Context(), s.url, m)
			require.NoError(t, err)
			defer db.Close()
			require.NoError(t, db.CanMend(t.Context()))
			start := at(t, "2026-11-23T11:00:00Z").UnixMicro()
			n, err := db.Mend(t.Context(), "run-1", []accdb.Mend{
				{ID: "1", Start: start, End: start + 62_500_000, DurationMS: 62_500},
				{ID: "2", Start: start, End: start, DurationMS: 1},
				{Start: start + 60_000_000, End: start + 90_000_000, DurationMS: 30_000},
			})
			require.NoError(t, err)
			require.Equal(t, accdb.Mended{Inserted: 1, Changed: 1, Skipped: 1}, n)
			after := read(t, s, m, time.Time{}, time.Time{})
			require.Len(t, after, 3)
			require.EqualValues(t, 62_500, after[0].DurationMS)
			require.EqualValues(t, 30_000, after[1].DurationMS)
			require.Equal(t, start+60_000_000, after[1].Start)

			_, err = db.Undo(t.Context(), "run-%")
			require.ErrorIs(t, err, accdb.ErrMend)
			n, err = db.Undo(t.Context(), "run-1")
			require.NoError(t, err)
			require.Equal(t, accdb.Mended{Inserted: 1, Changed: 1}, n)
			require.Equal(t, before, read(t, s, m, time.Time{}, time.Time{}))
			n, err = db.Undo(t.Context(), "run-1")
			require.NoError(t, err)
			require.Zero(t, n)
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, s := range servers(t) {
		s.exec("create table acc_cdrs (id int, start_time varchar(30), duration int)")
		_, err := accdb.Open(t.Context(), s.url, accdb.DefaultMap(accdb.KindCDRs))
		require.ErrorContains(t, err, "must hold a time")
		m := accdb.DefaultMap(accdb.KindCDRs)
		m.Table = "nowhere"
		_, err = accdb.Open(t.Context(), s.url, m)
		require.ErrorContains(t, err, "docs/reconcile.md")
		s.exec("create table bare (id int, start_time timestamp, end_time timestamp, duration int)")
		m.Table = "bare"
		db, err := accdb.Open(t.Context(), s.url, m)
		require.NoError(t, err)
		require.ErrorContains(t, db.CanMend(t.Context()), "alter table bare add byeguard_run varchar(128)")
		require.NoError(t, db.Close())
	}
	_, err := accdb.Open(t.Context(), "oracle://x", accdb.DefaultMap(accdb.KindCDRs))
	require.ErrorIs(t, err, accdb.ErrURL)
	for text, want := range map[string]string{
		"kind: x": "kind", "zone: Mars/Base": "zone", "begins: ringing": "begins", "colums: {}": "colums",
		"columns: {start: ''}": "start", "{kind: acc, columns: {call_id: ''}}": "call_id",
	} {
		_, err := accdb.ParseMap([]byte(text))
		require.ErrorContains(t, err, want)
	}
}
