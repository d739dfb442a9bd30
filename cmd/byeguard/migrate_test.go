package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	b := newBench(t) // migrated
	require.Contains(t, b.print("migrate", "up"), "nothing to do")
	require.Regexp(t, `(?m)^ +1  00001_init.sql  yes +\d{4}-`, b.print("migrate", "status"))

	require.Regexp(t, `^took back 00001_init.sql in `, b.print("migrate", "down", "--yes"))
	require.Regexp(t, `(?m)^ +1  00001_init.sql  no$`, b.print("migrate", "status"))
	require.JSONEq(t, `[{"version":1,"name":"00001_init.sql","applied":false,"applied_at":null}]`, b.print("migrate", "status", "-o", "json"))
	_, _, err := b.run("cdrs", "list")
	require.ErrorContains(t, err, "byeguard migrate up")
	require.Equal(t, exitError, exitCode(err))

	require.Contains(t, b.print("migrate", "down", "--yes"), "no migration is applied")
	require.Regexp(t, `^applied 00001_init.sql in `, b.print("migrate", "up"))
	_, _, err = b.run("cdrs", "list")
	require.NoError(t, err)
}
