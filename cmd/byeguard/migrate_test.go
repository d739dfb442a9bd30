package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	b := newBench(t) // migrated
	require.Contains(t, b.print("migrate", "up"), "nothing to do")
	require.Regexp(t, `(?m)^ +1  00001_init.sql +yes +\d{4}-`, b.print("migrate", "status"))

	var all []struct {
		Version int64
		Name    string
		Applied bool
	}
	require.NoError(t, json.Unmarshal([]byte(b.print("migrate", "status", "-o", "json")), &all))
	require.NotEmpty(t, all)
	for i := len(all) - 1; i >= 0; i-- {
		require.True(t, all[i].Applied)
		require.Regexp(t, `^took back `+all[i].Name+` in `, b.print("migrate", "down", "--yes"), "the newest first")
	}
	require.Regexp(t, `(?m)^ +1  00001_init.sql +no$`, b.print("migrate", "status"))
	_, _, err := b.run("cdrs", "list")
	require.ErrorContains(t, err, "byeguard migrate up")
	require.Equal(t, exitError, exitCode(err))

	require.Contains(t, b.print("migrate", "down", "--yes"), "no migration is applied")
	require.Regexp(t, `^applied 00001_init.sql in `, b.print("migrate", "up"))
	_, _, err = b.run("cdrs", "list")
	require.NoError(t, err)
}
