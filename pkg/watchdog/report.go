package watchdog

import (
	"encoding/binary"
	"time"
)

// interval between two reports of the child. A kill comes at most one interval
// later than Options.Stall after the last beat.
const interval = 50 * time.Millisecond

// reportSize is the size of every report on the pipe. Writes of at most
// PIPE_BUF bytes are all or nothing (pipe(7)), so reports never interleave and
// are never cut.
const reportSize = 64

// report is what the child says of itself.
type report struct {
	ready  bool          // start-up is over
	age    time.Duration // how long the most silent source has been silent
	source string        // its name; "" = the process as a whole
}

// Layout: 1 byte state ('s' starting, 'r' ready), 2 bytes age in milliseconds,
// 1 byte length of the source's name, that name, padding.
const (
	stateStarting = 's'
	stateReady    = 'r'
	nameAt        = 4
	maxName       = reportSize - nameAt
	maxAge        = 65535 * time.Millisecond
)

// encode writes the report into buf. Too long names and ages are cut.
func (r report) encode(buf *[reportSize]byte) {
	clear(buf[:])
	buf[0] = stateStarting
	if r.ready {
		buf[0] = stateReady
	}
	age := min(max(r.age, 0), maxAge)
	binary.BigEndian.PutUint16(buf[1:], uint16(age/time.Millisecond))
	buf[3] = byte(copy(buf[nameAt:], r.source))
}

// decodeReport reads one report; false means that the bytes are none.
func decodeReport(buf []byte) (report, bool) {
	if len(buf) != reportSize || (buf[0] != stateStarting && buf[0] != stateReady) || buf[3] > maxName {
		return report{}, false
	}
	return report{
		ready:  buf[0] == stateReady,
		age:    time.Duration(binary.BigEndian.Uint16(buf[1:])) * time.Millisecond,
		source: string(buf[nameAt : nameAt+int(buf[3])]),
	}, true
}
