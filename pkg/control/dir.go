package control

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Dir is where changes of the switches wait that PostgreSQL does not know yet,
// a file each. Whoever may write to it may pause and resume: that is how it is
// done while PostgreSQL is away. A file "pause" or "resume" of any content,
// made by hand, does the same for all nodes; its first line is the reason.
type Dir struct{ path string }

// maxOp bounds the size of a file, maxOps their number: a full directory must
// not stop the daemon.
const (
	maxOp  = 4096
	maxOps = 1000
)

// OpenDir makes the directory if need be.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make directory %s for pause and resume: %w: data_dir must be writable", path, err)
	}
	return &Dir{path: path}, nil
}

// NewOp makes an op for a person, or for byeguard.
func NewOp(action Action, kind Kind, node, by, reason string) Op {
	var id [8]byte
	_, _ = rand.Read(id[:]) // it does not fail (crypto/rand)
	return Op{
		ID: hex.EncodeToString(id[:]), Action: action, Kind: kind, Node: node,
		By: Clean(by), Reason: Clean(reason), At: time.Now().UTC(),
	}
}

// Put leaves an op for the daemon. It is durable when Put returns.
func (d *Dir) Put(o Op) error {
	if err := o.Validate(); err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write change of the switches: %w", err)
	}
	f, err := os.CreateTemp(d.path, ".new-*")
	if err != nil {
		return fmt.Errorf("leave a change of the switches in %s: %w", d.path, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is renamed
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(d.path, fmt.Sprintf("%020d-%s.op", o.At.UnixNano(), o.ID)))
	}
	if err != nil {
		return fmt.Errorf("leave a change of the switches in %s: %w", d.path, err)
	}
	return nil
}

// List returns what waits, oldest first. A file that cannot be read as one is
// passed over, and told of by the error; the rest counts.
func (d *Dir) List() ([]Op, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("look for pause and resume in %s: %w", d.path, err)
	}
	var ops []Op
	var errs []error
	for _, e := range entries {
		if len(ops) >= maxOps {
			errs = append(errs, fmt.Errorf("more than %d changes wait in %s", maxOps, d.path))
			break
		}
		o, ok, err := d.read(e)
		if err != nil {
			errs = append(errs, err)
		} else if ok {
			ops = append(ops, o)
		}
	}
	slices.SortStableFunc(ops, func(a, b Op) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return ops, errors.Join(errs...)
}

func (d *Dir) read(e os.DirEntry) (o Op, ok bool, err error) {
	name := e.Name()
	byHand := name == "pause" || name == "resume"
	if !byHand && !strings.HasSuffix(name, ".op") {
		return Op{}, false, nil
	}
	info, err := e.Info()
	if errors.Is(err, os.ErrNotExist) {
		return Op{}, false, nil
	}
	if err != nil || !info.Mode().IsRegular() {
		return Op{}, false, fmt.Errorf("%s is no regular file: %w", filepath.Join(d.path, name), err)
	}
	f, err := os.Open(filepath.Join(d.path, name))
	if err != nil {
		return Op{}, false, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxOp))
	_ = f.Close() // it was only read
	if err != nil {
		return Op{}, false, err
	}
	if byHand {
		first, _, _ := strings.Cut(string(text), "\n")
		o = Op{
			ID: fmt.Sprintf("%s-%d", name, info.ModTime().UnixNano()), Action: ActionSet, Kind: KindPause,
			By: "file " + filepath.Join(d.path, name), Reason: Clean(first), At: info.ModTime().UTC(),
		}
		if name == "resume" {
			o.Action, o.Kind = ActionClear, ""
		}
		return o, true, nil
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return Op{}, false, fmt.Errorf("%s cannot be read, remove it: %w", filepath.Join(d.path, name), err)
	}
	o.By, o.Reason = Clean(o.By), Clean(o.Reason)
	if err := o.Validate(); err != nil {
		return Op{}, false, fmt.Errorf("%s cannot be used, remove it: %w", filepath.Join(d.path, name), err)
	}
	return o, true, nil
}

// Remove takes an op away that PostgreSQL knows now.
func (d *Dir) Remove(o Op) error {
	names := []string{fmt.Sprintf("%020d-%s.op", o.At.UnixNano(), o.ID)}
	for _, n := range []string{"pause", "resume"} {
		if info, err := os.Lstat(filepath.Join(d.path, n)); err == nil && o.ID == fmt.Sprintf("%s-%d", n, info.ModTime().UnixNano()) {
			names = append(names, n)
		}
	}
	for _, n := range names {
		if err := os.Remove(filepath.Join(d.path, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a change of the switches that was made: %w", err)
		}
	}
	return nil
}

// remembered is what a restart while PostgreSQL is away goes by.
const remembered = "switches.json"

// Remember keeps the switches that PostgreSQL told.
func (d *Dir) Remember(switches []Switch) error {
	text, err := json.Marshal(switches)
	if err == nil {
		err = os.WriteFile(filepath.Join(d.path, "."+remembered), text, 0o600)
	}
	if err == nil {
		err = os.Rename(filepath.Join(d.path, "."+remembered), filepath.Join(d.path, remembered))
	}
	if err != nil {
		return fmt.Errorf("keep the switches in %s: %w", d.path, err)
	}
	return nil
}

// Recall returns what was last remembered, nothing if there is none.
func (d *Dir) Recall() ([]Switch, error) {
	text, err := os.ReadFile(filepath.Join(d.path, remembered))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var switches []Switch
	if err == nil {
		err = json.Unmarshal(text, &switches)
	}
	if err != nil {
		return nil, fmt.Errorf("read the switches of the last run: %w", err)
	}
	return switches, nil
}
