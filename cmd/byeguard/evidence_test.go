package main

import (
	"archive/zip"
	"encoding/xml"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// checked runs sha256sum -c in a pack.
func checked(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command("sha256sum", "-c", "--strict", "SHA256SUMS")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	b := billed(t)
	accounting(b)
	rows, _, err := b.run("reconcile", "acc", "--acc-url", b.url, "-o", "csv", "--all")
	require.NoError(t, err)
	list := writeFile(t, "rows.csv", rows)

	dir := filepath.Join(t.TempDir(), "pack")
	text := b.print("calls", "evidence", "repaired@home.example", "--out", dir, "--reconciliation", list)
	require.Contains(t, text, "7 files and SHA256SUMS in "+dir)
	checked(t, dir)
	file := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(raw)
	}
	page := file("summary.html")
	for _, want := range []string{"<svg", "The call was answered at 2026-11-23 15:00:00.000 UTC", "byeguard sent it the missing BYE", "+4930123456", "Content-Security-Policy"} {
		require.Contains(t, html.UnescapeString(page), want)
	}
	require.NotContains(t, page, "<script")
	picture := page[strings.Index(page, "<svg") : strings.Index(page, "</svg>")+6]
	require.NoError(t, xml.Unmarshal([]byte(picture), new(struct{})), "the picture is well-formed")
	require.Contains(t, file("bye.txt"), "BYE        sip:+4930123456@203.0.113.40:5060")
	require.Contains(t, file("bye.txt"), "200 OK")
	require.Contains(t, file("record.json"), `"repaired": true`)
	require.Equal(t, 2, strings.Count(file("reconciliation.csv"), "\r\n"))
	require.Contains(t, file("ladder.txt"), "byeguard sends BYE to the callee")

	_, _, err = b.run("calls", "evidence", "repaired@home.example", "--out", dir)
	require.ErrorContains(t, err, "is there already")
	_, _, err = b.run("calls", "evidence", "nobody", "--out", dir)
	require.ErrorContains(t, err, "no record of call nobody")

	// Masked, as a zip.
	packed := filepath.Join(t.TempDir(), "pack.zip")
	b.print("calls", "evidence", "repaired@home.example", "--out", packed, "--mask-numbers")
	z, err := zip.OpenReader(packed)
	require.NoError(t, err)
	unpacked := t.TempDir()
	require.NoError(t, os.CopyFS(unpacked, z))
	require.NoError(t, z.Close())
	checked(t, unpacked)
	raw, err := os.ReadFile(filepath.Join(unpacked, "summary.html"))
	require.NoError(t, err)
	require.NotContains(t, string(raw), "4930123456")
}

// TestEvidenceOfHostileCall: whatever SIP says stays text (P7).
func TestEvidenceOfHostileCall(t *testing.T) {
	t.Parallel()
	evil := `<script>alert(1)</script>"'&\r\n@x`
	f := newFlow(evil, 0)
	f.caller = `sip:"><img src=x onerror=alert(1)>@x`
	b := newBench(t, f.answer().oneSided().repair(200, `</text></svg><script>alert(2)</script>`))
	dir := filepath.Join(t.TempDir(), "pack")
	b.print("calls", "evidence", evil, "--out", dir)
	checked(t, dir)
	raw, err := os.ReadFile(filepath.Join(dir, "summary.html"))
	require.NoError(t, err)
	page := string(raw)
	require.NotRegexp(t, `(?i)<(script|img)`, page)
	picture := page[strings.Index(page, "<svg") : strings.Index(page, "</svg>")+6]
	require.NoError(t, xml.Unmarshal([]byte(picture), new(struct{})))
	require.Equal(t, 1, strings.Count(page, "</svg>"))
}
