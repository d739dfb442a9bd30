package lab

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mariadb is the throw-away MariaDB server of this process, made on first use.
var mariadb struct {
	sync.Mutex
	socket  string
	janitor *janitor // never dismissed
	err     error
}

var mariadbs atomic.Int64

// MariaDB returns the address (mysql://…) of a new empty MariaDB database. The
// server runs as the user that runs the test, on a Unix socket in a directory of
// its own, and dies with the process.
func MariaDB(tb TB) string {
	tb.Helper()
	ctx, cancel := startContext()
	defer cancel()
	mariadb.Lock()
	if mariadb.socket == "" && mariadb.err == nil {
		mariadb.socket, mariadb.err = startMariaDB(ctx)
	}
	socket, err := mariadb.socket, mariadb.err
	mariadb.Unlock()
	if err != nil {
		tb.Fatalf("start MariaDB: %v (it is in Debian's mariadb-server-core)", err)
	}
	name := "lab_" + strconv.FormatInt(mariadbs.Add(1), 10)
	if err := mariadbExec(ctx, socket, "create database "+name+" character set utf8mb4"); err != nil {
		tb.Fatalf("make MariaDB database: %v", err)
	}
	tb.Cleanup(func() {
		if err := mariadbExec(context.Background(), socket, "drop database "+name); err != nil {
			tb.Logf("drop MariaDB database: %v", err)
		}
	})
	return "mysql://root@/" + name + "?socket=" + url.QueryEscape(socket)
}

func startMariaDB(ctx context.Context) (socket string, err error) {
	server, install := findSbin("mariadbd"), findSbin("mariadb-install-db")
	if server == "" || install == "" {
		return "", errors.New("mariadbd or mariadb-install-db is not installed")
	}
	dir, err := tempDir("", "my")
	if err != nil {
		return "", err
	}
	me, err := user.Current()
	if err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	out, err := exec.CommandContext(ctx, install, "--no-defaults", "--user="+me.Username, "--datadir="+data,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	socket = filepath.Join(dir, "s")
	cmd := exec.Command(server, "--no-defaults", "--user="+me.Username, "--datadir="+data, "--socket="+socket, "--skip-networking",
		"--pid-file="+filepath.Join(dir, "pid"), "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M", "--skip-name-resolve")
	cmd.Stdout, cmd.Stderr = log, log
	proc, err := run(cmd, syscall.SIGKILL)
	if err != nil {
		return "", err
	}
	if mariadb.janitor, err = hireJanitor(proc.pid(), dir); err != nil {
		return "", err
	}
	for {
		if err = mariadbExec(ctx, socket, "select 1"); err == nil {
			return socket, nil
		}
		select {
		case <-proc.done:
			text, _ := os.ReadFile(log.Name())
			return "", fmt.Errorf("mariadbd ended: %w: %s", proc.err, text)
		case <-ctx.Done():
			return "", fmt.Errorf("mariadbd does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// findSbin finds a program that may be outside of a user's PATH.
func findSbin(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if path := filepath.Join("/usr/sbin", name); exec.Command(path, "--version").Run() == nil {
		return path
	}
	return ""
}

func mariadbExec(ctx context.Context, socket, query string) error {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = "root", "unix", socket
	c.Logger = &mysql.NopLogger{}
	db, err := sql.Open("mysql", c.FormatDSN())
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, query)
	return errors.Join(err, db.Close())
}
