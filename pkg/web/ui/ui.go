// Package ui is the page that people look at: HTML, style and script, embedded
// in the program. It is served as it lies in site/: there is no build step, and
// nothing is fetched from elsewhere. It knows the API by its addresses alone, and
// refuses to know anything of byeguard's packages.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed site
var site embed.FS

// Files are the page's files: index.html, and what stands below assets/. They
// want a Content-Security-Policy that allows scripts, styles and connections of
// their own origin, and images as data; nothing inline, and no way to turn text
// into markup (require-trusted-types-for 'script').
func Files() fs.FS {
	sub, err := fs.Sub(site, "site")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}
