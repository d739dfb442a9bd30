package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"
)

// pages are the page's files. They change with the binary alone: a browser asks
// whether its own are still the same.
type pages struct{ files map[string]page }

type page struct {
	text []byte
	kind string
	tag  string
}

func newPages(files fs.FS) *pages {
	p := &pages{files: map[string]page{}}
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error { // what cannot be read is not there
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		kind := mime.TypeByExtension(path.Ext(name))
		switch path.Ext(name) { // whatever the machine's own table says
		case ".js":
			kind = "text/javascript; charset=utf-8"
		case ".css":
			kind = "text/css; charset=utf-8"
		case ".html":
			kind = "text/html; charset=utf-8"
		case ".svg":
			kind = "image/svg+xml"
		case "":
			kind = "application/octet-stream"
		}
		p.files[name] = page{text: text, kind: kind, tag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	return p
}

// ServeHTTP implements http.Handler.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := "index.html"
	if r.URL.Path != "/" {
		name = r.URL.Path[1:]
	}
	f, ok := p.files[name]
	if !ok {
		http.Error(w, "nothing is here", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.tag)
	h.Set("Content-Type", f.kind)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.text))
}
