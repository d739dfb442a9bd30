package call

import "strings"

// pack gathers the call's texts in one allocation of their own, so that they do
// not keep the events alive that they came from.
func (c *Call) pack() {
	var fields [2 + 2*7]*string
	all := append(fields[:0], &c.CallID, &c.Cause)
	for i := range c.Legs {
		l := &c.Legs[i]
		all = append(all, &l.Tag, &l.URI, &l.Contact, &l.RouteSet, &l.Socket, &l.Source, &l.NextContact)
	}
	n := 0
	for _, f := range all {
		n += len(*f)
	}
	var b strings.Builder
	b.Grow(n)
	for _, f := range all {
		b.WriteString(*f)
	}
	s := b.String()
	for _, f := range all {
		k := len(*f)
		*f, s = s[:k], s[k:]
	}
}
