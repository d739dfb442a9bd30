package billing

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // carriers' zones are there on a bare machine too

	"go.yaml.in/yaml/v3"
)

// Rates is what carriers bill, read from one file. It never changes once read.
// The zero value has no carriers: records then have no rating.
type Rates struct {
	// Version names the table's meaning: two files that rate alike have the
	// same. It stands in every rated record. "" = no carriers.
	Version string
	// LateAfter is how long after a call's end its record may be made before it
	// counts as late.
	LateAfter time.Duration

	carriers []carrier
}

// DefaultLateAfter is LateAfter where the file does not say.
const DefaultLateAfter = time.Hour

// carrier is one entry, made for look-ups.
type carrier struct {
	name     string
	currency string
	gateways gateways
	prefixes prefixes // of numbers; none = any
	rates    []rate   // by the length of their prefix, longest first, then the newest
}

type rate struct {
	prefix string
	from   int64 // Unix µs
	rule   Rule
	price  Price
	priced bool
}

// Rating is what a carrier bills a call for.
type Rating struct {
	Carrier  string // "" = no carrier matches
	Rated    bool   // a rate applies: Billable holds
	Billable int64  // seconds
	Currency string // ISO 4217; "" without a price
	Cost     Money  // good if Currency is set

	rate *rate
}

// fileTable and below are the file's form, documented in docs/billing.md.
type fileTable struct {
	LateAfter string        `yaml:"late_after"`
	Carriers  []fileCarrier `yaml:"carriers"`
}

type fileCarrier struct {
	Name     string     `yaml:"name"`
	Prefixes []string   `yaml:"prefixes"`
	Gateways []string   `yaml:"gateways"`
	Zone     string     `yaml:"zone"`
	Currency string     `yaml:"currency"`
	Rates    []fileRate `yaml:"rates"`
}

type fileRate struct {
	From      string    `yaml:"from"`
	Prefix    string    `yaml:"prefix"`
	Minimum   int64     `yaml:"minimum"`
	Increment int64     `yaml:"increment"`
	Rounding  Rounding  `yaml:"rounding"`
	PerMinute yaml.Node `yaml:"per_minute"` // as written: a float would round it
}

// LoadRates reads the file at path; "" gives the zero table.
func LoadRates(path string) (*Rates, error) {
	if path == "" {
		return &Rates{LateAfter: DefaultLateAfter}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read rates: %w", err)
	}
	r, err := ParseRates(text)
	if err != nil {
		return nil, fmt.Errorf("rates %s: %w", path, err)
	}
	return r, nil
}

// ParseRates reads a rate file's text. The error names every mistake, parted by
// newlines.
func ParseRates(text []byte) (*Rates, error) {
	var f fileTable
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s", strings.ReplaceAll(err.Error(), "\n ", ""))
	}
	r := &Rates{LateAfter: DefaultLateAfter}
	var errs []error
	if f.LateAfter != "" {
		d, err := time.ParseDuration(f.LateAfter)
		if err != nil || d < 0 {
			errs = append(errs, fmt.Errorf("late_after: %q; use a time like 1h", f.LateAfter))
		}
		r.LateAfter = d
	}
	names := map[string]bool{}
	sum := sha256.New()
	for i := range f.Carriers {
		c, err := f.Carriers[i].read(sum)
		if names[c.name] {
			err = errors.Join(err, fmt.Errorf("name %q is used twice", c.name))
		}
		names[c.name] = true
		if err != nil {
			errs = append(errs, fmt.Errorf("carriers[%d] %s: %w", i, c.name, err))
		}
		r.carriers = append(r.carriers, c)
	}
	if len(r.carriers) > 0 {
		r.Version = hex.EncodeToString(sum.Sum(nil))[:12]
	}
	return r, errors.Join(errs...)
}

// read checks one entry and adds its meaning to sum.
func (f *fileCarrier) read(sum io.Writer) (c carrier, err error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	c = carrier{name: f.Name, currency: f.Currency}
	if f.Name == "" {
		bad("name is missing")
	}
	if len(f.Prefixes)+len(f.Gateways) == 0 {
		bad("prefixes and gateways are both missing; it would match every call")
	}
	if c.prefixes, err = readPrefixes(f.Prefixes); err != nil {
		bad("%w", err)
	}
	if c.gateways, err = readGateways(f.Gateways); err != nil {
		bad("%w", err)
	}
	zone, err := time.LoadLocation(f.Zone)
	if err != nil {
		bad("zone: %q; use a name of the tz database, as Europe/Berlin", f.Zone)
		zone = time.UTC
	}
	fmt.Fprintf(sum, "%q %q %q %q\n", f.Name, f.Currency, f.Prefixes, f.Gateways)
	for i := range f.Rates {
		rt, err := f.Rates[i].read(zone)
		if err != nil {
			bad("rates[%d]: %w", i, err)
		}
		if rt.priced && !isCurrency(f.Currency) {
			bad("currency: %q; use three capitals, as EUR", f.Currency)
		}
		if slices.ContainsFunc(c.rates, func(o rate) bool { return o.prefix == rt.prefix && o.from == rt.from }) {
			bad("rates[%d]: another one has the same prefix and from", i)
		}
		fmt.Fprintf(sum, "%q %d %v %d %v\n", rt.prefix, rt.from, rt.rule, rt.price, rt.priced)
		c.rates = append(c.rates, rt)
	}
	slices.SortStableFunc(c.rates, func(a, b rate) int {
		return cmp.Or(cmp.Compare(len(b.prefix), len(a.prefix)), cmp.Compare(b.from, a.from))
	})
	return c, errors.Join(errs...)
}

func (f *fileRate) read(zone *time.Location) (r rate, err error) {
	r = rate{prefix: international(f.Prefix), rule: DefaultRule()}
	r.rule.Minimum = f.Minimum
	if f.Increment != 0 {
		r.rule.Increment = f.Increment
	}
	if f.Rounding != "" {
		r.rule.Rounding = f.Rounding
	}
	err = r.rule.Validate()
	if _, perr := readPrefixes([]string{f.Prefix}); f.Prefix != "" && perr != nil {
		err = errors.Join(err, perr)
	}
	r.from = firstDay
	if f.From != "" {
		day, derr := time.ParseInLocation(time.DateOnly, f.From, zone)
		if derr != nil {
			err = errors.Join(err, fmt.Errorf("from: %q; use a date, as 2026-11-23", f.From))
		}
		r.from = day.UnixMicro()
	}
	if f.PerMinute.Kind != 0 {
		price, perr := ParsePrice(f.PerMinute.Value)
		if perr != nil {
			err = errors.Join(err, fmt.Errorf("per_minute: line %s: %w", strconv.Itoa(f.PerMinute.Line), perr))
		}
		r.price, r.priced = price, true
	}
	return r, err
}

// firstDay is before every call.
const firstDay = -1 << 62

func isCurrency(s string) bool {
	return len(s) == 3 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// match finds the carrier of a call by the callee's number and the address
// ("ip:port", "" = not known) that the callee's side answered from. Of several
// the one with the closest gateway wins, then the one with the longest prefix,
// then the first. nil where none matches.
func (r *Rates) match(number, addr string) (best *carrier) {
	if len(r.carriers) == 0 {
		return nil
	}
	at := readAddr(addr)
	number = international(number)
	bestGate, bestPrefix := -1, -1
	for i := range r.carriers {
		c := &r.carriers[i]
		gate := c.gateways.match(at)
		if gate < 0 || gate < bestGate {
			continue
		}
		prefix := c.prefixes.match(number)
		if prefix < 0 || gate == bestGate && prefix <= bestPrefix {
			continue
		}
		best, bestGate, bestPrefix = c, gate, prefix
	}
	return best
}

// Rate rates a call to number by way of addr that was answered at (Unix µs; 0 =
// never) and lasted ms. What its carrier's table says for that day counts,
// however old the call is.
func (r *Rates) Rate(number, addr string, answered, ms int64) (g Rating) {
	c := r.match(number, addr)
	if c == nil {
		return g
	}
	g.Carrier = c.name
	if answered == 0 {
		return g
	}
	if g.rate = c.rate(international(number), answered); g.rate == nil {
		return g
	}
	g.Rated, g.Billable = true, g.rate.rule.Billable(ms)
	if g.rate.priced {
		g.Currency, g.Cost = c.currency, g.rate.price.For(g.Billable)
	}
	return g
}

// Increment is the step in seconds that the carrier bills in, 0 if no rate applies.
func (g *Rating) Increment() int64 {
	if g.rate == nil {
		return 0
	}
	return g.rate.rule.Increment
}

// Extra is what the same call would cost more had it lasted so much longer.
func (g *Rating) Extra(ms, more int64) Money {
	if g.rate == nil || !g.rate.priced || more <= 0 {
		return 0
	}
	return g.rate.price.For(g.rate.rule.Billable(ms+more)) - g.Cost
}

func (c *carrier) rate(number string, at int64) *rate {
	for i := range c.rates {
		if r := &c.rates[i]; r.from <= at && strings.HasPrefix(number, r.prefix) {
			return r
		}
	}
	return nil
}

// Carriers returns the names in the file's order.
func (r *Rates) Carriers() []string {
	names := make([]string, len(r.carriers))
	for i := range r.carriers {
		names[i] = r.carriers[i].name
	}
	return names
}
