package item

// AppendOrdered appends a scalar so that the bytes sort as the values do, within
// one kind: strings and binaries as they are, numbers as
//
//	sign (1 negative, 2 zero, 3 positive) | exponent + 130 | digits, two a byte, each pair + 1
//
// with everything after a negative sign complemented and closed by 0xff. It is
// the form of partition and sort keys in storage: never change it.
func AppendOrdered(dst []byte, v Value) []byte {
	if v.Kind != N {
		return append(dst, v.Text...)
	}
	var room [literalMax]byte
	d := canonical(v.Text, room[:0])
	switch {
	case len(d.digits) == 0:
		return append(dst, 2)
	case d.negative:
		dst = append(dst, 1, ^byte(d.exponent-exponentMin))
	default:
		dst = append(dst, 3, byte(d.exponent-exponentMin))
	}
	for i := 0; i < len(d.digits); i += 2 {
		pair := (d.digits[i] - '0') * 10
		if i+1 < len(d.digits) {
			pair += d.digits[i+1] - '0'
		}
		if pair++; d.negative {
			pair = ^pair
		}
		dst = append(dst, pair)
	}
	if d.negative {
		dst = append(dst, 0xff)
	}
	return dst
}

// ParseOrdered reads what AppendOrdered wrote of a value of a kind.
func ParseOrdered(kind Kind, src []byte) (Value, error) {
	if kind != N {
		if !kind.IsScalar() {
			return Value{}, ErrCorrupt
		}
		return Value{Kind: kind, Text: string(src)}, nil
	}
	if len(src) == 1 && src[0] == 2 {
		return Int(0), nil
	}
	if len(src) < 3 || src[0] != 1 && src[0] != 3 {
		return Value{}, ErrCorrupt
	}
	d := decimal{negative: src[0] == 1}
	flip := byte(0)
	if d.negative {
		flip, src = 0xff, src[:len(src)-1]
	}
	d.exponent = int(src[1]^flip) + exponentMin
	for _, c := range src[2:] {
		pair := (c ^ flip) - 1
		if pair > 99 {
			return Value{}, ErrCorrupt
		}
		d.digits = append(d.digits, '0'+pair/10, '0'+pair%10)
	}
	d.trim()
	if len(d.digits) == 0 || d.check() != nil {
		return Value{}, ErrCorrupt
	}
	return Value{Kind: N, Text: d.String()}, nil
}
