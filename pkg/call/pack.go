package call

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
	buf := make([]byte, 0, n)
	for _, f := range all {
		buf = append(buf, *f...)
	}
	s := string(buf)
	for _, f := range all {
		k := len(*f)
		*f, s = s[:k], s[k:]
	}
}
