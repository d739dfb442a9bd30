package ui_test

import (
	"encoding/xml"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/web/ui"
)

// files reads the page's files by name.
func files(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, fs.WalkDir(ui.Files(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(ui.Files(), name)
		all[name] = string(text)
		return err
	}))
	require.Contains(t, all, "index.html")
	return all
}

// TestNothingInline: what the content policy forbids is not there, so that the
// policy never has to be loosened.
func TestNothingInline(t *testing.T) {
	t.Parallel()
	html := files(t)["index.html"]
	for what, pattern := range map[string]string{
		"inline script":          `<script(?:>|\s[^>]*>)\s*[^<\s]`,
		"script without src":     `<script(?:\s+type="[^"]*")?>`,
		"inline style":           `<style|\sstyle\s*=`,
		"handler in the markup":  `\son[a-z]+\s*=`,
		"javascript address":     `(?i)javascript:`,
		"base, frame or plug-in": `<(base|iframe|object|embed)\b`,
	} {
		require.NotRegexp(t, pattern, html, what)
	}
	require.Contains(t, html, `lang="en"`)
}

// TestNothingFromElsewhere: the page works without the internet.
func TestNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	address := regexp.MustCompile(`(?:https?:|wss?:|["'(]\s*//)[^\s"'` + "`" + `)]*`)
	for name, text := range files(t) {
		for _, found := range address.FindAllString(text, -1) {
			switch found {
			case "http://www.w3.org/2000/svg": // a namespace, which nobody fetches
			case "https:", "wss:", "ws:": // of its own origin
			default:
				require.Fail(t, "an address elsewhere", "%s: %s", name, found)
			}
		}
		require.NotContains(t, text, "@import", name)
	}
}

// TestTextStaysText: no script turns text into markup or code, or writes a style
// attribute.
func TestTextStaysText(t *testing.T) {
	t.Parallel()
	sinks := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|parseFromString|setHTML|srcdoc|` +
		`\beval\s*\(|new Function|setTimeout\(\s*["'` + "`" + `]|setAttribute\(\s*["'](?:style|on)|cssText`)
	for name, text := range files(t) {
		if path.Ext(name) == ".js" {
			require.NotRegexp(t, sinks, text, name)
		}
	}
}

// TestWhatIsNamedIsThere: each file that another one names is embedded, and each
// that is embedded is named.
func TestWhatIsNamedIsThere(t *testing.T) {
	t.Parallel()
	all := files(t)
	named := map[string]bool{"index.html": true}
	for name, text := range all {
		for _, m := range regexp.MustCompile(`(?:src|href)="/(assets/[^"]+)"`).FindAllStringSubmatch(text, -1) {
			named[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`from "\./([^"]+)"`).FindAllStringSubmatch(text, -1) {
			named[path.Join(path.Dir(name), m[1])] = true
		}
	}
	for name := range named {
		require.Contains(t, all, name)
	}
	for name := range all {
		require.True(t, named[name], "%s is embedded, and nothing names it", name)
	}
}

// TestImportsAreExported: a name that a module imports is one that the other
// exports, and is used.
func TestImportsAreExported(t *testing.T) {
	t.Parallel()
	all := files(t)
	for name, text := range all {
		if path.Ext(name) != ".js" {
			continue
		}
		for _, m := range regexp.MustCompile(`import \{([^}]*)\} from "\./([^"]+)"`).FindAllStringSubmatch(text, -1) {
			for imported := range strings.SplitSeq(m[1], ",") {
				imported = strings.TrimSpace(imported)
				word := regexp.MustCompile(`\b` + regexp.QuoteMeta(imported) + `\b|` + regexp.QuoteMeta(imported) + `\(`)
				require.Regexp(t, `export (?:async )?(?:const|let|function|class) `+regexp.QuoteMeta(imported)+`\b|export (?:async )?(?:const|function) `+regexp.QuoteMeta(imported)+`[ (]`,
					all["assets/"+m[2]], "%s imports %s", name, imported)
				require.Greater(t, len(word.FindAllString(text, -1)), 1, "%s imports %s and does not use it", name, imported)
			}
		}
	}
}

// TestContrast: every pair of text and ground that the style uses has the
// contrast that WCAG 2.2 asks of small text, in light and in dark.
func TestContrast(t *testing.T) {
	t.Parallel()
	css := files(t)["assets/base.css"]
	blocks := regexp.MustCompile(`(?s):root(?::not\(\[data-theme="light"\]\)|\[data-theme="dark"\])? \{(.*?)\}`).FindAllStringSubmatch(css, -1)
	require.Len(t, blocks, 3, "light, dark by the system, dark by choice")
	require.Equal(t, strings.Fields(blocks[1][1]), strings.Fields(blocks[2][1]), "the two dark ones are the same")
	for _, b := range blocks[:2] {
		colours := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(b[1], -1) {
			colours[m[1]] = m[2]
		}
		grounds := []string{"ground", "surface", "sunk"}
		for _, text := range []string{"ink", "quiet", "accent", "ok", "warning", "critical", "info"} {
			on := slices.Clone(grounds)
			if _, ok := colours[text+"-soft"]; ok {
				on = append(on, text+"-soft")
			}
			for _, ground := range on {
				require.GreaterOrEqual(t, contrast(t, colours[text], colours[ground]), 4.5, "%s on %s", text, ground)
			}
		}
		require.GreaterOrEqual(t, contrast(t, colours["on-accent"], colours["accent"]), 4.5)
		require.GreaterOrEqual(t, contrast(t, colours["line-strong"], colours["surface"]), 2.9, "edges of fields")
	}
}

func TestIconIsXML(t *testing.T) {
	t.Parallel()
	var v struct{}
	require.NoError(t, xml.Unmarshal([]byte(files(t)["assets/icon.svg"]), &v))
}
