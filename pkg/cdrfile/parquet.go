package cdrfile

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/table"
)

// rowGroup is how many records are held in memory and written together. Readers
// want large groups, memory small ones.
const rowGroup = 50_000

// Parquet writes Apache Parquet: texts as UTF-8 strings, times as timestamps in
// µs (UTC), money as DECIMAL(18,6), numbers as INT64; what is not known is null.
type Parquet struct {
	w    *parquet.GenericWriter[any]
	rows []parquet.Row
	held int // rows since the last group
}

// batchRows is how many rows are handed to the library at once.
const batchRows = 256

// NewParquet begins a file; meta are notes on it for whoever asks.
func NewParquet(w io.Writer, meta map[string]string) *Parquet {
	p := &Parquet{w: parquet.NewGenericWriter[any](w, parquetSchema,
		parquet.Compression(&parquet.Zstd), parquet.CreatedBy("byeguard", strconv.Itoa(billing.SchemaVersion), ""))}
	p.w.SetKeyValueMetadata("byeguard.schema", strconv.Itoa(billing.SchemaVersion))
	for k, v := range meta {
		p.w.SetKeyValueMetadata(k, v)
	}
	return p
}

// Write adds a record.
func (p *Parquet) Write(r *billing.Record) error {
	if len(p.rows) == cap(p.rows) {
		p.rows = append(make([]parquet.Row, 0, batchRows), p.rows...)
	}
	p.rows = p.rows[:len(p.rows)+1]
	row := &p.rows[len(p.rows)-1]
	*row = (*row)[:0]
	for i := range fields {
		*row = append(*row, value(&fields[i], r).Level(0, level(&fields[i], r), i))
	}
	if len(p.rows) < batchRows {
		return nil
	}
	return p.flush()
}

func (p *Parquet) flush() error {
	if _, err := p.w.WriteRows(p.rows); err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	p.held += len(p.rows)
	p.rows = p.rows[:0]
	if p.held < rowGroup {
		return nil
	}
	p.held = 0
	return p.w.Flush()
}

// Close writes the rest and the file's end, without which it cannot be read.
func (p *Parquet) Close() error {
	if len(p.rows) > 0 {
		if err := p.flush(); err != nil {
			return err
		}
	}
	if err := p.w.Close(); err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	return nil
}

// optional says that a field may hold nothing.
func optional(f *Field) bool { return f.Kind != Text && f.Kind != Bool }

// level is the definition level: 1 where an optional value is there.
func level(f *Field, r *billing.Record) int {
	if !optional(f) {
		return 0
	}
	if _, ok := f.num(r); ok {
		return 1
	}
	return 0
}

func value(f *Field, r *billing.Record) parquet.Value {
	if f.Kind == Text {
		return parquet.ByteArrayValue([]byte(table.Exact(f.text(r))))
	}
	v, ok := f.num(r)
	switch {
	case !ok:
		return parquet.NullValue()
	case f.Kind == Bool:
		return parquet.BooleanValue(v != 0)
	}
	return parquet.Int64Value(v)
}

// parquetSchema is made of fields, as a struct since those keep their order.
var parquetSchema = func() *parquet.Schema {
	members := make([]reflect.StructField, len(fields))
	for i := range fields {
		f := &fields[i]
		m := reflect.StructField{Name: "F" + strconv.Itoa(i), Type: reflect.TypeFor[int64]()}
		options := []string{f.Name}
		switch f.Kind {
		case Text:
			m.Type = reflect.TypeFor[string]()
		case Bool:
			m.Type = reflect.TypeFor[bool]()
		case Time:
			options = append(options, "timestamp(microsecond)")
		case Money:
			options = append(options, fmt.Sprintf("decimal(%d:18)", billing.MoneyDecimals))
		case Int:
		}
		if optional(f) {
			options = append(options, "optional")
		}
		m.Tag = reflect.StructTag(`parquet:"` + strings.Join(options, ",") + `"`)
		members[i] = m
	}
	return parquet.NewSchema("cdr", parquet.SchemaOf(reflect.New(reflect.StructOf(members)).Interface()))
}()
