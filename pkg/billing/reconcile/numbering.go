package reconcile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/byeguard/byeguard/pkg/billing"
)

// Numbering says how numbers are written, so that two ways of writing one number
// become one. The zero value only reads 00 as +.
type Numbering struct {
	// Country is the code that national numbers lack, as 49; "" = there are none.
	Country string `yaml:"country"`
	// Trunk is what national numbers begin with, as 0; "" = nothing.
	Trunk string `yaml:"trunk"`
	// Plain says that numbers without + or 00 are international ones all the same.
	Plain bool `yaml:"plain"`
	// Strip are beginnings to take off first: a carrier's own prefix.
	Strip []string `yaml:"strip"`
}

// ErrNumbering says that a Numbering makes no sense.
var ErrNumbering = errors.New("numbers")

// Validate says what is wrong with it.
func (n *Numbering) Validate() error {
	if strings.Trim(n.Country+n.Trunk, "0123456789") != "" {
		return fmt.Errorf("%w: country %q, trunk %q: use digits, as 49 and 0", ErrNumbering, n.Country, n.Trunk)
	}
	if n.Plain && n.Country != "" {
		return fmt.Errorf("%w: plain and country exclude each other: a number without + is either international or national", ErrNumbering)
	}
	return nil
}

// Read returns a number, or SIP URI, as +493012345. What is no phone number
// stays as it is.
func (n *Numbering) Read(s string) string {
	s = strings.TrimSpace(s)
	if !strings.ContainsAny(s, ":@") {
		s = "tel:" + strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '/' || r == '\u00a0' }), "")
	}
	s = billing.Number(s)
	for _, p := range n.Strip {
		if rest, ok := strings.CutPrefix(s, p); ok && p != "" {
			s = rest
			break
		}
	}
	if rest, ok := strings.CutPrefix(s, "00"); ok {
		s = "+" + rest
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return s
	}
	switch {
	case n.Plain:
		return "+" + s
	case n.Country != "" && n.Trunk != "" && strings.HasPrefix(s, n.Trunk):
		return "+" + n.Country + s[len(n.Trunk):]
	case n.Country != "" && n.Trunk == "":
		return "+" + n.Country + s
	}
	return s
}
