package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// initdb makes dataDir. It works beside it and renames at the end, so that a
// process killed half way leaves no half-made cluster to be opened later.
func (c *Cluster) initdb(ctx context.Context) error {
	fresh := c.dataDir() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear an unfinished cluster: %w", err)
	}
	args := []string{
		"-D", fresh, "-U", superuser, "-E", "UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=reject", "--no-instructions",
	}
	if c.opts.Throwaway {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.opts.BinDir, "initdb"), args...)
	cmd.Dir = c.opts.Dir
	cmd.Env = cleanEnv()
	c.account.become(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("create postgresql cluster in %s: %w: %s", c.opts.Dir, err, lastLines(string(out), 5))
	}
	if len(c.opts.HBA) > 0 {
		// Ours go first: the first line that matches decides.
		file := filepath.Join(fresh, "pg_hba.conf")
		old, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read access rules: %w", err)
		}
		text := strings.Join(c.opts.HBA, "\n") + "\n" + string(old)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write access rules: %w", err)
		}
	}
	if err := os.Rename(fresh, c.dataDir()); err != nil {
		return fmt.Errorf("finish postgresql cluster: %w", err)
	}
	return nil
}

// madeBy returns the major version that made the data directory, "" when
// there is none yet.
func madeBy(dataDir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dataDir, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read version of postgresql cluster: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// cleanEnv is the environment without PostgreSQL's own variables: a PGDATA or
// PGPORT of the operator's shell is meant for another server.
func cleanEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "LC_") && !strings.HasPrefix(kv, "LANG") {
			env = append(env, kv)
		}
	}
	return env
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, " | ")
}
