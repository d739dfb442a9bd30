// Package docs_test checks the form of the files that no compiler sees: links
// in the documentation, and docker-compose.yml where there is no docker.
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

// markdownFiles are README.md and its neighbours, and everything in docs.
func markdownFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../*.md")
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	}))
	require.NotEmpty(t, files)
	return files
}

var (
	link    = regexp.MustCompile(`!?\[[^\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)`)
	fence   = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	code    = regexp.MustCompile("`[^`\n]*`")
	heading = regexp.MustCompile(`(?m)^#{1,6}\s+(.+?)\s*$`)
	// What GitHub drops of a heading when it makes an anchor of it.
	dropped = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
)

func anchors(markdown string) map[string]bool {
	known := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(markdown, ""), -1) {
		text := dropped.ReplaceAllString(strings.ToLower(h[1]), "")
		known[strings.ReplaceAll(text, " ", "-")] = true
	}
	return known
}

func TestRelativeLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, file := range markdownFiles(t) {
		t.Run(filepath.ToSlash(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			prose := code.ReplaceAllString(fence.ReplaceAllString(string(text), ""), "")
			for _, found := range link.FindAllStringSubmatch(prose, -1) {
				target, anchor, _ := strings.Cut(found[1], "#")
				if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
					continue
				}
				path := file
				if target != "" {
					path = filepath.Join(filepath.Dir(file), filepath.FromSlash(target))
				}
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s links to %s, which is not there", file, found[1])
					continue
				}
				if anchor == "" || filepath.Ext(path) != ".md" {
					continue
				}
				linked, err := os.ReadFile(path)
				require.NoError(t, err)
				if !anchors(string(linked))[anchor] {
					t.Errorf("%s links to %s, which has no such heading", file, found[1])
				}
			}
		})
	}
}
