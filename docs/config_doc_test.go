package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/web"
)

var (
	// "## grace (time)" and "### nodes: evapi (string)".
	keyHeading   = regexp.MustCompile(`(?m)^##(#?) (nodes: |alerts: (?:routes: )?|web: (?:users: |tokens: )?)?([a-z0-9_]+) \([a-z]+\)$`)
	defaultValue = regexp.MustCompile("(?m)^Default: (?:`([^`]*)`|\"\"|none)")
	yamlBlock    = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
)

// keySections cuts docs/configuration.md into one text a key; keys of nodes
// begin with "nodes.".
func keySections(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("configuration.md")
	require.NoError(t, err)
	text := string(raw)
	sections := map[string]string{}
	found := keyHeading.FindAllStringSubmatchIndex(text, -1)
	for i, at := range found {
		key := text[at[6]:at[7]]
		if at[4] >= 0 {
			key = strings.ReplaceAll(text[at[4]:at[5]], ": ", ".") + key
		}
		rest := text[at[1]:]
		if i+1 < len(found) {
			rest = text[at[1]:found[i+1][0]]
		}
		rest, _, _ = strings.Cut(rest, "\n## ")
		require.NotContains(t, sections, key, "described twice")
		sections[key] = rest
	}
	return sections
}

func koanfKeys(typ reflect.Type) map[string]int {
	keys := map[string]int{}
	for i := range typ.NumField() {
		keys[typ.Field(i).Tag.Get("koanf")] = i
	}
	return keys
}

func TestEveryConfigurationKeyIsDescribed(t *testing.T) {
	t.Parallel()
	sections := keySections(t)
	known := map[string]bool{}
	flags := commandSource(t)
	defaults := reflect.ValueOf(app.DefaultConfig())
	for key, i := range koanfKeys(defaults.Type()) {
		known[key] = true
		section := sections[key]
		require.NotEmpty(t, section, "docs/configuration.md has no section on %s", key)
		require.Contains(t, section, "BYEGUARD_"+strings.ToUpper(key), key)
		flag := strings.ReplaceAll(strings.TrimSuffix(key, "s"), "_", "-")
		if key != "nodes" {
			flag = strings.ReplaceAll(key, "_", "-")
		}
		require.Contains(t, section, "`--"+flag, "%s: its flag", key)
		if key != "alerts" && key != "web" { // too deep for a flag
			require.Contains(t, flags, `"`+flag+`"`, "cmd/byeguard has no flag for %s", key)
		}
		checkDefault(t, key, section, defaults.Field(i))
	}
	node := reflect.TypeFor[app.Node]()
	for key, i := range koanfKeys(node) {
		known["nodes."+key] = true
		section := sections["nodes."+key]
		require.NotEmpty(t, section, "docs/configuration.md has no section on nodes: %s", key)
		checkDefault(t, "nodes."+key, section, reflect.Zero(node.Field(i).Type))
	}
	for prefix, typ := range map[string]reflect.Type{
		"alerts.": reflect.TypeFor[alert.Config](), "alerts.routes.": reflect.TypeFor[alert.Route](),
		"web.": reflect.TypeFor[web.Config](), "web.users.": reflect.TypeFor[web.User](), "web.tokens.": reflect.TypeFor[web.Token](),
	} {
		for key, i := range koanfKeys(typ) {
			if key == "" || key == "routes" || key == "users" || key == "tokens" { // not a key, or the list of them
				continue
			}
			known[prefix+key] = true
			section := sections[prefix+key]
			require.NotEmpty(t, section, "docs/configuration.md has no section on %s%s", prefix, key)
			checkDefault(t, prefix+key, section, reflect.Zero(typ.Field(i).Type))
		}
	}
	for key, section := range sections {
		require.True(t, known[key], "docs/configuration.md describes %s, which is no key", key)
		require.Contains(t, section, "```yaml", "%s: an example", key)
	}
}

func checkDefault(t *testing.T, key, section string, want reflect.Value) {
	t.Helper()
	found := defaultValue.FindStringSubmatch(section)
	require.NotNil(t, found, "%s: no line that begins with Default:", key)
	got := found[1]
	switch {
	case key == "data_dir": // depends on who runs it
		for _, place := range []string{"`/var/lib/byeguard`", "`$XDG_STATE_HOME/byeguard`", "`~/.local/state/byeguard`"} {
			require.Contains(t, section, place)
		}
	case strings.HasPrefix(key, "alerts"), strings.HasPrefix(key, "web"): // the text tells them
	case want.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(got)
		require.NoError(t, err, key)
		require.Equal(t, want.Interface(), d, key)
	case want.IsZero():
		require.Empty(t, got, key)
	default:
		require.Equal(t, fmt.Sprint(want.Interface()), got, key)
	}
}

// commandSource is the text of the command line's own files.
func commandSource(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../cmd/byeguard/*.go")
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(raw)
	}
	return all.String()
}

// TestConfigurationExamplesAreTaken loads each example, alone.
func TestConfigurationExamplesAreTaken(t *testing.T) {
	t.Parallel()
	const node = "nodes:\n  - {name: a, evapi: 'h:1', jsonrpc: 'http://h:1/RPC'}\n"
	const rest = "nodes:\n  - name: a\n    evapi: h:1\n    jsonrpc: http://h:1/RPC\n"
	for _, file := range []string{"configuration.md", "operations.md", "alerts.md", "web.md", "../README.md"} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		for i, found := range yamlBlock.FindAllStringSubmatch(string(raw), -1) {
			text := found[1]
			switch {
			case strings.HasPrefix(text, "nodes:\n  - name: kam1\n") && strings.Count(text, "\n") == 2:
				text += "    evapi: h:1\n    jsonrpc: http://h:1/RPC\n"
			case strings.HasPrefix(text, "    "): // one key of a node
				key, _, _ := strings.Cut(strings.TrimSpace(text), ":")
				text = regexp.MustCompile(`(?m)^    `+key+`:.*\n`).ReplaceAllString(rest, "") + text
			case !strings.HasPrefix(text, "nodes:") && !strings.Contains(text, "\nnodes:"):
				text += node
			}
			path := filepath.Join(t.TempDir(), "byeguard.yaml")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			cfg, err := app.LoadConfig(path, nil, nil)
			require.NoError(t, err, "%s: example %d:\n%s", file, i+1, text)
			require.NoError(t, cfg.Validate(), "%s: example %d:\n%s", file, i+1, text)
		}
	}
}
