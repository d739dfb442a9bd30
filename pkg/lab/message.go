package lab

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Message is a SIP message as it came: header values are kept byte for byte
// (unfolded and trimmed), because a judge must see a second tag or a stray
// Route that a parser for end points would tidy away.
type Message struct {
	Method string // "" in a response
	URI    string // Request-URI
	Code   int    // status code; 0 in a request
	Phrase string // reason phrase
	Body   []byte

	headers []header
}

type header struct{ name, value string }

// errMalformed says that bytes are not a SIP message.
var errMalformed = errors.New("not a SIP message")

// compact are the short header names (RFC 3261 section 7.3.3 and 20).
var compact = map[string]string{
	"i": "Call-ID", "m": "Contact", "e": "Content-Encoding", "l": "Content-Length",
	"c": "Content-Type", "f": "From", "s": "Subject", "k": "Supported", "t": "To", "v": "Via",
}

// ParseMessage reads one whole message, such as a datagram. It copies what it
// keeps.
func ParseMessage(raw []byte) (*Message, error) {
	text := string(raw)
	head, body, ok := strings.Cut(text, "\r\n\r\n")
	if !ok {
		return nil, fmt.Errorf("%w: no end of headers", errMalformed)
	}
	first, rest, _ := strings.Cut(head, "\r\n")
	m := &Message{headers: make([]header, 0, 16)}
	if err := m.startLine(first); err != nil {
		return nil, err
	}
	for rest != "" {
		var line string
		line, rest, _ = strings.Cut(rest, "\r\n")
		if (line[:min(1, len(line))] == " " || line[:min(1, len(line))] == "\t") && len(m.headers) > 0 {
			last := &m.headers[len(m.headers)-1]
			last.value = strings.TrimSpace(last.value + " " + strings.TrimSpace(line))
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%w: header line %q", errMalformed, line)
		}
		name = strings.TrimSpace(name)
		if long, ok := compact[strings.ToLower(name)]; ok {
			name = long
		}
		m.headers = append(m.headers, header{name, strings.TrimSpace(value)})
	}
	if n := m.contentLength(); n >= 0 && n < len(body) {
		body = body[:n]
	}
	m.Body = []byte(body)
	for _, name := range [...]string{"Via", "From", "To", "Call-ID", "CSeq"} {
		if m.Get(name) == "" {
			return nil, fmt.Errorf("%w: no %s", errMalformed, name)
		}
	}
	return m, nil
}

func (m *Message) startLine(line string) error {
	if status, ok := strings.CutPrefix(line, "SIP/2.0 "); ok {
		code, phrase, _ := strings.Cut(status, " ")
		n, err := strconv.Atoi(code)
		if err != nil || n < 100 || n > 699 {
			return fmt.Errorf("%w: status line %q", errMalformed, line)
		}
		m.Code, m.Phrase = n, phrase
		return nil
	}
	method, rest, ok1 := strings.Cut(line, " ")
	uri, ok2 := strings.CutSuffix(rest, " SIP/2.0")
	if !ok1 || !ok2 || method == "" || uri == "" {
		return fmt.Errorf("%w: start line %q", errMalformed, line)
	}
	m.Method, m.URI = method, uri
	return nil
}

// contentLength is -1 when the message does not tell.
func (m *Message) contentLength() int {
	n, err := strconv.Atoi(m.Get("Content-Length"))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// Get returns the first value of a header, "" when there is none.
func (m *Message) Get(name string) string {
	for i := range m.headers {
		if strings.EqualFold(m.headers[i].name, name) {
			return m.headers[i].value
		}
	}
	return ""
}

// All returns the values of every header line of that name, in order.
func (m *Message) All(name string) []string {
	var all []string
	for i := range m.headers {
		if strings.EqualFold(m.headers[i].name, name) {
			all = append(all, m.headers[i].value)
		}
	}
	return all
}

// List is All with comma-joined lines taken apart (RFC 3261 section 7.3.1).
func (m *Message) List(name string) []string {
	var all []string
	for _, line := range m.All(name) {
		all = append(all, splitList(line)...)
	}
	return all
}

// CSeq returns number and method of the CSeq header; 0 when it is malformed.
func (m *Message) CSeq() (uint32, string) {
	num, method, _ := strings.Cut(m.Get("CSeq"), " ")
	n, err := strconv.ParseUint(num, 10, 32)
	if err != nil {
		return 0, ""
	}
	return uint32(n), strings.TrimSpace(method)
}

// CallID returns the Call-ID.
func (m *Message) CallID() string { return m.Get("Call-ID") }

// branch is the branch of the top Via: with the method it names a transaction
// (RFC 3261 section 17.2.3).
func (m *Message) branch() string { return param(m.topVia(), "branch") }

func (m *Message) topVia() string {
	list := splitList(m.Get("Via"))
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// Bytes writes the message, with a Content-Length that is right.
func (m *Message) Bytes() []byte {
	var b bytes.Buffer
	b.Grow(1024)
	if m.Method != "" {
		b.WriteString(m.Method + " " + m.URI + " SIP/2.0\r\n")
	} else {
		b.WriteString("SIP/2.0 " + strconv.Itoa(m.Code) + " " + m.Phrase + "\r\n")
	}
	for _, h := range m.headers {
		if h.name == "Content-Length" {
			continue
		}
		b.WriteString(h.name + ": " + h.value + "\r\n")
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(m.Body)) + "\r\n\r\n")
	b.Write(m.Body)
	return b.Bytes()
}

// add appends a header line; an empty value adds nothing.
func (m *Message) add(name, value string) {
	if value != "" {
		m.headers = append(m.headers, header{name, value})
	}
}

// String is the start line, for messages to people.
func (m *Message) String() string {
	num, method := m.CSeq()
	if m.Method != "" {
		return fmt.Sprintf("%s %s (CSeq %d)", m.Method, m.URI, num)
	}
	return fmt.Sprintf("%d %s (CSeq %d %s)", m.Code, m.Phrase, num, method)
}
