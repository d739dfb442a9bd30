package app_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "byeguard.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

const good = `
database_url: postgres://u@localhost/byeguard
grace: 300ms
cseq_step: 50
mode: observe
nodes:
  - {name: kam1, evapi: "127.0.0.1:8448", jsonrpc: "http://127.0.0.1:8080/RPC", log_file: /var/log/kamailio.log}
  - {name: kam2, evapi: "[::1]:8448", jsonrpc: "http://[::1]:8080/RPC"}
`

func TestLoadConfig(t *testing.T) {
	t.Parallel()
	cfg, err := app.LoadConfig(write(t, good), []string{"BYEGUARD_GRACE=400ms", "BYEGUARD_LOG_LEVEL=debug", "BYEGUARD_TEST_ONLY=x", "PATH=/bin"},
		map[string]any{"log_level": "error"})
	require.NoError(t, err)
	require.NoError(t, cfg.Validate())
	require.Equal(t, 400*time.Millisecond, cfg.Grace, "environment over file")
	require.Equal(t, "error", cfg.LogLevel, "flag over environment")
	require.Equal(t, uint32(50), cfg.CSeqStep)
	require.Equal(t, "observe", cfg.Mode)
	require.Len(t, cfg.Nodes, 2)
	require.Equal(t, "/var/log/kamailio.log", cfg.Nodes[0].LogFile)
	require.Equal(t, "[::1]:8448", cfg.Nodes[1].Evapi)
}

func TestLoadConfigWithoutFile(t *testing.T) {
	t.Parallel()
	cfg, err := app.LoadConfig("", []string{"BYEGUARD_NODES=a=127.0.0.1:1,http://127.0.0.1:2/RPC;b=127.0.0.1:3,http://127.0.0.1:4/RPC"}, nil)
	require.NoError(t, err)
	require.NoError(t, cfg.Validate())
	require.Equal(t, []app.Node{
		{Name: "a", Evapi: "127.0.0.1:1", JSONRPC: "http://127.0.0.1:2/RPC"},
		{Name: "b", Evapi: "127.0.0.1:3", JSONRPC: "http://127.0.0.1:4/RPC"},
	}, cfg.Nodes)
	require.Equal(t, 250*time.Millisecond, cfg.Grace)
	require.Empty(t, cfg.DatabaseURL)
}

func TestBadConfigSaysWhatToDo(t *testing.T) {
	t.Parallel()
	node := "nodes: [{name: kam1, evapi: '127.0.0.1:8448', jsonrpc: 'http://127.0.0.1:8080/RPC'}]\n"
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown key":      {node + "grase: 1s", `unknown key grase; known are database_url`},
		"unknown node key": {"nodes: [{name: kam1, evpi: x}]", `unknown key nodes[0].evpi`},
		"no nodes":         {"mode: observe", "nodes: none is configured; add one like"},
		"bad evapi":        {"nodes: [{name: kam1, evapi: localhost, jsonrpc: 'http://h:1/RPC'}]", `nodes[0]: evapi: "localhost"; use host:port`},
		"bad jsonrpc":      {"nodes: [{name: kam1, evapi: 'h:1', jsonrpc: 'h:1'}]", `jsonrpc: "h:1"; use a URL`},
		"nameless":         {"nodes: [{evapi: 'h:1', jsonrpc: 'http://h:1'}]", "name is missing; use the value of BYEGUARD_NODE"},
		"twice":            {"nodes: [{name: a, evapi: 'h:1', jsonrpc: 'http://h:1'}, {name: a, evapi: 'h:2', jsonrpc: 'http://h:2'}]", "used twice"},
		"mode":             {node + "mode: kill", `mode: "kill"; use compensate or observe`},
		"grace":            {node + "grace: 1ms", "grace: 1ms; use 50ms to 1m"},
		"grace word":       {node + "grace: soon", "'grace' time: invalid duration"},
		"level":            {node + "log_level: loud", `log_level: "loud"; use error`},
		"http":             {node + "http: 8080", `http: "8080"; use host:port`},
		"not yaml":         {"nodes: [", "read configuration"},
		"both logs":        {"nodes: [{name: a, evapi: 'h:1', jsonrpc: 'http://h:1', log_file: /x, journal_unit: y}]", "exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := app.LoadConfig(write(t, c.yaml), nil, nil)
			if err == nil {
				err = cfg.Validate()
			}
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := app.LoadConfig("/nowhere/byeguard.yaml", nil, nil)
	require.ErrorContains(t, err, "does not exist; give its path with -c")
}
