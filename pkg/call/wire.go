package call

import (
	"encoding/binary"
	"errors"
)

// ErrWire means that bytes are no event that this byeguard can read.
var ErrWire = errors.New("not an event, or one of a newer byeguard")

// wire walks the fields of an event in their order on disk. New fields go to
// the end; a field is never taken out or moved. There is room for 64.
func (ev *Event) wire(w wireWalker) {
	w.text(&ev.Node)
	w.int64(&ev.Boot)
	w.uint64(&ev.Seq)
	w.uint64(&ev.Sent)
	w.int64(&ev.At)
	w.int64(&ev.Seen)
	w.text(&ev.CallID)
	w.text(&ev.FromTag)
	w.text(&ev.ToTag)
	w.text(&ev.CallerTag)
	w.uint32(&ev.Dialog.Entry)
	w.uint32(&ev.Dialog.ID)
	w.uint32(&ev.CSeq)
	w.text(&ev.Method)
	w.int(&ev.Code)
	w.text(&ev.Reason)
	w.text(&ev.Source)
	w.text(&ev.Socket)
	w.text(&ev.PeerSource)
	w.text(&ev.RURI)
	w.text(&ev.NextHop)
	w.text(&ev.Contact)
	w.text(&ev.RecordRoute)
	w.text(&ev.CommandID)
	w.int(&ev.State)
	w.int64(&ev.Setup)
	w.byte((*byte)(&ev.Held))
	w.byte((*byte)(&ev.Leg))
	for _, e := range [...]*Endpoint{&ev.Caller, &ev.Callee} {
		w.text(&e.URI)
		w.text(&e.Contact)
		w.text(&e.RouteSet)
		w.text(&e.Socket)
		w.uint32(&e.CSeq)
	}
	w.int64(&ev.Answer)
	w.int64(&ev.Since)
}

// wireWalker reads or writes one field after the other.
type wireWalker interface {
	text(*string)
	int64(*int64)
	uint64(*uint64)
	uint32(*uint32)
	int(*int)
	byte(*byte)
}

// AppendEvent appends the event to buf in a compact binary form that
// DecodeEvent reads: its kind by name, a bit for each field that is not zero,
// then those fields.
func AppendEvent(buf []byte, ev *Event) []byte {
	kind := ev.Kind.String()
	buf = append(append(buf, byte(len(kind))), kind...)
	at := len(buf)
	buf = append(buf, make([]byte, 8)...)
	w := wireWriter{buf: buf}
	ev.wire(&w)
	binary.LittleEndian.PutUint64(w.buf[at:], w.mask)
	return w.buf
}

type wireWriter struct {
	buf  []byte
	mask uint64
	bit  uint
}

// has notes whether the next field is there.
func (w *wireWriter) has(there bool) bool {
	if there {
		w.mask |= 1 << w.bit
	}
	w.bit++
	return there
}

func (w *wireWriter) text(s *string) {
	if w.has(*s != "") {
		w.buf = append(binary.AppendUvarint(w.buf, uint64(len(*s))), *s...)
	}
}

func (w *wireWriter) int64(v *int64) {
	if w.has(*v != 0) {
		w.buf = binary.AppendVarint(w.buf, *v)
	}
}

func (w *wireWriter) uint64(v *uint64) {
	if w.has(*v != 0) {
		w.buf = binary.AppendUvarint(w.buf, *v)
	}
}

func (w *wireWriter) uint32(v *uint32) { u := uint64(*v); w.uint64(&u) }
func (w *wireWriter) int(v *int)       { i := int64(*v); w.int64(&i) }
func (w *wireWriter) byte(v *byte)     { u := uint64(*v); w.uint64(&u) }

// DecodeEvent reads what AppendEvent wrote. The event's texts share one
// string, and none of them is longer than data.
func DecodeEvent(data []byte, ev *Event) error {
	*ev = Event{}
	if len(data) < 1 || len(data) < 1+int(data[0])+8 {
		return ErrWire
	}
	n := 1 + int(data[0])
	if ev.Kind = ParseKind(string(data[1:n])); ev.Kind == KindUnknown {
		return ErrWire
	}
	r := wireReader{mask: binary.LittleEndian.Uint64(data[n:]), data: data[n+8:]}
	r.all = string(r.data)
	ev.wire(&r)
	if r.bad || r.mask>>r.bit != 0 || len(r.data) != 0 {
		*ev = Event{}
		return ErrWire
	}
	return nil
}

type wireReader struct {
	data []byte
	all  string // data at the beginning, as the texts' common memory
	mask uint64
	bit  uint
	bad  bool
}

func (r *wireReader) has() bool {
	there := r.mask&(1<<r.bit) != 0
	r.bit++
	return there && !r.bad
}

// number reads an unsigned one.
func (r *wireReader) number() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *wireReader) text(s *string) {
	if !r.has() {
		return
	}
	n := r.number()
	if r.bad || n > uint64(len(r.data)) {
		r.bad = true
		return
	}
	at := len(r.all) - len(r.data)
	*s = r.all[at : at+int(n)]
	r.data = r.data[n:]
}

func (r *wireReader) int64(v *int64) {
	if !r.has() {
		return
	}
	i, n := binary.Varint(r.data)
	if n <= 0 {
		r.bad = true
		return
	}
	*v, r.data = i, r.data[n:]
}

func (r *wireReader) uint64(v *uint64) {
	if r.has() {
		*v = r.number()
	}
}

func (r *wireReader) uint32(v *uint32) {
	var u uint64
	r.uint64(&u)
	r.bad = r.bad || u > 1<<32-1
	*v = uint32(u)
}

func (r *wireReader) int(v *int) {
	var i int64
	r.int64(&i)
	*v = int(i)
}

func (r *wireReader) byte(v *byte) {
	var u uint64
	r.uint64(&u)
	r.bad = r.bad || u > 255
	*v = byte(u)
}
