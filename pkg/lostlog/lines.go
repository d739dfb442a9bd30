package lostlog

import "bytes"

// splitter cuts a byte stream into lines of bounded length. A longer line is
// dropped as a whole and counted; it costs no more memory than the bound.
type splitter struct {
	max  int
	drop func() // counts a dropped line
	buf  []byte // an unfinished line
	skip bool   // within a line that is too long
}

// write takes more bytes and calls line for each complete line, without its
// newline. The slice is valid during the call only.
func (s *splitter) write(p []byte, line func([]byte)) {
	for {
		at := bytes.IndexByte(p, '\n')
		if at < 0 {
			s.keep(p)
			return
		}
		part := p[:at]
		p = p[at+1:]
		switch {
		case s.skip || len(s.buf)+len(part) > s.max:
			s.drop()
			s.skip = false
		case len(s.buf) > 0:
			line(append(s.buf, part...))
		default:
			line(part)
		}
		s.buf = s.buf[:0]
	}
}

func (s *splitter) keep(p []byte) {
	if s.skip || len(s.buf)+len(p) > s.max {
		s.skip, s.buf = true, s.buf[:0]
		return
	}
	s.buf = append(s.buf, p...)
}

// reset forgets an unfinished line.
func (s *splitter) reset() { s.buf, s.skip = s.buf[:0], false }
