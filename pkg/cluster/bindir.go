package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// ErrNoServer says that the machine has no usable PostgreSQL server binaries.
var ErrNoServer = errors.New("no postgresql server binaries")

// debianBinDirs is where Debian and Ubuntu put them, a directory a version.
const debianBinDirs = "/usr/lib/postgresql/*/bin"

// FindBinDir returns the directory with initdb and postgres. With major, say
// "15", only that major version will do, because a data directory can be
// opened by the version that made it alone; "" takes the newest.
func FindBinDir(major string) (string, error) {
	var seen []string
	for _, dir := range candidates() {
		v, err := majorVersion(dir)
		if err != nil {
			continue
		}
		if major == "" || v == major {
			return dir, nil
		}
		seen = append(seen, v+" in "+dir)
	}
	if len(seen) > 0 {
		return "", fmt.Errorf("%w of version %s, which made the data directory (found %s); install the Debian package postgresql-%s, or migrate with pg_upgrade",
			ErrNoServer, major, strings.Join(seen, ", "), major)
	}
	return "", fmt.Errorf("%w: neither in PATH nor in %s; install the Debian package postgresql (apt-get install postgresql), or set database_url to use a server elsewhere",
		ErrNoServer, debianBinDirs)
}

// candidates lists directories that hold both binaries, best first.
func candidates() []string {
	var dirs []string
	if p, err := exec.LookPath("initdb"); err == nil {
		if resolved, err := filepath.EvalSymlinks(p); err == nil {
			p = resolved
		}
		dirs = append(dirs, filepath.Dir(p))
	}
	found, err := filepath.Glob(debianBinDirs)
	if err == nil { // the pattern is ours and well formed
		sort.Slice(found, func(i, j int) bool { return debianVersion(found[i]) > debianVersion(found[j]) })
		dirs = append(dirs, found...)
	}
	out := dirs[:0]
	for _, dir := range dirs {
		if executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres")) {
			out = append(out, dir)
		}
	}
	return out
}

// debianVersion reads 15 out of /usr/lib/postgresql/15/bin, and 9.6 as 9.
func debianVersion(binDir string) int {
	name, _, _ := strings.Cut(filepath.Base(filepath.Dir(binDir)), ".")
	n, err := strconv.Atoi(name)
	if err != nil {
		return 0
	}
	return n
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}

// majorVersion asks the server binary: "postgres (PostgreSQL) 15.20 (Debian …)".
func majorVersion(binDir string) (string, error) {
	out, err := exec.Command(filepath.Join(binDir, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", binDir, err)
	}
	_, v, ok := strings.Cut(string(out), ") ")
	if !ok {
		return "", fmt.Errorf("ask %s for its version: cannot read %q", binDir, out)
	}
	end := strings.IndexFunc(v, func(r rune) bool { return r < '0' || r > '9' }) // "15.20", "18beta1"
	if end <= 0 {
		return "", fmt.Errorf("ask %s for its version: cannot read %q", binDir, out)
	}
	return v[:end], nil
}
