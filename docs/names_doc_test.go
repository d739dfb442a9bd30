package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNamedTestsExist: a test that the documentation names as proof is there.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	for _, root := range []string{"../pkg", "../kamailio-cfg", "../cmd", "../docs"} {
		require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			raw, err := os.ReadFile(path)
			for _, f := range function.FindAllStringSubmatch(string(raw), -1) {
				known[f[1]] = true
			}
			return err
		}))
	}
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	script := regexp.MustCompile("`([a-z0-9_]+\\.txt)`")
	for _, file := range markdownFiles(t) {
		text := read(t, file)
		for _, f := range named.FindAllStringSubmatch(text, -1) {
			require.True(t, known[f[1]], "%s names %s, which is no test", file, f[1])
		}
		for _, f := range script.FindAllStringSubmatch(text, -1) {
			require.FileExists(t, filepath.Join("../pkg/call/testdata", f[1]), "named in %s", file)
		}
	}
}

// TestReasonsAndIncidentsAreDescribed: each reason that the core gives stands in
// docs/safety.md or docs/operations.md, each kind of incident in the latter.
func TestReasonsAndIncidentsAreDescribed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../pkg/call/*.go")
	require.NoError(t, err)
	var core strings.Builder
	for _, f := range files {
		if filepath.Base(f) != "reason.go" && !strings.HasSuffix(f, "_test.go") {
			core.WriteString(read(t, f))
		}
	}
	operations := read(t, "operations.md")
	prose := read(t, "safety.md") + operations
	reasons := regexp.MustCompile(`(Reason[A-Z]\w+)\s+Reason = "([a-z_]+)"`).FindAllStringSubmatch(read(t, "../pkg/call/reason.go"), -1)
	require.NotEmpty(t, reasons)
	for _, r := range reasons {
		if strings.Contains(core.String(), r[1]) && !strings.Contains(prose, "`"+r[2]+"`") {
			t.Errorf("reason %s is not described", r[2])
		}
	}
	kinds := regexp.MustCompile(`IncidentKind = "([a-z_]+)"`).FindAllStringSubmatch(core.String(), -1)
	require.NotEmpty(t, kinds)
	for _, k := range kinds {
		if !strings.Contains(operations, "| `"+k[1]+"` |") {
			t.Errorf("incident %s is not described", k[1])
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(raw)
}
