package evapi

import (
	"encoding/base64"
	"slices"

	"github.com/byeguard/byeguard/pkg/call"
)

// FrameKind says what a frame holds.
type FrameKind uint8

// Kinds of frames. FrameNone stands for one that could not be understood.
const (
	FrameNone FrameKind = iota
	FrameEvent
	FrameHello // the answer to hello
	FrameSync  // the answer to sync
)

// Frame is what the reader itself wants to know of a frame. After an error it
// holds what was understood before and behind the wrong key, so that one bad
// value does not also look like a hole in the sequence.
type Frame struct {
	Kind    FrameKind
	Seq     uint32 // the proxy's event number, modulo 2^32; hello and sync: the last one given out
	HasSeq  bool
	Boot    int64
	HasBoot bool
	Sent    int64 // the relay counter as the proxy printed it: what is to be acknowledged
	HasSent bool
	Control *Control // hello and sync only
}

// Control is the body of a hello or sync frame.
type Control struct {
	Node    string // BYEGUARD_NODE of the proxy's configuration
	Boot    int64  // boot identity
	Seq     uint32 // last event number given out, modulo 2^32
	Sent    int64  // relay counter, as printed
	Limit   int    // credit limit: how many relayed frames may be unacknowledged; 0 = not told
	Version string // Kamailio's version; hello only
	At      int64  // the proxy's clock, Unix µs
}

// Decoder turns frames into events. It is not safe for concurrent use: its
// scratch memory is used again for every frame.
type Decoder struct {
	// Node is set as Event.Node: the node's name in byeguard's configuration.
	Node string

	text    []byte // all decoded texts of one frame, one behind the other
	spans   []span // where they belong
	control Control
}

type span struct {
	dst      *string
	from, to int
}

const prefix = `{"bg":1,`

// Decode reads one frame. ev must be a zero Event; it is filled when
// Frame.Kind is FrameEvent and the error is nil, and zero again after an error.
// Events cost one allocation: the string that all their texts are slices of.
//
// The error is ErrForeign or ErrVersion for frames that are none of ours, and a
// *DecodeError for those that should be.
func (d *Decoder) Decode(frame []byte, ev *call.Event) (Frame, error) {
	if len(frame) < len(prefix) || string(frame[:len(prefix)]) != prefix {
		return Frame{}, strange(frame)
	}
	d.text, d.spans = d.text[:0], d.spans[:0]
	d.control = Control{}
	var (
		out   Frame
		bad   *DecodeError
		seen  uint64 // one bit per known key
		begin = scanner{b: frame, i: len(prefix)}
	)
	for s := &begin; ; {
		name, ok := s.key()
		if !ok {
			return d.fail(out, ev, &DecodeError{Problem: "malformed JSON where a key should be"})
		}
		kind, raw, ok := s.value()
		if !ok {
			return d.fail(out, ev, &DecodeError{Key: clip(name), Problem: "malformed JSON value"})
		}
		if field := lookup(name); field != keyUnknown {
			if seen&(1<<field) != 0 {
				// Never legal from our routes: a value broke out of its place.
				bad = &DecodeError{Key: clip(name), Problem: "given twice"}
			}
			seen |= 1 << field
			if problem := d.set(field, kind, raw, ev, &out); problem != "" && bad == nil {
				bad = &DecodeError{Key: clip(name), Problem: problem}
			}
		}
		again, ok := s.more()
		if !ok {
			return d.fail(out, ev, &DecodeError{Problem: "malformed JSON after key " + clip(name)})
		}
		if !again {
			break
		}
	}
	if bad == nil {
		bad = required(seen)
	}
	if bad != nil {
		return d.fail(out, ev, bad)
	}
	d.finish(ev, &out)
	return out, nil
}

// fail returns what is known of a bad frame, and leaves no half-made event.
func (d *Decoder) fail(out Frame, ev *call.Event, err *DecodeError) (Frame, error) {
	*ev = call.Event{}
	out.Kind = FrameNone
	return out, err
}

// finish makes the one string of all texts and gives each field its part.
func (d *Decoder) finish(ev *call.Event, out *Frame) {
	if len(d.text) > 0 {
		all := string(d.text)
		for _, s := range d.spans {
			*s.dst = all[s.from:s.to]
		}
	}
	if out.Kind != FrameEvent {
		c := d.control
		c.Boot, c.Seq, c.Sent, c.At = out.Boot, out.Seq, out.Sent, ev.At
		out.Control = &c
		*ev = call.Event{}
		return
	}
	ev.Node, ev.Boot = d.Node, out.Boot
	ev.Seq, ev.Sent = uint64(out.Seq), uint64(uint32(out.Sent))
}

// set stores one value; it answers with what is wrong with it.
func (d *Decoder) set(k key, kind valueKind, raw []byte, ev *call.Event, out *Frame) string {
	switch k {
	case keyKind:
		return setKind(kind, raw, ev, out)
	case keyBoot:
		out.HasBoot = true
		return setInt(&out.Boot, kind, raw)
	case keySeq:
		n, problem := signed(kind, raw)
		out.Seq, out.HasSeq = uint32(n), problem == ""
		return problem
	case keySent:
		problem := setInt(&out.Sent, kind, raw)
		out.HasSent = problem == ""
		return problem
	case keyTime:
		return setMicros(&ev.At, kind, raw)
	case keySetup:
		return setMicros(&ev.Setup, kind, raw)
	case keyDialog:
		return setDialog(&ev.Dialog, kind, raw)
	case keyCode:
		return setSmall(&ev.Code, kind, raw)
	case keyState:
		return setSmall(&ev.State, kind, raw)
	case keyLimit:
		return setSmall(&d.control.Limit, kind, raw)
	case keyCSeq:
		return setCSeq(&ev.CSeq, kind, raw)
	case keyCallerCSeq:
		return setCSeq(&ev.Caller.CSeq, kind, raw)
	case keyCalleeCSeq:
		return setCSeq(&ev.Callee.CSeq, kind, raw)
	}
	return d.setText(d.textField(k, ev), kind, raw)
}

// setText decodes a base64 text behind the others of the frame.
func (d *Decoder) setText(dst *string, kind valueKind, raw []byte) string {
	if absent(kind, raw) {
		return ""
	}
	if kind != valString {
		return "not a base64 text"
	}
	from := len(d.text)
	d.text = slices.Grow(d.text, base64.StdEncoding.DecodedLen(len(raw)))
	n, err := base64.StdEncoding.Decode(d.text[from:cap(d.text)], raw)
	if err != nil {
		return "not base64"
	}
	d.text = d.text[:from+n]
	d.spans = append(d.spans, span{dst, from, from + n})
	return ""
}

// required says which key of every frame is missing.
func required(seen uint64) *DecodeError {
	for _, k := range [...]key{keyKind, keyBoot, keySeq, keyTime} {
		if seen&(1<<k) == 0 {
			return &DecodeError{Key: keyNames[k], Problem: "missing"}
		}
	}
	return nil
}

// strange tells another version of byeguard's protocol from other frames.
func strange(frame []byte) error {
	const head = `{"bg":`
	if len(frame) <= len(head) || string(frame[:len(head)]) != head {
		return ErrForeign
	}
	i := len(head)
	for i < len(frame) && frame[i]-'0' <= 9 {
		i++
	}
	if i == len(head) || i == len(frame) || frame[i] != ',' && frame[i] != '}' {
		return ErrForeign
	}
	return ErrVersion
}

// clip keeps a hostile key from filling a log line.
func clip(name []byte) string { return string(name[:min(len(name), 32)]) }
