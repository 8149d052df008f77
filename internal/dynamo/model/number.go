package model

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

var numeric = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

const (
	overflow  = "Number overflow. Attempting to store a number with magnitude larger than supported range"
	underflow = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
)

// canonical is a number's text without a superfluous character, in plain
// notation.
func canonical(text string) string {
	if text == "" {
		refuse("The parameter cannot be converted to a numeric value")
	}
	if !numeric.MatchString(text) {
		refuse("The parameter cannot be converted to a numeric value: " + text)
	}
	digits, first := significant(text)
	switch {
	case digits == "":
		return "0"
	case first > 125:
		refuse(overflow)
	case first < -130:
		refuse(underflow)
	case len(digits) > 38:
		refuse("Attempting to store more than 38 significant digits in a Number")
	}
	return plain(rat(text))
}

// significant are a number's digits between the first and the last that is not
// zero, and the power of ten of the first.
func significant(text string) (digits string, first int) {
	text = strings.TrimLeft(strings.ToLower(text), "+-")
	mantissa, exponent, _ := strings.Cut(text, "e")
	shift, err := strconv.Atoi(exponent)
	if err != nil && exponent != "" {
		shift = 1 << 20 // beyond all limits
		if exponent[0] == '-' {
			shift = -shift
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	first = len(whole) - (len(whole+fraction) - len(digits)) - 1 + shift
	return strings.TrimRight(digits, "0"), first
}

// rat is a number as a fraction.
func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("model: not a number: " + text)
	}
	return r
}

// plain writes a fraction of powers of ten: 12, 0.001, -120000.
func plain(r *big.Rat) string {
	text := r.FloatString(300)
	text = strings.TrimRight(text, "0")
	text = strings.TrimSuffix(text, ".")
	if text == "" || text == "-" || text == "-0" {
		return "0"
	}
	return text
}

// sum is a + b, or a - b; what a number cannot hold exactly is an overflow.
func sum(a, b value, subtract bool) value {
	r := new(big.Rat)
	if subtract {
		r.Sub(rat(a.text), rat(b.text))
	} else {
		r.Add(rat(a.text), rat(b.text))
	}
	text := plain(r)
	if digits, _ := significant(text); len(digits) > 38 {
		refuse(overflow)
	}
	return value{kind: "N", text: canonical(text)}
}

// numberSize is one byte, one for each pair of digits as they stand around the
// point, and one more for a minus.
func numberSize(text string) int {
	digits, first := significant(text)
	if digits == "" {
		return 1
	}
	size := 1
	if strings.HasPrefix(text, "-") {
		size++
	}
	pairs := map[int]bool{}
	for i := range digits {
		power := first - i
		pairs[(power+1000)/2] = true
	}
	return size + len(pairs)
}
