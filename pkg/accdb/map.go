package accdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // zones are there on a bare machine too

	"go.yaml.in/yaml/v3"

	"github.com/byeguard/byeguard/pkg/billing/reconcile"
)

// Kinds of tables.
const (
	KindCDRs = "cdrs" // acc_cdrs: a row a call
	KindAcc  = "acc"  // acc: a row a transaction, an INVITE's and a BYE's make a call
)

// Columns name the columns; "" = there is none.
type Columns struct {
	ID       string `yaml:"id"`
	Start    string `yaml:"start"`
	End      string `yaml:"end"`
	Duration string `yaml:"duration"` // in seconds; without it the end counts
	CallID   string `yaml:"call_id"`
	From     string `yaml:"from"` // number or URI
	To       string `yaml:"to"`
	// Of acc alone.
	Method  string `yaml:"method"`
	FromTag string `yaml:"from_tag"`
	ToTag   string `yaml:"to_tag"`
	Code    string `yaml:"code"`
	// Mark takes the run that wrote a row; it is needed for --fix alone.
	Mark string `yaml:"mark"`
}

// Map says how to read a table. docs/reconcile.md documents it.
type Map struct {
	Kind    string              `yaml:"kind"`
	Table   string              `yaml:"table"`
	Zone    string              `yaml:"zone"`   // of times without one: that of Kamailio's machine
	Begins  string              `yaml:"begins"` // confirmed (ACK) or answered
	Columns Columns             `yaml:"columns"`
	Numbers reconcile.Numbering `yaml:"numbers"`

	zone *time.Location
}

// What a call begins with.
const (
	BeginsConfirmed = "confirmed"
	BeginsAnswered  = "answered"
)

// ErrMap says that a mapping makes no sense.
var ErrMap = errors.New("mapping")

// DefaultMap is for tables as Kamailio's own scripts make them.
func DefaultMap(kind string) Map {
	if kind == KindAcc {
		return Map{Kind: KindAcc, Table: "acc", Zone: "UTC", Begins: BeginsAnswered, Columns: Columns{ID: "id", Start: "time",
			CallID: "callid", Method: "method", FromTag: "from_tag", ToTag: "to_tag", Code: "sip_code"}}
	}
	return Map{Kind: KindCDRs, Table: "acc_cdrs", Zone: "UTC", Begins: BeginsConfirmed, Columns: Columns{ID: "id",
		Start: "start_time", End: "end_time", Duration: "duration", Mark: "byeguard_run"}}
}

// LoadMap reads a file over the defaults of its kind; "" is the default of acc_cdrs.
func LoadMap(path string) (Map, error) {
	if path == "" {
		m := DefaultMap(KindCDRs)
		return m, m.Validate()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Map{}, fmt.Errorf("read mapping: %w", err)
	}
	m, err := ParseMap(text)
	if err != nil {
		return m, fmt.Errorf("mapping %s: %w", path, err)
	}
	return m, nil
}

// ParseMap reads a mapping's text.
func ParseMap(text []byte) (Map, error) {
	var kind struct {
		Kind string `yaml:"kind"`
	}
	if err := yaml.Unmarshal(text, &kind); err != nil {
		return Map{}, fmt.Errorf("%w: %w", ErrMap, err)
	}
	m := DefaultMap(kind.Kind)
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&m); err != nil && !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("%w: %s", ErrMap, strings.ReplaceAll(err.Error(), "\n ", ""))
	}
	return m, m.Validate()
}

// Validate says what is wrong with the mapping.
func (m *Map) Validate() (err error) {
	c := &m.Columns
	switch {
	case m.Kind != KindCDRs && m.Kind != KindAcc:
		return fmt.Errorf("%w: kind %q; use cdrs or acc", ErrMap, m.Kind)
	case m.Begins != BeginsConfirmed && m.Begins != BeginsAnswered:
		return fmt.Errorf("%w: begins %q; use confirmed (the ACK, as acc does) or answered", ErrMap, m.Begins)
	case m.Table == "" || c.ID == "" || c.Start == "":
		return fmt.Errorf("%w: table, columns.id and columns.start are needed", ErrMap)
	case m.Kind == KindCDRs && c.End == "" && c.Duration == "":
		return fmt.Errorf("%w: columns.end or columns.duration is needed", ErrMap)
	case m.Kind == KindAcc && (c.CallID == "" || c.Method == "" || c.Code == "" || c.FromTag == "" || c.ToTag == ""):
		return fmt.Errorf("%w: of acc columns.call_id, method, code, from_tag and to_tag are needed", ErrMap)
	}
	if m.zone, err = time.LoadLocation(m.Zone); err != nil {
		return fmt.Errorf("%w: zone %q; use a name of the tz database, as Europe/Berlin", ErrMap, m.Zone)
	}
	return m.Numbers.Validate()
}

// Keys says what the table names calls by.
func (m *Map) Keys() reconcile.Keys {
	return reconcile.Keys{CallID: m.Columns.CallID != "", From: m.Columns.From != "", To: m.Columns.To != ""}
}
