package dispute_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/dispute"
)

var files = []dispute.File{
	{Name: "summary.html", Data: []byte("<p>x</p>")},
	{Name: "cdr.json", Data: []byte("{}\n")},
	{Name: "empty.txt"},
}

// A folder has every file and a manifest that sha256sum takes; only its owner reads
// it, for it says who called whom.
func TestWriteDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pack")
	require.NoError(t, dispute.WriteDir(dir, files))
	cmd := exec.Command("sha256sum", "--check", "--strict", dispute.Manifest)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, len(files), strings.Count(string(out), ": OK"))
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, list, len(files)+1)
	for _, f := range list {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	// Evidence is never mixed with what is there, be it a folder, a file or a link
	// that leads nowhere.
	require.ErrorContains(t, dispute.WriteDir(dir, files), "is there already")
	link := filepath.Join(filepath.Dir(dir), "link")
	require.NoError(t, os.Symlink("nowhere", link))
	require.ErrorContains(t, dispute.WriteDir(link, files), "is there already")
	require.Error(t, dispute.WriteDir(filepath.Join(dir, "no", "such", "folder"), files))
	left, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing half-written stays")
}

// The same files and time give the same bytes, in any order: whoever compares two
// packs of a call sees whether they are one.
func TestWriteZip(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 16, 0, 0, 0, time.FixedZone("", 3600))
	var a, b bytes.Buffer
	require.NoError(t, dispute.WriteZip(&a, files, at))
	require.NoError(t, dispute.WriteZip(&b, []dispute.File{files[2], files[0], files[1]}, at.UTC()))
	require.Equal(t, a.Bytes(), b.Bytes())
	z, err := zip.NewReader(bytes.NewReader(a.Bytes()), int64(a.Len()))
	require.NoError(t, err)
	require.Len(t, z.File, 4)
	require.Equal(t, dispute.Manifest, z.File[3].Name)
	r, err := z.File[3].Open()
	require.NoError(t, err)
	sums, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Contains(t, string(sums), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty.txt\n")
	require.Equal(t, "cdr.json", z.File[0].Name)
	require.True(t, z.File[0].Modified.Equal(at))
}

// No name of a file leads out of the folder, hides in it, or takes the manifest's
// or another file's place.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"../x", "/etc/passwd", "a/b", `a\b`, "", ".", "..", ".hidden", "-rf", "a b", "a\nb", "ü", dispute.Manifest, strings.Repeat("a", 82),
	} {
		for _, write := range []func([]dispute.File) error{
			func(f []dispute.File) error { return dispute.WriteZip(io.Discard, f, time.Time{}) },
			func(f []dispute.File) error { return dispute.WriteDir(filepath.Join(t.TempDir(), "pack"), f) },
		} {
			require.ErrorIs(t, write([]dispute.File{{Name: name}}), dispute.ErrName, "%q", name)
		}
	}
	require.ErrorIs(t, dispute.WriteZip(io.Discard, []dispute.File{{Name: "a"}, {Name: "b"}, {Name: "a"}}, time.Time{}), dispute.ErrName)
}

// A caller who calls himself a script is a text on the page: in a table, on an
// arrow and as a party.
func TestPageIsHarmless(t *testing.T) {
	t.Parallel()
	evil := `<script>alert(1)</script>"' onload="x" &lt;` + "\u202e"
	p := dispute.Page{
		Title: evil, Statement: []string{evil}, Facts: []dispute.Fact{{Name: evil, Value: evil}}, Parties: [3]string{evil, "proxy", evil},
		Steps: []dispute.Step{{At: evil, From: 0, To: 2, Label: evil, Note: evil}, {At: "1", From: -7, To: 99, Label: "x"}, {From: 1, To: 1, Note: "own", Own: true}},
		Files: []dispute.Fact{{Name: evil, Value: evil}}, Made: evil,
	}
	text, err := p.HTML()
	require.NoError(t, err)
	html := string(text)
	require.NotContains(t, html, "<script")
	require.NotContains(t, html, `" onload="`)
	require.Contains(t, html, "&lt;script&gt;alert(1)")
	require.NotRegexp(t, `(?i)(src|href)\s*=\s*"?https?:`, html, "nothing is fetched")
	require.Contains(t, html, "…", "a long label is cut")
	require.NotContains(t, html, "NaN")
	require.NotContains(t, html, "ZgotmplZ", "a value in a place where it may do harm")
}

// The drawing is bounded; what is left out is said.
func TestPageIsBounded(t *testing.T) {
	t.Parallel()
	p := dispute.Page{Title: "x", Parties: [3]string{"a", "b", "c"}}
	for i := range 1000 {
		p.Steps = append(p.Steps, dispute.Step{At: fmt.Sprint(i), From: i % 3, To: (i + 1) % 3, Label: fmt.Sprintf("label%d", i)})
	}
	text, err := p.HTML()
	require.NoError(t, err)
	require.Contains(t, string(text), "label199")
	require.NotContains(t, string(text), "label200")
	require.Contains(t, string(text), "800")
	empty, err := (&dispute.Page{}).HTML()
	require.NoError(t, err)
	require.NotEmpty(t, empty)
}
