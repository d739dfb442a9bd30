package store

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/byeguard/byeguard/pkg/billing"
)

// Page is some records as PostgreSQL sent them. Rows decodes them, so that this
// can be another goroutine's work than reading. A Page is used again and again;
// its rows are good until then.
type Page struct {
	raw  []byte
	ends []int // of each record in raw
	rows []billing.Row
	at   sql.RawBytes
}

func (p *Page) reset() { p.raw, p.ends, p.rows = p.raw[:0], p.ends[:0], p.rows[:0] }

func (p *Page) add(rows *sql.Rows) error {
	if err := rows.Scan(&p.at); err != nil {
		return err
	}
	p.raw = append(p.raw, p.at...)
	p.ends = append(p.ends, len(p.raw))
	return nil
}

// Len is how many records there are.
func (p *Page) Len() int { return len(p.ends) }

// Rows decodes the page. The rows and their texts belong to it.
func (p *Page) Rows() ([]billing.Row, error) {
	if len(p.rows) != len(p.ends) {
		if err := p.decode(); err != nil {
			return nil, err
		}
	}
	return p.rows, nil
}

func (p *Page) decode() error {
	p.rows = p.rows[:0]
	from := 0
	for _, end := range p.ends {
		p.rows = append(p.rows, billing.Row{})
		d := recordReader{b: p.raw[from:end]}
		d.row(&p.rows[len(p.rows)-1])
		if d.err != nil {
			return fmt.Errorf("read CDRs: %w", d.err)
		}
		from = end
	}
	return nil
}

// recordReader reads the binary form of a record (PostgreSQL, record_send in
// rowtypes.c): the number of columns, then type, length and value of each.
type recordReader struct {
	b   []byte
	err error
}

var errRecord = errors.New("PostgreSQL sent a record of another form")

// rowFields is how many columns rowColumns has.
const rowFields = 35

// row reads the columns in the order of rowColumns.
func (d *recordReader) row(r *billing.Row) {
	if len(d.b) < 4 || binary.BigEndian.Uint32(d.b) != rowFields {
		d.err = errRecord
		return
	}
	d.b = d.b[4:]
	r.Seq = d.int(0)
	copy(r.Key[:], d.next())
	r.Started = d.time()
	r.Revision = int(d.int(1))
	r.Why = d.text()
	r.Part = int(d.int(0))
	r.Until = d.time()
	for _, s := range [...]*string{&r.State, &r.Disposition, &r.Node, &r.CallID, &r.CallerTag, &r.CalleeTag,
		&r.CallerURI, &r.CalleeURI, &r.CallerAddr, &r.CalleeAddr} {
		*s = d.text()
	}
	r.Setup, r.Answered, r.Confirmed, r.Ended = d.time(), d.time(), d.time(), d.time()
	r.DurationMS = d.int(-1)
	r.CallerEnd, r.CallerHow = d.time(), d.text()
	r.CalleeEnd, r.CalleeHow = d.time(), d.text()
	r.Closed = d.time()
	r.Released = d.text()
	r.Code = int(d.int(0))
	r.Cause = d.text()
	r.Repaired = d.bool()
	r.RepairedLeg, r.RepairWhy = d.text(), d.text()
	r.Attempts = int(d.int(0))
	r.NotSeen = d.text()
	if r.Part > 0 && r.Answered != 0 && r.Until > r.Answered {
		r.DurationMS = (r.Until - r.Answered) / 1000
	}
}

// next returns the value of the next column, nil for NULL.
func (d *recordReader) next() []byte {
	if d.err != nil || len(d.b) < 8 {
		d.err = errRecord
		return nil
	}
	n := int32(binary.BigEndian.Uint32(d.b[4:]))
	d.b = d.b[8:]
	if n < 0 {
		return nil
	}
	if int(n) > len(d.b) {
		d.err = errRecord
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *recordReader) text() string {
	v := d.next()
	return Unescape(unsafe.String(unsafe.SliceData(v), len(v))) //nolint:gosec // the page's own memory, see Page
}

func (d *recordReader) int(null int64) int64 {
	switch v := d.next(); len(v) {
	case 8:
		return int64(binary.BigEndian.Uint64(v))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	}
	return null
}

func (d *recordReader) bool() bool {
	v := d.next()
	return len(v) == 1 && v[0] != 0
}

// time reads a timestamptz; infinities are as good as not known.
func (d *recordReader) time() int64 {
	v := d.next()
	if len(v) != 8 {
		return 0
	}
	us := int64(binary.BigEndian.Uint64(v))
	if us == -1<<63 || us == 1<<63-1 {
		return 0
	}
	return us + pgEpoch
}
