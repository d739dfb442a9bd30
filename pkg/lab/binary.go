package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrNoKamailio says that there is no Kamailio to run.
var ErrNoKamailio = errors.New("no kamailio")

// Binary is one Kamailio on this machine.
type Binary struct {
	Path      string // of the program, inside Chroot if that is set
	ModuleDir string // -L; "" = as compiled in
	Chroot    string // a directory with a Debian of its own; "" = none
}

// String says where it is.
func (b Binary) String() string {
	if b.Chroot != "" {
		return b.Path + " in " + b.Chroot
	}
	return b.Path
}

// Version asks the program, "5.6.3" say.
func (b Binary) Version() (string, error) {
	out, err := b.command([]string{"-v"}).Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", b, err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	_, v, ok := strings.Cut(first, "kamailio ")
	if !ok {
		return "", fmt.Errorf("ask %s for its version: cannot read %q", b, first)
	}
	v, _, _ = strings.Cut(v, " ")
	return v, nil
}

// command builds a call of the program. A chroot needs root, or a kernel that
// lets everybody have a user namespace.
func (b Binary) command(args []string) *exec.Cmd {
	cmd := exec.Command(b.Path, args...)
	if b.Chroot == "" {
		return cmd
	}
	cmd.Path, cmd.Err = b.Path, nil // looked up outside, meant inside
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: b.Chroot}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}

// tempBase is where temporary files must be for the program to see them.
func (b Binary) tempBase() string {
	if b.Chroot == "" {
		return ""
	}
	return filepath.Join(b.Chroot, "tmp")
}

// inside is a path as the program sees it.
func (b Binary) inside(path string) string {
	if b.Chroot == "" {
		return path
	}
	rel, err := filepath.Rel(b.Chroot, path)
	if err != nil {
		return path
	}
	return "/" + rel
}

// InstalledKamailio is the machine's own, from PATH or /usr/sbin.
func InstalledKamailio() (Binary, error) {
	path, err := exec.LookPath("kamailio")
	if err != nil {
		path = "/usr/sbin/kamailio" // not in the PATH of normal users
		if _, err := os.Stat(path); err != nil {
			return Binary{}, fmt.Errorf("%w in PATH or /usr/sbin; apt-get install kamailio kamailio-postgres-modules kamailio-json-modules kamailio-extra-modules kamailio-utils-modules", ErrNoKamailio)
		}
	}
	return Binary{Path: path}, nil
}

// FindBinaries lists the Kamailios to test against: the installed one, that of
// the chroot directory in BYEGUARD_TRIXIE (default .cache/trixie below the
// module's root) when it is there, and the programs that BYEGUARD_KAMAILIO
// names, separated by colons, each optionally with "@" and its module
// directory.
func FindBinaries() ([]Binary, error) {
	var all []Binary
	if b, err := InstalledKamailio(); err == nil {
		all = append(all, b)
	}
	chroot := os.Getenv("BYEGUARD_TRIXIE")
	if chroot == "" {
		chroot = filepath.Join(moduleRoot(), ".cache", "trixie")
	}
	if abs, err := filepath.Abs(chroot); err == nil {
		chroot = abs
	}
	if _, err := os.Stat(filepath.Join(chroot, "usr/sbin/kamailio")); err == nil {
		all = append(all, Binary{Path: "/usr/sbin/kamailio", Chroot: chroot})
	}
	for _, item := range filepath.SplitList(os.Getenv("BYEGUARD_KAMAILIO")) {
		path, modules, _ := strings.Cut(item, "@")
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: BYEGUARD_KAMAILIO: %w", ErrNoKamailio, err)
		}
		all = append(all, Binary{Path: path, ModuleDir: modules})
	}
	if len(all) == 0 {
		_, err := InstalledKamailio()
		return nil, err
	}
	return all, nil
}

// Binaries is FindBinaries for tests.
func Binaries(tb TB) []Binary {
	tb.Helper()
	all, err := FindBinaries()
	if err != nil {
		tb.Fatalf("find kamailio: %v", err)
	}
	return all
}

// moduleRoot is the nearest directory above the working directory with a
// go.mod, "." when there is none.
func moduleRoot() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return "."
		}
		dir = filepath.Dir(dir)
	}
}
