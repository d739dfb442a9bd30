package lostlog

import (
	"bytes"
	"strconv"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Verdict says what a log line is.
type Verdict uint8

// Verdicts.
const (
	Other     Verdict = iota // nothing of interest
	Lost                     // "BYE not sent", with Call-ID and dialog
	Anonymous                // 5.6's line without Call-ID: no evidence, only counted
	Suspect                  // the words, but not where Kamailio itself would write them
)

// Line is what a Lost line says.
type Line struct {
	CallID string // as logged: syslog daemons may have replaced control characters
	Dialog call.DialogID
	At     int64 // the line's own time, Unix µs; 0 where it has none with date and zone
}

// The texts of send_bye() in src/modules/dialog/dlg_req_within.c: LM_WARN in
// 5.7.4 to 6.1, LM_ERR in 5.6.
var (
	phrase    = []byte("BYE not sent.")
	beforeID  = []byte("] with callid ")
	afterID   = []byte(" already in deleted state, BYE not sent.")
	anonymous = []byte("terminating non-confirmed dialogs not supported")

	colon    = []byte(": ")
	module   = []byte("dialog")
	source   = []byte("dlg_req_within.c:")
	function = []byte("send_bye(): ")
)

// ParseLine reads one line of a log file: Kamailio's message behind a syslog
// header, or as it prints it to stderr (-E), or both.
func ParseLine(line []byte) (Line, Verdict) {
	line = bytes.TrimRight(line, " \t\r\n")
	if !interesting(line) {
		return Line{}, Other
	}
	out, verdict := parse(line)
	if verdict == Suspect {
		// A syslog header ends at the first ": " (its own times have no space
		// behind the colon). Only what stands right behind it counts.
		if head, rest, ok := bytes.Cut(line, colon); ok && level(head) == "" {
			out, verdict = parse(rest)
		}
	}
	if verdict == Lost {
		out.At = timestamp(line)
	}
	return out, verdict
}

// ParseMessage reads a message without a syslog header, as the journal has it.
func ParseMessage(msg []byte) (Line, Verdict) {
	msg = bytes.TrimRight(msg, " \t\r\n")
	if !interesting(msg) {
		return Line{}, Other
	}
	return parse(msg)
}

func interesting(line []byte) bool {
	return bytes.HasSuffix(line, phrase) || bytes.HasSuffix(line, anonymous)
}

// parse reads "LEVEL: dialog [FILE:LINE]: send_bye(): TEXT" (LOG_FX and
// LOC_INFO in core/dprint.h). With log_prefix set, Kamailio puts text of the
// operator's choice, most often a Call-ID, between level and module; it cannot
// be told from forged text, so such lines stay suspect.
func parse(msg []byte) (Line, Verdict) {
	head, rest, ok := bytes.Cut(msg, colon)
	lvl := level(head)
	if !ok || lvl == "" {
		return Line{}, Suspect
	}
	place, text, ok := cutPlace(rest)
	if !ok || !dialogModule(place) {
		return Line{}, Suspect
	}
	switch {
	case lvl == "ERROR" && bytes.Equal(text, anonymous):
		return Line{}, Anonymous
	case lvl == "WARNING":
		return parseText(text)
	}
	return Line{}, Suspect
}

// cutPlace splits at the function; the first one counts.
func cutPlace(rest []byte) (place, text []byte, ok bool) {
	at := bytes.Index(rest, function)
	if at < 0 {
		return nil, nil, false
	}
	return rest[:at], rest[at+len(function):], true
}

// dialogModule knows "dialog [dlg_req_within.c:388]: ", the same with a path
// before the file's name, and "dialog: " of builds without locations.
func dialogModule(place []byte) bool {
	p, ok := bytes.CutSuffix(place, colon)
	if !ok {
		return false
	}
	p, ok = bytes.CutPrefix(p, module)
	if !ok || len(p) == 0 {
		return ok
	}
	inner, ok1 := bytes.CutPrefix(p, []byte(" ["))
	inner, ok2 := bytes.CutSuffix(inner, []byte("]"))
	at := bytes.LastIndexByte(inner, '/') + 1
	number, ok3 := bytes.CutPrefix(inner[at:], source)
	return ok1 && ok2 && ok3 && digits(number) && !bytes.ContainsAny(inner, " []\"'")
}

// parseText reads "dlg [E:I] with callid C already in deleted state, BYE not
// sent." The Call-ID is all between the first "] with callid " and the end, so
// it may hold these very words.
func parseText(text []byte) (Line, Verdict) {
	ids, ok1 := bytes.CutPrefix(text, []byte("dlg ["))
	ids, id, ok2 := bytes.Cut(ids, beforeID)
	id, ok3 := bytes.CutSuffix(id, afterID)
	entry, number, ok4 := bytes.Cut(ids, []byte{':'})
	if !ok1 || !ok2 || !ok3 || !ok4 || len(id) == 0 {
		return Line{}, Suspect
	}
	e, err1 := parseUint32(entry)
	i, err2 := parseUint32(number)
	if err1 != nil || err2 != nil {
		return Line{}, Suspect
	}
	return Line{CallID: string(id), Dialog: call.DialogID{Entry: e, ID: i}}, Lost
}

func parseUint32(b []byte) (uint32, error) {
	if !digits(b) {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseUint(string(b), 10, 32)
	return uint32(n), err
}

func digits(b []byte) bool {
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
	}
	return len(b) > 0
}

// level returns the level's name if head is one, alone or as stderr has it:
// "%2d(%d) LEVEL", process number and pid.
func level(head []byte) string {
	head = bytes.TrimLeft(head, " ")
	if number, rest, ok := bytes.Cut(head, []byte{'('}); ok && digits(number) {
		pid, name, ok := bytes.Cut(rest, []byte(") "))
		if !ok || !digits(pid) {
			return ""
		}
		head = name
	}
	switch s := string(head); s {
	case "ALERT", "BUG", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG":
		return s
	}
	return ""
}

// timestamp reads the RFC 3339 time that rsyslog writes today; the traditional
// form has neither year nor zone.
func timestamp(line []byte) int64 {
	word, _, _ := bytes.Cut(line, []byte{' '})
	if len(word) < len("2006-01-02T15:04:05Z") || len(word) > 64 || word[10] != 'T' {
		return 0
	}
	t, err := time.Parse(time.RFC3339Nano, string(word))
	if err != nil || t.Year() < 2000 {
		return 0
	}
	return t.UnixMicro()
}
