package guard

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/byeguard/byeguard/pkg/call"
)

// Kinds of entries in the journal. An entry is its length, its kind, the number
// of its call, and what belongs to the kind.
const (
	noteBegin = 'b' // an event that a call began with
	noteInput = 'i' // any later event: the proxy's, an answer, an outcome, a tick that had an effect
	noteState = 's' // the whole call: nothing before it is needed to know it
	noteDrop  = 'd' // the call was forgotten
	notePlace = 'p' // how far a node's events were read that belong to no call
)

// Place is how far the events of a node were read.
type Place struct {
	Boot int64
	Seq  uint64
	At   int64 // the proxy's clock there, Unix µs
}

// filed says where the journal holds a call.
type filed struct {
	serial     uint64 // the call's number in the journal
	base, last uint64 // positions of what it begins with there, and of the newest entry
	prev, next *entry // in the lane's order of bases
	bare       bool   // it is not there yet: see Guard.WriteDown
}

// notes is what a lane has to write down of one turn.
type notes struct {
	buf    []byte
	n      int
	marks  []mark
	strays bool
	places map[string]Place
}

type mark struct {
	e    *entry
	at   int // place among the turn's entries
	base bool
}

// add appends one entry; what is made by body.
func (s *notes) add(kind byte, serial uint64, body func([]byte) []byte) {
	// The length goes in front: room for it is made first, and what is too much
	// is closed up.
	const room = 4
	at := len(s.buf)
	s.buf = append(s.buf, 0, 0, 0, 0, kind)
	s.buf = binary.AppendUvarint(s.buf, serial)
	if body != nil {
		s.buf = body(s.buf)
	}
	binary.LittleEndian.PutUint32(s.buf[at:], uint32(len(s.buf)-at-room))
	s.n++
}

// filed notes the positions of the turn's entries, the last being at last.
func (s *notes) filed(last uint64) {
	first := last - uint64(s.n) + 1
	for _, m := range s.marks {
		m.e.filed.last = first + uint64(m.at)
		if m.base {
			m.e.filed.base = m.e.filed.last
		}
	}
	clear(s.marks)
	s.buf, s.n, s.marks = s.buf[:0], 0, s.marks[:0]
	if cap(s.buf) > 1<<20 {
		s.buf = nil
	}
}

// passed notes an event of no call: it was read all the same.
func (s *notes) passed(ev *call.Event) {
	if ev.Seq == 0 || ev.Node == "" {
		return
	}
	if s.places == nil {
		s.places = make(map[string]Place)
	}
	s.strays = true
	s.places[ev.Node] = Place{ev.Boot, ev.Seq, ev.At}
}

func (s *notes) addPlaces() {
	if !s.strays {
		return
	}
	s.strays = false
	for node, p := range s.places {
		s.add(notePlace, 0, func(b []byte) []byte {
			b = binary.AppendVarint(binary.AppendUvarint(binary.AppendVarint(b, p.Boot), p.Seq), p.At)
			return append(b, node...)
		})
	}
	clear(s.places)
}

func (l *lane) noteInput(e *entry, ev *call.Event) {
	kind := byte(noteInput)
	if !e.filed.linked(l) {
		kind = noteBegin
		l.bases.add(e)
	}
	l.notes.marks = append(l.notes.marks, mark{e, l.notes.n, kind == noteBegin})
	l.notes.add(kind, e.filed.serial, func(b []byte) []byte { return call.AppendEvent(b, ev) })
}

// noteState writes the whole call down anew.
func (l *lane) noteState(e *entry) { l.noteCall(e, e.call) }

// noteCall writes the call down as it is in c.
func (l *lane) noteCall(e *entry, c *call.Call) {
	if l.opts.Journal == nil {
		return
	}
	var blob bytes.Buffer
	if err := stateForm.MarshalToBuffer(c, &blob); err != nil {
		l.opts.Logger.WithError(err).WithField("call", e.call.Key.String()).Error("call cannot be written to the journal")
		return
	}
	e.filed.bare = false
	l.bases.remove(e)
	l.bases.add(e)
	l.notes.marks = append(l.notes.marks, mark{e, l.notes.n, true})
	l.notes.add(noteState, e.filed.serial, func(b []byte) []byte { return append(b, blob.Bytes()...) })
}

func (l *lane) noteDrop(e *entry) {
	if l.opts.Journal != nil && e.filed.linked(l) {
		l.notes.add(noteDrop, e.filed.serial, nil)
	}
}

// SIP texts may be invalid UTF-8, which CBOR's text strings should not be: the
// states are our own, so both sides agree to let them pass.
var (
	stateForm = func() cbor.UserBufferEncMode {
		m, err := cbor.EncOptions{}.UserBufferEncMode()
		if err != nil {
			panic(err) // the options are constants
		}
		return m
	}()
	stateRead = func() cbor.DecMode {
		m, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()
		if err != nil {
			panic(err) // the options are constants
		}
		return m
	}()
)

// errNote means that an entry of the journal makes no sense.
var errNote = errors.New("entry makes no sense")

// cutNote takes the first entry off the front.
func cutNote(data []byte) (kind byte, serial uint64, body, rest []byte, err error) {
	if len(data) < 4 {
		return 0, 0, nil, nil, errNote
	}
	n := uint64(binary.LittleEndian.Uint32(data))
	data = data[4:]
	if n < 2 || n > uint64(len(data)) {
		return 0, 0, nil, nil, errNote
	}
	body, rest = data[1:n], data[n:]
	serial, k := binary.Uvarint(body)
	if k <= 0 {
		return 0, 0, nil, nil, errNote
	}
	return data[0], serial, body[k:], rest, nil
}

func readPlace(body []byte) (node string, p Place, err error) {
	boot, k := binary.Varint(body)
	if k <= 0 {
		return "", p, errNote
	}
	seq, m := binary.Uvarint(body[k:])
	if m <= 0 {
		return "", p, fmt.Errorf("place: %w", errNote)
	}
	at, n := binary.Varint(body[k+m:])
	if n <= 0 {
		return "", p, fmt.Errorf("place: %w", errNote)
	}
	return string(body[k+m+n:]), Place{boot, seq, at}, nil
}
