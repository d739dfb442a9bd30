package control_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/control"
)

func TestDirKeepsOpsInOrder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "control")
	d, err := control.OpenDir(path)
	require.NoError(t, err)
	first := control.NewOp(control.ActionSet, control.KindPause, "sbc1", "anna@noc", "look\r\nat\x00this")
	require.NotContains(t, first.Reason, "\n")
	second := control.NewOp(control.ActionClear, "", "", "anna@noc", "")
	second.At = first.At.Add(1)
	require.NoError(t, d.Put(second))
	require.NoError(t, d.Put(first))
	ops, err := d.List()
	require.NoError(t, err)
	require.Equal(t, []control.Op{first, second}, ops)
	require.NoError(t, d.Remove(first))
	require.NoError(t, d.Remove(first), "twice is once")
	ops, err = d.List()
	require.NoError(t, err)
	require.Equal(t, []control.Op{second}, ops)
	require.Error(t, d.Put(control.Op{Action: "?"}))
}

// TestDirByHand: `touch pause` is enough.
func TestDirByHand(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d, err := control.OpenDir(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(path, "pause"), []byte("carrier calls\nmore"), 0o600))
	ops, err := d.List()
	require.NoError(t, err)
	require.Len(t, ops, 1)
	require.Equal(t, control.ActionSet, ops[0].Action)
	require.Equal(t, control.AllNodes, ops[0].Node)
	require.Equal(t, "carrier calls", ops[0].Reason)
	require.NoError(t, d.Remove(ops[0]))
	require.NoFileExists(t, filepath.Join(path, "pause"))

	require.NoError(t, os.WriteFile(filepath.Join(path, "resume"), nil, 0o600))
	ops, err = d.List()
	require.NoError(t, err)
	require.Equal(t, control.ActionClear, ops[0].Action)
}

// TestDirWithRubbish: what cannot be read is told, and the rest counts.
func TestDirWithRubbish(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d, err := control.OpenDir(path)
	require.NoError(t, err)
	good := control.NewOp(control.ActionSet, control.KindPause, "", "anna@noc", "")
	require.NoError(t, d.Put(good))
	for name, text := range map[string]string{
		"0-half.op": `{"id":"x","action":`, "1-empty.op": "", "2-long.op": `{"id":"` + strings.Repeat("x", 5000) + `"}`,
		"3-nobody.op": `{"id":"x","action":"clear"}`, "other.txt": "", ".new-123": "{",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(path, "4-dir.op"), 0o700))
	require.NoError(t, os.Symlink("/dev/zero", filepath.Join(path, "5-link.op")))
	ops, err := d.List()
	require.Error(t, err)
	require.Equal(t, []control.Op{good}, ops)
}

func TestDirRemembersSwitches(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d, err := control.OpenDir(path)
	require.NoError(t, err)
	none, err := d.Recall()
	require.NoError(t, err)
	require.Empty(t, none)
	want := []control.Switch{pause("sbc1")}
	require.NoError(t, d.Remember(want))
	have, err := d.Recall()
	require.NoError(t, err)
	require.Equal(t, want, have)
	require.NoError(t, os.WriteFile(filepath.Join(path, "switches.json"), []byte("[{"), 0o600))
	_, err = d.Recall()
	require.Error(t, err)
}
