package table

import "fmt"

// Format is the form of a list.
type Format string

// Formats. JSON is one array of objects; CSV is that of RFC 4180 with a header.
const (
	Text Format = "table"
	JSON Format = "json"
	CSV  Format = "csv"
)

// ParseFormat reads the name of a format; "" is Text.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case Text, JSON, CSV:
		return f, nil
	case "":
		return Text, nil
	}
	return "", fmt.Errorf("output %q is unknown: use table, json or csv", name)
}
