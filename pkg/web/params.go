package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// params reads the query of a request. It gathers what is wrong with it.
type params struct {
	values url.Values
	known  []string
	errs   []fieldError
}

// maxParam bounds one value: Call-IDs of some thousand bytes are seen.
const maxParam = 8 << 10

func readParams(r *http.Request) *params {
	values, err := url.ParseQuery(r.URL.RawQuery)
	p := &params{values: values}
	if err != nil {
		p.bad("query", "it cannot be parsed: encode special characters as %%XX")
	}
	return p
}

func (p *params) bad(name, format string, args ...any) {
	p.errs = append(p.errs, fieldError{Name: name, Detail: fmt.Sprintf(format, args...)})
}

// text returns the value of a parameter, "" where it is not given.
func (p *params) text(name string) string {
	p.known = append(p.known, name)
	list := p.values[name]
	switch {
	case len(list) == 0:
		return ""
	case len(list) > 1:
		p.bad(name, "give it once")
	case len(list[0]) > maxParam:
		p.bad(name, "it is longer than %d bytes", maxParam)
	case !utf8.ValidString(list[0]) || strings.ContainsRune(list[0], 0):
		p.bad(name, `it is no UTF-8 text: write bytes of a Call-ID that are none as \xHH, as the API does`)
	default:
		return list[0]
	}
	return ""
}

func (p *params) oneOf(name string, words ...string) string {
	v := p.text(name)
	if v != "" && !slices.Contains(words, v) {
		p.bad(name, "%q is unknown: use %s", short(v), strings.Join(words, ", "))
		return ""
	}
	return v
}

func (p *params) time(name string) time.Time {
	v := p.text(name)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil || t.Year() < 1970 || t.Year() > 9000 {
		p.bad(name, "%q is no time: use RFC 3339, as 2026-11-23T16:00:00Z", short(v))
		return time.Time{}
	}
	return t
}

func (p *params) limit() int {
	v := p.text("limit")
	if v == "" {
		return 100
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxList {
		p.bad("limit", "%q: use 1 to %d", short(v), maxList)
		return 1
	}
	return n
}

func (p *params) cursor() (c Cursor) {
	v := p.text("after")
	if v == "" {
		return c
	}
	c, err := ParseCursor(v)
	if err != nil {
		p.bad("after", "%q is no cursor: use the next of an earlier answer", short(v))
	}
	return c
}

// err says what is wrong, parameters that mean nothing included.
func (p *params) err() error {
	for name := range p.values {
		if !slices.Contains(p.known, name) {
			p.bad(short(name), "unknown parameter; known are %s", strings.Join(p.known, ", "))
		}
	}
	if len(p.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(p.errs, func(a, b fieldError) int { return strings.Compare(a.Name, b.Name) })
	return badRequest(p.errs)
}

func (p *params) times(q *Query) {
	q.Since, q.Until = p.time("since"), p.time("until")
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		p.bad("until", "it is not after since")
	}
}

// short is a text as an error quotes it.
func short(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// String returns the cursor as the API writes it.
func (c Cursor) String() string { return strconv.FormatInt(c.At.UnixMicro(), 10) + "." + c.ID }

// ParseCursor reads what String wrote.
func ParseCursor(text string) (Cursor, error) {
	at, id, ok := strings.Cut(text, ".")
	us, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || us <= 0 || us > 1<<57 || id == "" || len(id) > 64 {
		return Cursor{}, errors.New("no cursor")
	}
	for _, r := range id {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return Cursor{}, errors.New("no cursor")
		}
	}
	return Cursor{At: time.UnixMicro(us).UTC(), ID: id}, nil
}

// readBody reads a JSON object.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return newProblem(http.StatusUnsupportedMediaType, "use Content-Type: application/json")
	}
	body := http.MaxBytesReader(w, r.Body, maxBody)
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); err == nil {
			err = errors.New("there is more than one value")
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return newProblem(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", maxBody)
	case err != nil:
		return newProblem(http.StatusBadRequest, "the body is not the JSON that is wanted: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
