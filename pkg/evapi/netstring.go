package evapi

import (
	"fmt"
	"io"
)

// Limits of the frame reader.
const (
	// DefaultMaxFrame is the longest frame body that is accepted, in bytes. A
	// SIP message over UDP cannot exceed 64 KiB; base64 and the dialog beside it
	// make an event of it longer.
	DefaultMaxFrame = 256 << 10

	firstBuffer = 64 << 10
	minRead     = 16 << 10 // least free space offered to a read
	frameExtra  = 16       // digits, colon and comma around a body
)

// Framer takes netstrings (LEN:BODY,) out of a byte stream. It reads in large
// pieces into one buffer that slides and grows up to the frame limit, and hands
// out frames as slices of it: nothing is copied and nothing is allocated for a
// frame. It is not safe for concurrent use.
type Framer struct {
	buf  []byte
	r, w int // buf[r:w] was read and not yet handed out
	max  int
}

// NewFramer returns a Framer that accepts bodies of at most maxFrame bytes;
// 0 means DefaultMaxFrame.
func NewFramer(maxFrame int) *Framer {
	if maxFrame <= 0 {
		maxFrame = DefaultMaxFrame
	}
	return &Framer{max: maxFrame}
}

// Reset forgets all bytes, for a new connection. The buffer is kept.
func (f *Framer) Reset() { f.r, f.w = 0, 0 }

// Fill does one Read from src. Frames handed out before are invalid after it.
func (f *Framer) Fill(src io.Reader) (int, error) {
	if f.r == f.w {
		f.r, f.w = 0, 0
	}
	if len(f.buf)-f.w < minRead {
		f.makeRoom()
	}
	n, err := src.Read(f.buf[f.w:])
	f.w += n
	return n, err
}

// makeRoom slides what is left to the front and, if that is not enough, doubles
// the buffer. One frame and one read always fit in the largest size.
func (f *Framer) makeRoom() {
	left := f.buf[f.r:f.w]
	if len(f.buf)-len(left) < minRead {
		size := max(2*len(f.buf), min(firstBuffer, f.limit()))
		f.buf = make([]byte, min(size, f.limit()))
	}
	copy(f.buf, left)
	f.r, f.w = 0, len(left)
}

func (f *Framer) limit() int { return f.max + frameExtra + 2*minRead }

// Next returns the next complete frame body; ok is false when more bytes are
// needed. The slice is valid until the next Fill. An error is final for the
// stream and is returned again by later calls.
func (f *Framer) Next() (frame []byte, ok bool, err error) {
	start, end, err := f.header(f.r)
	if err != nil || end < 0 {
		return nil, false, err
	}
	f.r = end + 1
	return f.buf[start:end:end], true, nil
}

// Count returns how many complete frames are buffered, but at most limit. It
// stops before a malformed frame, which Next reports in its turn.
func (f *Framer) Count(limit int) int {
	n := 0
	for at := f.r; n < limit; n++ {
		_, end, err := f.header(at)
		if err != nil || end < 0 {
			break
		}
		at = end + 1
	}
	return n
}

// header parses the netstring that begins at buf[at]; end is -1 while it is not
// complete. The length is compared with the limit at every digit, so it cannot
// overflow and a peer cannot make the reader wait for a frame it will refuse.
func (f *Framer) header(at int) (start, end int, err error) {
	size := 0
	for i, c := range f.buf[at:f.w] {
		if d := c - '0'; d <= 9 {
			if i == 1 && size == 0 {
				return 0, -1, fmt.Errorf("%w: leading zero", ErrFrameSyntax)
			}
			size = size*10 + int(d)
			if size > f.max {
				return 0, -1, fmt.Errorf("%w: more than %d bytes", ErrFrameTooLong, f.max)
			}
			continue
		}
		if c != ':' || i == 0 {
			return 0, -1, fmt.Errorf("%w: byte %q in the length", ErrFrameSyntax, c)
		}
		start = at + i + 1
		end = start + size
		if end >= f.w {
			return 0, -1, nil
		}
		if c := f.buf[end]; c != ',' {
			return 0, -1, fmt.Errorf("%w: %q in place of the closing comma", ErrFrameSyntax, c)
		}
		return start, end, nil
	}
	return 0, -1, nil
}

// AppendFrame appends body as a netstring to dst.
func AppendFrame(dst []byte, body string) []byte {
	dst = fmt.Appendf(dst, "%d:", len(body))
	dst = append(dst, body...)
	return append(dst, ',')
}
