package billing

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Money is an amount in millionths of a currency's unit. Amounts are whole
// numbers, so sums are exact whatever their order.
type Money int64

// MoneyDecimals is how many decimals an amount has.
const MoneyDecimals = 6

// String returns the amount with all its decimals, "12.345000".
func (m Money) String() string { return string(m.Append(nil)) }

// Append appends what String returns.
func (m Money) Append(b []byte) []byte { return appendDecimal(b, int64(m), MoneyDecimals) }

// Price is what a minute costs, in billionths of a currency's unit: wholesale
// prices have more decimals than amounts.
type Price int64

// PriceDecimals is how many decimals a price may have.
const PriceDecimals = 9

// ErrPrice says that a text is no price.
var ErrPrice = errors.New("not a price")

// ParsePrice reads a price that is not negative, like "0.0125".
func ParsePrice(s string) (Price, error) {
	whole, part, point := strings.Cut(s, ".")
	if whole == "" || point && part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return 0, fmt.Errorf("%q: %w: write it like 0.0125", s, ErrPrice)
	}
	if len(part) > PriceDecimals {
		return 0, fmt.Errorf("%q: %w: more than %d decimals", s, ErrPrice, PriceDecimals)
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", PriceDecimals-len(part)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q: %w: too large", s, ErrPrice)
	}
	return Price(n), nil
}

// String returns the price without needless zeros.
func (p Price) String() string {
	s := string(appendDecimal(nil, int64(p), PriceDecimals))
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// For returns what so many seconds cost, rounded once, half up, to a millionth.
// More than Money can hold becomes the largest Money.
func (p Price) For(seconds int64) Money {
	if p <= 0 || seconds <= 0 {
		return 0
	}
	const nanosAMicro = 1000
	hi, lo := bits.Mul64(uint64(p), uint64(seconds))
	lo, carry := bits.Add64(lo, 60*nanosAMicro/2, 0)
	hi += carry
	if hi >= 60*nanosAMicro {
		return math.MaxInt64
	}
	quo, _ := bits.Div64(hi, lo, 60*nanosAMicro)
	return Money(min(quo, math.MaxInt64))
}

// appendDecimal writes n as a number of so many decimals.
func appendDecimal(b []byte, n int64, decimals int) []byte {
	u := uint64(n)
	if n < 0 {
		b, u = append(b, '-'), -u
	}
	var digits [24]byte
	d := strconv.AppendUint(digits[:0], u, 10)
	for pad := decimals + 1 - len(d); pad > 0; pad-- {
		b = append(b, '0')
		if pad == decimals+1-len(d) {
			b = append(b, '.')
		}
	}
	point := len(d) - decimals
	if point <= 0 {
		return append(b, d...)
	}
	b = append(b, d[:point]...)
	b = append(b, '.')
	return append(b, d[point:]...)
}
