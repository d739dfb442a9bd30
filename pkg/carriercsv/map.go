package carriercsv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // zones are there on a bare machine too

	"go.yaml.in/yaml/v3"

	"github.com/byeguard/byeguard/pkg/billing/reconcile"
)

// ErrMap says that a mapping makes no sense.
var ErrMap = errors.New("mapping")

// Columns name the columns by their headings, or by their number from 1; "" =
// there is none.
type Columns struct {
	ID       string `yaml:"id"`
	Start    string `yaml:"start"`
	Date     string `yaml:"date"` // in front of Start, where date and time are apart
	End      string `yaml:"end"`
	Duration string `yaml:"duration"`
	CallID   string `yaml:"call_id"`
	From     string `yaml:"from"`
	To       string `yaml:"to"`
	Cost     string `yaml:"cost"`
	Currency string `yaml:"currency"`
}

// Units of a duration.
const (
	UnitSeconds = "seconds"
	UnitMillis  = "milliseconds"
	UnitMinutes = "minutes"
	UnitClock   = "hh:mm:ss"
)

// Map says how to read a carrier's file. docs/reconcile.md documents it.
type Map struct {
	Carrier   string              `yaml:"carrier"`   // as in the rates file
	Encoding  string              `yaml:"encoding"`  // utf-8 or latin1
	Separator string              `yaml:"separator"` // "" = found out: comma, semicolon, tab or |
	Skip      int                 `yaml:"skip"`      // lines above the headings
	NoHeader  bool                `yaml:"no_header"` // columns are numbers
	Columns   Columns             `yaml:"columns"`
	Time      string              `yaml:"time"` // as DD.MM.YYYY hh:mm:ss; or rfc3339, unix, unix_ms
	Zone      string              `yaml:"zone"`
	Unit      string              `yaml:"unit"`    // of durations
	Decimal   string              `yaml:"decimal"` // "." or ","
	Currency  string              `yaml:"currency"`
	Begins    string              `yaml:"begins"` // answered or confirmed
	Numbers   reconcile.Numbering `yaml:"numbers"`

	zone   *time.Location
	layout string
}

// LoadMap reads a file.
func LoadMap(path string) (Map, error) {
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
	m := Map{Encoding: "utf-8", Zone: "UTC", Unit: UnitSeconds, Decimal: ".", Time: "YYYY-MM-DD hh:mm:ss", Begins: "answered"}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&m); err != nil {
		return m, fmt.Errorf("%w: %s", ErrMap, strings.ReplaceAll(err.Error(), "\n ", ""))
	}
	return m, m.Validate()
}

// Validate says what is wrong with the mapping.
func (m *Map) Validate() (err error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrMap}, args...)...)
	}
	c := &m.Columns
	switch {
	case m.Encoding != "utf-8" && m.Encoding != "latin1":
		return bad("encoding %q; use utf-8 or latin1", m.Encoding)
	case len(m.Separator) > 1, m.Separator != "" && (m.Separator == `"` || m.Separator != "\t" && m.Separator < " " || m.Separator > "~"):
		return bad("separator %q; use one character, as , or ; or a tab", m.Separator)
	case m.Skip < 0 || m.Skip > 1000:
		return bad("skip %d; use 0 to 1000 lines", m.Skip)
	case c.Start == "" || c.Duration == "" && c.End == "":
		return bad("columns.start, and columns.duration or columns.end, are needed")
	case c.CallID == "" && c.From == "" && c.To == "":
		return bad("columns.call_id, or from and to, are needed: calls cannot be told apart by their time alone")
	case m.Unit != UnitSeconds && m.Unit != UnitMillis && m.Unit != UnitMinutes && m.Unit != UnitClock:
		return bad("unit %q; use seconds, milliseconds, minutes or hh:mm:ss", m.Unit)
	case m.Decimal != "." && m.Decimal != ",":
		return bad(`decimal %q; use "." or ","`, m.Decimal)
	case m.Begins != "answered" && m.Begins != "confirmed":
		return bad("begins %q; use answered or confirmed", m.Begins)
	case c.Cost != "" && c.Currency == "" && m.Currency == "":
		return bad("currency is needed with columns.cost; write it like EUR")
	}
	if m.zone, err = time.LoadLocation(m.Zone); err != nil {
		return bad("zone %q; use a name of the tz database, as Europe/Berlin", m.Zone)
	}
	if m.layout, err = layout(m.Time); err != nil {
		return err
	}
	return m.Numbers.Validate()
}

// Keys says what the file names calls by.
func (m *Map) Keys() reconcile.Keys {
	return reconcile.Keys{CallID: m.Columns.CallID != "", From: m.Columns.From != "", To: m.Columns.To != ""}
}

// layout makes Go's form of DD.MM.YYYY hh:mm:ss.
func layout(s string) (string, error) {
	switch s {
	case "unix", "unix_ms":
		return "", nil
	case "rfc3339":
		return time.RFC3339Nano, nil
	}
	out := strings.NewReplacer("YYYY", "2006", "YY", "06", "MM", "01", "DD", "02", "hh", "15", "mm", "04", "ss", "05", "+zzzz", "-0700", "+zz:zz", "-07:00").Replace(s)
	if !strings.Contains(out, "05") || !strings.Contains(out, "02") {
		return "", fmt.Errorf("%w: time %q; write it of YYYY or YY, MM, DD, hh, mm, ss, as DD.MM.YYYY hh:mm:ss; or use rfc3339, unix or unix_ms", ErrMap, s)
	}
	return out, nil
}
