package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// holds is what data_dir knows of the leases: who may act when PostgreSQL
// cannot be asked at the start. It is written whenever it changes.
type holds struct {
	path string

	mu   sync.Mutex
	text string // as last written
	was  heldState
}

// heldState is the file's content.
type heldState struct {
	// Away says that PostgreSQL was away: nobody could take the leases then.
	Away  bool                `json:"away"`
	Nodes map[string]heldNode `json:"nodes"`
}

type heldNode struct {
	Epoch  int64 `json:"epoch"`  // of the lease that this byeguard held last; 0 = none
	Held   bool  `json:"held"`   // and it did not give it up, or lose it
	Shared bool  `json:"shared"` // another byeguard serves the node too
}

// alone says that the node may be acted for without asking PostgreSQL.
func (h *heldState) alone(node string) bool {
	n := h.Nodes[node]
	return n.Held && (h.Away || !n.Shared)
}

// openHolds reads what an earlier run left. What cannot be read counts as
// nothing: then PostgreSQL is waited for.
func openHolds(dataDir string) (*holds, error) {
	h := &holds{path: filepath.Join(dataDir, "leases.json"), was: heldState{Nodes: map[string]heldNode{}}}
	text, err := os.ReadFile(h.path)
	if errors.Is(err, os.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &h.was)
	}
	if err != nil || h.was.Nodes == nil {
		h.was = heldState{Nodes: map[string]heldNode{}}
	}
	if err != nil {
		return h, fmt.Errorf("read which nodes this byeguard acted for: %w", err)
	}
	h.text = string(text)
	return h, nil
}

// state returns a copy.
func (h *holds) state() heldState {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := heldState{Away: h.was.Away, Nodes: make(map[string]heldNode, len(h.was.Nodes))}
	for n, v := range h.was.Nodes {
		s.Nodes[n] = v
	}
	return s
}

// change changes the state, and the file if it is another one then.
func (h *holds) change(f func(*heldState)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.was)
	text, err := json.Marshal(&h.was)
	if err != nil || string(text) == h.text {
		return err
	}
	if err := replaceFile(h.path, text); err != nil {
		return fmt.Errorf("note which nodes this byeguard acts for: %w", err)
	}
	h.text = string(text)
	return nil
}

// replaceFile puts a file in the place of another in one step.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is renamed
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
