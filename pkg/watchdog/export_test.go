package watchdog

import "time"

// What the tests need of the inside: the pipe's protocol and the back-off.

const ReportSize = reportSize

var FormatMarker = formatMarker

func EncodeReport(ready bool, age time.Duration, source string) []byte {
	var buf [reportSize]byte
	report{ready: ready, age: age, source: source}.encode(&buf)
	return buf[:]
}

func DecodeReport(buf []byte) (ready bool, age time.Duration, source string, ok bool) {
	r, ok := decodeReport(buf)
	return r.ready, r.age, r.source, ok
}

// Pauses returns the pauses before restarts of children that lived so long.
func Pauses(base, limit, healthy time.Duration, lived ...time.Duration) []time.Duration {
	b := backoff{base: base, limit: limit, healthy: healthy}
	pauses := make([]time.Duration, len(lived))
	for i, d := range lived {
		pauses[i] = b.pause(d)
	}
	return pauses
}
