package cluster

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/sirupsen/logrus"
)

// Options say where a private cluster lives and how it runs. Only Dir is
// needed.
type Options struct {
	// Dir is the cluster's own directory: data/, run/ (the socket) and
	// postgres.log are made in it. It is created when missing, with mode 0700.
	Dir string
	// BinDir holds initdb and postgres; "" = look in PATH and then in
	// /usr/lib/postgresql/*/bin, newest first.
	BinDir string
	// User is the operating system's user that runs the server when the caller
	// is root (PostgreSQL refuses root); default "postgres". Not used when the
	// caller is not root.
	User string
	// Database is created when missing; default "byeguard".
	Database string
	// Settings are added to the server's, as postgresql.conf has them. They
	// win over the package's own.
	Settings map[string]string
	// HBA are lines added to pg_hba.conf when the cluster is made. Without
	// them only the local socket is let in.
	HBA []string
	// Throwaway gives up all durability (no fsync anywhere), for tests.
	Throwaway bool
	// StartTimeout bounds initdb and the start of the server; default 60 s.
	// Crash recovery counts into it.
	StartTimeout time.Duration
	// Spawn starts the server process; nil = (*exec.Cmd).Start. Tests put a
	// starter here that ties the server's life to the test's.
	Spawn func(*exec.Cmd) error
	// Logger gets what happens to the cluster; nil = nothing is logged. The
	// server's own log is in Dir/postgres.log.
	Logger logrus.FieldLogger
}

// plainName is what PostgreSQL takes as a parameter name on its command line.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// Validate says what is wrong with the options, in words for an operator.
func (o Options) Validate() error {
	if o.Dir == "" {
		return errors.New("start private postgresql: no directory given; set data_dir")
	}
	for name := range o.Settings {
		if !plainName.MatchString(name) {
			return fmt.Errorf("start private postgresql: %q is not the name of a postgresql setting", name)
		}
	}
	return nil
}

// withDefaults returns the options with every zero value replaced, and Dir
// made absolute.
func (o Options) withDefaults() (Options, error) {
	if err := o.Validate(); err != nil {
		return o, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("find directory %s: %w", o.Dir, err)
	}
	o.Dir = dir
	if o.User == "" {
		o.User = "postgres"
	}
	if o.Database == "" {
		o.Database = "byeguard"
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = time.Minute
	}
	if o.Spawn == nil {
		o.Spawn = (*exec.Cmd).Start
	}
	if o.Logger == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Logger = quiet
	}
	return o, nil
}
