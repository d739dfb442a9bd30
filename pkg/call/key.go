package call

import (
	"crypto/sha256"
	"encoding/hex"
)

// Key names one call everywhere: memory, database, commands. It is made of the
// Call-ID and both tags (RFC 3261 section 12: what identifies a dialog between
// two end points), so all nodes that see a call give it the same key.
type Key [16]byte

// NewKey returns the key of a call. The tags are the caller's and the
// callee's, in this order; a call that was never answered has no callee tag
// and is told from its like by its dialog.
func NewKey(callID, callerTag, calleeTag string, unanswered DialogID) Key {
	buf := make([]byte, 0, 160)
	for _, s := range [...]string{callID, callerTag, calleeTag} {
		buf = append(buf, byte(len(s)>>8), byte(len(s)))
		buf = append(buf, s...)
	}
	if calleeTag == "" {
		buf = append(buf, unanswered.String()...)
	}
	sum := sha256.Sum256(buf)
	return Key(sum[:16])
}

// String returns the key in hex.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// ParseKey reads what String wrote.
func ParseKey(s string) (Key, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(Key{}) {
		return Key{}, false
	}
	return Key(b), true
}
