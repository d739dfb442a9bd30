package lab

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// StartWithDialogs starts a Kamailio whose dialog table holds n answered calls
// between nobody: its dialog module reads them from the database. That takes
// seconds for 100,000, where placing them would take minutes. Of the i-th,
// callID makes the Call-ID; its tags are "from-i" and "to-i".
func StartWithDialogs(ctx context.Context, db *Database, opts KamailioOptions, n int, callID func(i int) string) (*Kamailio, error) {
	if opts.StartLimit == 0 {
		opts.StartLimit = 30*time.Second + time.Duration(n)*time.Millisecond
	}
	k, err := StartKamailio(ctx, opts) // the dialogs name its address, which is not known before
	if err != nil {
		return nil, err
	}
	err = k.Stop()
	if err == nil {
		err = storeDialogs(ctx, db, k.SIPAddr, n, callID)
	}
	if err == nil {
		err = k.appendConfig(`loadmodule "db_postgres.so"
modparam("dialog", "db_url", "` + db.KamailioURL + `")
modparam("dialog", "db_mode", 3)
modparam("dialog", "db_fetch_rows", 1000)
`)
	}
	if err == nil {
		err = k.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

func (k *Kamailio) appendConfig(text string) (err error) {
	f, err := os.OpenFile(filepath.Join(k.Dir, "kamailio.cfg"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write kamailio config: %w", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// storedTables are the dialog module's own (utils/kamctl/postgres), as far as
// starting needs them.
const storedTables = `
create table version (table_name varchar(32) primary key, table_version integer not null);
insert into version values ('dialog', 7), ('dialog_vars', 1);
create table dialog (id serial primary key, hash_entry integer not null, hash_id integer not null, callid varchar(255) not null,
  from_uri varchar(255) not null, from_tag varchar(128) not null, to_uri varchar(255) not null, to_tag varchar(128) not null,
  caller_cseq varchar(20) not null, callee_cseq varchar(20) not null, caller_route_set varchar(512), callee_route_set varchar(512),
  caller_contact varchar(255) not null, callee_contact varchar(255) not null, caller_sock varchar(64) not null,
  callee_sock varchar(64) not null, state integer not null, start_time integer not null, timeout integer default 0 not null,
  sflags integer default 0 not null, iflags integer default 0 not null, toroute_name varchar(32), req_uri varchar(255) not null,
  xdata varchar(512));
create table dialog_vars (id serial primary key, hash_entry integer not null, hash_id integer not null,
  dialog_key varchar(128) not null, dialog_value varchar(512) not null);`

// storeDialogs writes n answered calls for a Kamailio whose SIP address is addr
// and whose dialog table has the default size of 4096. Their time-outs grow, for
// the module's sorted list of them is searched from its end.
func storeDialogs(ctx context.Context, database *Database, addr string, n int, callID func(i int) string) (err error) {
	db, err := sql.Open("postgres", database.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, storedTables); err != nil {
		return fmt.Errorf("make kamailio's dialog tables: %w", err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	st, err := tx.PrepareContext(ctx, `copy dialog (hash_entry, hash_id, callid, from_uri, from_tag, to_uri, to_tag,
  caller_cseq, callee_cseq, caller_route_set, callee_route_set, caller_contact, callee_contact,
  caller_sock, callee_sock, state, start_time, timeout, sflags, iflags, req_uri) from stdin`)
	if err != nil {
		return err
	}
	defer st.Close()
	now, sock := time.Now().Unix(), "udp:"+addr
	for i := range n {
		id, no := callID(i), strconv.Itoa(i)
		if _, err := st.ExecContext(ctx, coreHash(id, 4096), i+1, id, "sip:alice"+no+"@example.net", "from-"+no,
			"sip:+49301234567@example.org", "to-"+no, "1", "0", "", "", "sip:alice"+no+"@192.0.2.77:5060;transport=udp",
			"sip:bob@198.51.100.20:5080", sock, sock, 4, now-int64(i%3600), now+12*3600+int64(i/1000), 0, 0, "sip:bob@198.51.100.20:5080"); err != nil {
			return fmt.Errorf("store dialog %d: %w", i, err)
		}
	}
	if _, err := st.ExecContext(ctx); err != nil {
		return fmt.Errorf("store dialogs: %w", err)
	}
	return tx.Commit()
}

// coreHash is Kamailio's core_hash of one string (core/hashes.h): the dialog
// module refuses rows that say otherwise.
func coreHash(s string, size uint32) int64 {
	var h, v uint32
	i := 0
	for ; i+4 <= len(s); i += 4 {
		v = uint32(int32(int8(s[i])))<<24 + uint32(int32(int8(s[i+1])))<<16 + uint32(int32(int8(s[i+2])))<<8 + uint32(int32(int8(s[i+3])))
		h += v ^ v>>3
	}
	for v = 0; i < len(s); i++ {
		v = v<<8 + uint32(int32(int8(s[i])))
	}
	h += v ^ v>>3
	h = (h + h>>11) + (h>>13 + h>>23)
	return int64(h & (size - 1))
}
