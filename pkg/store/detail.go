package store

import (
	"encoding/json"
	"fmt"
)

// Detail is what an event told that has no column of its own. What was not
// told is zero.
type Detail struct {
	Phrase      string    `json:"phrase,omitempty"` // reason phrase, or Reason header of a BYE
	Dialog      string    `json:"dialog,omitempty"` // h_entry:h_id
	Source      string    `json:"source,omitempty"`
	PeerSource  string    `json:"peer_source,omitempty"`
	Socket      string    `json:"socket,omitempty"`
	RURI        string    `json:"ruri,omitempty"`
	NextHop     string    `json:"next_hop,omitempty"`
	Contact     string    `json:"contact,omitempty"`
	RecordRoute string    `json:"record_route,omitempty"`
	State       int       `json:"state,omitempty"` // of the proxy's dialog
	SetupUS     int64     `json:"setup_us,omitempty"`
	AnswerUS    int64     `json:"answer_us,omitempty"` // listed
	Held        string    `json:"held,omitempty"`      // asked: held, gone, unknown
	Leg         string    `json:"leg,omitempty"`
	FromTag     string    `json:"from_tag,omitempty"` // where it is not the call's; always for a command
	ToTag       string    `json:"to_tag,omitempty"`
	Caller      *Endpoint `json:"caller,omitempty"`
	Callee      *Endpoint `json:"callee,omitempty"`

	Command  string `json:"command,omitempty"` // its id
	Attempt  int    `json:"attempt,omitempty"`
	Target   string `json:"target,omitempty"`
	RouteSet string `json:"route_set,omitempty"`
	FromURI  string `json:"from_uri,omitempty"`
	ToURI    string `json:"to_uri,omitempty"`

	Boot int64 `json:"boot,omitempty"` // ask

	Incident string `json:"incident,omitempty"` // its kind
	Severity string `json:"severity,omitempty"`
	Resolved bool   `json:"resolved,omitempty"`
	Text     string `json:"text,omitempty"`
}

// Endpoint is what the proxy told of one side of the dialog.
type Endpoint struct {
	URI      string `json:"uri,omitempty"`
	Contact  string `json:"contact,omitempty"`
	RouteSet string `json:"route_set,omitempty"`
	Socket   string `json:"socket,omitempty"`
	CSeq     int64  `json:"cseq,omitempty"`
}

// Scan reads the column; NULL is nothing told.
func (d *Detail) Scan(src any) error {
	*d = Detail{}
	var text []byte
	switch v := src.(type) {
	case nil:
		return nil
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("detail of an event is a %T", src)
	}
	if err := json.Unmarshal(text, d); err != nil {
		return fmt.Errorf("decode detail of an event: %w", err)
	}
	return nil
}
