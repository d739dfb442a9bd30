package call

import "strings"

// pack gathers the call's texts in one allocation of their own, so that they do
// not keep the events alive that they came from.
func (c *Call) pack() {
	n := len(c.CallID) + len(c.Cause)
	for i := range c.Legs {
		l := &c.Legs[i]
		n += len(l.Tag) + len(l.URI) + len(l.Contact) + len(l.RouteSet) + len(l.Socket) + len(l.Source) + len(l.NextContact)
	}
	var p packer
	p.texts.Grow(n)
	p.move(&c.CallID)
	p.move(&c.Cause)
	for i := range c.Legs {
		l := &c.Legs[i]
		p.move(&l.Tag)
		p.move(&l.URI)
		p.move(&l.Contact)
		p.move(&l.RouteSet)
		p.move(&l.Socket)
		p.move(&l.Source)
		p.move(&l.NextContact)
	}
}

// packer puts texts one behind the other, in a buffer that is long enough from
// the start, so that what was put down stays where it is.
type packer struct{ texts strings.Builder }

func (p *packer) move(s *string) {
	if *s == "" {
		return
	}
	from := p.texts.Len()
	p.texts.WriteString(*s)
	*s = p.texts.String()[from:]
}
