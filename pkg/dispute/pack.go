package dispute

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// File is one file of a pack.
type File struct {
	Name string // without folders
	Data []byte
}

// Manifest is the name of the list of checksums, as `sha256sum -c` takes it.
const Manifest = "SHA256SUMS"

// ErrName says that a file's name is not one that every system takes.
var ErrName = errors.New("name of a file in a pack")

// nameForm needs no quoting anywhere.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$`)

// seal sorts the files and adds the manifest.
func seal(files []File) ([]File, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var sums bytes.Buffer
	for i, f := range files {
		if !nameForm.MatchString(f.Name) || f.Name == Manifest || i > 0 && f.Name == files[i-1].Name {
			return nil, fmt.Errorf("%w: %q", ErrName, f.Name)
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(f.Data), f.Name)
	}
	return append(files, File{Manifest, sums.Bytes()}), nil
}

// WriteDir writes a folder, which must not be there. It has its name when it is
// whole.
func WriteDir(path string, files []File) (err error) {
	if files, err = seal(files); err != nil {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there already: choose another name, so that no evidence is mixed", path)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(path), ".evidence-")
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(tmp, f.Name), f.Data, 0o600); err != nil { // it holds who called whom
			return errors.Join(err, os.RemoveAll(tmp))
		}
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return nil
}

// WriteZip writes a zip file. The same files and time give the same bytes.
func WriteZip(w io.Writer, files []File, at time.Time) error {
	files, err := seal(files)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for _, f := range files {
		e, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: at.UTC()})
		if err != nil {
			return err
		}
		if _, err := e.Write(f.Data); err != nil {
			return err
		}
	}
	return z.Close()
}
