package store

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Type OIDs of array elements (PostgreSQL, pg_type.dat).
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt4        = 23
	oidText        = 25
	oidTimestamptz = 1184
)

// Bounds of what is stored as a time: Unix µs of the years 1970 and 9999, and
// PostgreSQL's epoch (2000-01-01).
const (
	maxMicros = 253402300799999999
	pgEpoch   = 946684800000000
)

// array is a one-dimensional PostgreSQL array in its binary form (array_recv in
// the server's arrayfuncs.c): it costs the server far less than text, and bytes
// need no escaping. The parameter goes out in binary since the connection has
// binary_parameters.
type array struct {
	buf []byte
	n   uint32
}

// arrayHeader is: dimensions, has-nulls, element type, length, lower bound.
const arrayHeader = 20

func (a *array) reset(oid uint32) {
	if cap(a.buf) > 4<<20 {
		a.buf = nil // a burst is over
	}
	a.buf = append(a.buf[:0], make([]byte, arrayHeader)...)
	binary.BigEndian.PutUint32(a.buf[0:], 1)
	binary.BigEndian.PutUint32(a.buf[8:], oid)
	binary.BigEndian.PutUint32(a.buf[16:], 1)
	a.n = 0
}

// value is the parameter; it is good until the next reset.
func (a *array) value() []byte {
	binary.BigEndian.PutUint32(a.buf[12:], a.n)
	return a.buf
}

func (a *array) head(length int) {
	a.n++
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(length))
}

func (a *array) null() {
	a.buf[7] = 1
	a.n++
	a.buf = binary.BigEndian.AppendUint32(a.buf, math.MaxUint32)
}

// text appends s as it is: the caller escapes.
func (a *array) text(s string) {
	a.head(len(s))
	a.buf = append(a.buf, s...)
}

func (a *array) bytes(b []byte) {
	a.head(len(b))
	a.buf = append(a.buf, b...)
}

func (a *array) int8(v int64) {
	a.head(8)
	a.buf = binary.BigEndian.AppendUint64(a.buf, uint64(v))
}

func (a *array) int4(v int) {
	a.head(4)
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(clamp32(v)))
}

func (a *array) bool(v bool) {
	a.head(1)
	b := byte(0)
	if v {
		b = 1
	}
	a.buf = append(a.buf, b)
}

// micros appends Unix µs as a time; 0 is NULL.
func (a *array) micros(us int64) {
	if us == 0 {
		a.null()
		return
	}
	a.int8(clampMicros(us) - pgEpoch)
}

// time appends a time; the zero time is NULL.
func (a *array) time(t time.Time) {
	if t.IsZero() {
		a.null()
		return
	}
	a.int8(clampMicros(t.UnixMicro()) - pgEpoch)
}

func (a *array) key(k call.Key) { a.bytes(k[:]) }

func clampMicros(us int64) int64 { return min(max(us, 0), maxMicros) }

func clamp32(v int) int32 { return int32(min(max(v, math.MinInt32), math.MaxInt32)) }

// columns is a set of arrays of equal length: the parameters of one statement.
type columns struct {
	cols []array
	args []any
}

// begin empties the columns and gives them these element types, always the
// same ones.
func (c *columns) begin(oids ...uint32) []array {
	if c.cols == nil {
		c.cols = make([]array, len(oids))
	}
	for i, oid := range oids {
		c.cols[i].reset(oid)
	}
	return c.cols
}

// params returns the columns as parameters, with more appended.
func (c *columns) params(more ...any) []any {
	c.args = c.args[:0]
	for i := range c.cols {
		c.args = append(c.args, c.cols[i].value())
	}
	return append(c.args, more...)
}

// len is the number of rows.
func (c *columns) len() int { return int(c.cols[0].n) }
