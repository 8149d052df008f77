package item

import (
	"math/big"
	"strings"
)

// The limits of DynamoDB's numbers.
const (
	digitsMax   = 38
	exponentMax = 125  // of the first digit: 9.9…E125
	exponentMin = -130 // 1E-130
	literalMax  = 1024 // bytes of a number's text that are looked at
)

// Errors of numbers, in DynamoDB's words.
var (
	errOverflow  = &InvalidError{Message: "Number overflow. Attempting to store a number with magnitude larger than supported range", Content: true}
	errUnderflow = &InvalidError{Message: "Number underflow. Attempting to store a number with magnitude smaller than supported range", Content: true}
	errDigits    = &InvalidError{Message: "Attempting to store more than 38 significant digits in a Number", Content: true}
)

// decimal is a number taken apart: ±0.d₁d₂… × 10^(exponent+1), that is, exponent
// is that of the first digit. digits has neither leading nor trailing zeros; it
// is empty for zero.
type decimal struct {
	negative bool
	exponent int
	digits   []byte // '0'..'9'
}

// Number is a number value from its text, in canonical form: plain notation,
// no leading or trailing zeros. The error is an *InvalidError.
func Number(text string) (Value, error) {
	if plain(text) {
		return Value{Kind: N, Text: text}, nil
	}
	var room [literalMax]byte
	d, err := parseDecimal(text, room[:0])
	if err != nil {
		return Value{}, err
	}
	if err := d.check(); err != nil {
		return Value{}, err
	}
	return Value{Kind: N, Text: d.String()}, nil
}

// plain reports whether text is a canonical integer of up to 38 digits, which
// most numbers are.
func plain(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if text == "0" {
		return true
	}
	if len(digits) == 0 || len(digits) > digitsMax || digits[0] == '0' {
		return false
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

func notNumeric(text string) error {
	if text == "" {
		return &InvalidError{Message: "The parameter cannot be converted to a numeric value", Content: true}
	}
	if len(text) > 100 {
		text = text[:100]
	}
	return &InvalidError{Message: "The parameter cannot be converted to a numeric value: " + text, Content: true}
}

// parseDecimal reads [+-] digits [. digits] [e [+-] digits]; room is where the
// digits go.
func parseDecimal(text string, room []byte) (decimal, error) {
	d := decimal{digits: room}
	if len(text) > literalMax {
		return d, notNumeric(text)
	}
	s := text
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.negative = s[0] == '-'
		s = s[1:]
	}
	point, seen := -1, 0
	for ; s != "" && (s[0] == '.' || isDigit(s[0])); s = s[1:] {
		if s[0] == '.' {
			if point >= 0 {
				return d, notNumeric(text)
			}
			point = seen
			continue
		}
		seen++
		d.digits = append(d.digits, s[0])
	}
	if seen == 0 {
		return d, notNumeric(text)
	}
	if point < 0 {
		point = seen
	}
	shift, ok := parseExponent(s)
	if !ok {
		return d, notNumeric(text)
	}
	d.exponent = point - 1 + shift
	d.trim()
	return d, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// parseExponent reads what follows the digits; huge exponents are clamped, they
// are out of range either way.
func parseExponent(s string) (int, bool) {
	if s == "" {
		return 0, true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return 0, false
	}
	s = s[1:]
	sign := 1
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = min(n*10+int(s[i]-'0'), 1<<20)
	}
	return sign * n, true
}

// trim drops zeros on both sides.
func (d *decimal) trim() {
	for len(d.digits) > 0 && d.digits[0] == '0' {
		d.digits = d.digits[1:]
		d.exponent--
	}
	for n := len(d.digits); n > 0 && d.digits[n-1] == '0'; n-- {
		d.digits = d.digits[:n-1]
	}
	if len(d.digits) == 0 {
		d.negative, d.exponent = false, 0
	}
}

func (d decimal) check() error {
	switch {
	case len(d.digits) == 0:
		return nil
	case d.exponent > exponentMax:
		return errOverflow
	case d.exponent < exponentMin:
		return errUnderflow
	case len(d.digits) > digitsMax:
		return errDigits
	}
	return nil
}

// String writes the number plainly: 12, 0.001, -120000.
func (d decimal) String() string {
	if len(d.digits) == 0 {
		return "0"
	}
	var b strings.Builder
	b.Grow(len(d.digits) + max(d.exponent, -d.exponent) + 4)
	if d.negative {
		b.WriteByte('-')
	}
	whole := d.exponent + 1
	if whole <= 0 {
		b.WriteString("0.")
		zeros(&b, -whole)
		b.Write(d.digits)
		return b.String()
	}
	if whole >= len(d.digits) {
		b.Write(d.digits)
		zeros(&b, whole-len(d.digits))
		return b.String()
	}
	b.Write(d.digits[:whole])
	b.WriteByte('.')
	b.Write(d.digits[whole:])
	return b.String()
}

func zeros(b *strings.Builder, n int) {
	for ; n > 0; n-- {
		b.WriteByte('0')
	}
}

// canonical takes apart a number that is known to be valid.
func canonical(text string, room []byte) decimal {
	d, err := parseDecimal(text, room)
	if err != nil {
		panic("item: a number value holds " + text)
	}
	return d
}

func compareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	var x, y [literalMax]byte
	return canonical(a, x[:0]).compare(canonical(b, y[:0]))
}

func (d decimal) sign() int {
	switch {
	case len(d.digits) == 0:
		return 0
	case d.negative:
		return -1
	}
	return 1
}

func (d decimal) compare(e decimal) int {
	if d.sign() != e.sign() {
		return d.sign() - e.sign()
	}
	order := d.exponent - e.exponent
	if order == 0 {
		order = strings.Compare(string(d.digits), string(e.digits))
	}
	return order * d.sign()
}

// Add is a + b, exact; Sub is a − b. A result that a number cannot hold exactly
// is an overflow, as in DynamoDB. Both must be numbers.
func Add(a, b Value) (Value, error) { return sum(a, b, false) }

// Sub is a − b; see Add.
func Sub(a, b Value) (Value, error) { return sum(a, b, true) }

func sum(a, b Value, negate bool) (Value, error) {
	var rx, ry [literalMax]byte
	x, y := canonical(a.Text, rx[:0]), canonical(b.Text, ry[:0])
	if negate {
		y.negative = !y.negative
	}
	// Both as integers times 10^low; exponents differ by at most 256 + 38.
	low := min(x.exponent-len(x.digits), y.exponent-len(y.digits)) + 1
	total := new(big.Int).Add(x.integer(low), y.integer(low))
	d := decimal{negative: total.Sign() < 0, digits: total.Abs(total).Append(nil, 10)}
	d.exponent = len(d.digits) - 1 + low
	d.trim()
	if len(d.digits) > digitsMax {
		return Value{}, errOverflow // DynamoDB says so of lost digits too
	}
	if err := d.check(); err != nil {
		return Value{}, err
	}
	return Value{Kind: N, Text: d.String()}, nil
}

// integer is d divided by 10^low, which must leave no fraction.
func (d decimal) integer(low int) *big.Int {
	n := new(big.Int)
	if len(d.digits) == 0 {
		return n
	}
	n.SetString(string(d.digits), 10)
	scale := d.exponent - len(d.digits) + 1 - low
	n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))
	if d.negative {
		n.Neg(n)
	}
	return n
}

// Int is an integer as a number value.
func Int(n int64) Value { return Value{Kind: N, Text: big.NewInt(n).String()} }
