package item

import "math/big"

// Sum adds numbers up exactly, with however many digits that takes: parts of a
// sum may need more of them than the sum. The zero Sum is 0.
type Sum struct {
	n   big.Int // the sum divided by 10^low
	low int
}

// ParseSum reads what Text wrote. It accepts any decimal of up to 1024 bytes in
// plain notation, and refuses others with an *InvalidError.
func ParseSum(text string) (*Sum, error) {
	var room [literalMax]byte
	d, err := parseDecimal(text, room[:0])
	if err != nil {
		return nil, err
	}
	if d.exponent > literalMax || d.exponent < -literalMax {
		return nil, notNumeric(text)
	}
	s := &Sum{}
	s.add(d)
	return s, nil
}

// Add adds a number; it must be one.
func (s *Sum) Add(v Value) {
	var room [literalMax]byte
	s.add(canonical(v.Text, room[:0]))
}

// Plus adds another sum.
func (s *Sum) Plus(t *Sum) { s.add(t.decimal()) }

// Minus takes another sum away.
func (s *Sum) Minus(t *Sum) {
	d := t.decimal()
	d.negative = !d.negative
	s.add(d)
}

func (s *Sum) add(d decimal) {
	if len(d.digits) == 0 {
		return
	}
	have := s.decimal()
	low := d.exponent - len(d.digits) + 1
	if len(have.digits) > 0 {
		low = min(low, have.exponent-len(have.digits)+1)
	}
	s.n.Add(have.integer(low), d.integer(low))
	s.low = low
}

func (s *Sum) decimal() decimal {
	d := decimal{negative: s.n.Sign() < 0, digits: new(big.Int).Abs(&s.n).Append(nil, 10)}
	d.exponent = len(d.digits) - 1 + s.low
	d.trim()
	return d
}

// Cmp compares two sums: -1, 0 or +1.
func (s *Sum) Cmp(t *Sum) int {
	return max(-1, min(1, s.decimal().compare(t.decimal())))
}

// Text is the sum in plain notation, all of its digits: canonical, as Number's.
func (s *Sum) Text() string { return s.decimal().String() }

// Value is the sum as a number. If it has more digits than a number holds it is
// rounded half away from zero, and exact is false; so it is where the sum is out
// of a number's range, and the nearest number is answered.
func (s *Sum) Value() (v Value, exact bool) {
	d := s.decimal()
	if exact = d.check() == nil; !exact {
		d = d.nearest()
	}
	return Value{Kind: N, Text: d.String()}, exact
}

// nearest is the number that a decimal out of range or digits is rounded to.
func (d decimal) nearest() decimal {
	if len(d.digits) > digitsMax {
		n, _ := new(big.Int).SetString(string(d.digits[:digitsMax]), 10)
		if d.digits[digitsMax] >= '5' {
			n.Add(n, big.NewInt(1))
		}
		digits := n.Append(nil, 10)
		d.exponent += len(digits) - digitsMax // 99…9 became 100…0
		d.digits = digits
		d.trim()
	}
	switch {
	case d.exponent > exponentMax:
		d.exponent, d.digits = exponentMax, []byte("99999999999999999999999999999999999999")
	case d.exponent < exponentMin:
		d = decimal{}
	}
	return d
}
