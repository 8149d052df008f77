package item

// ParseOrdered undoes AppendOrdered for a value of a kind that is known.
func ParseOrdered(kind Kind, src []byte) (Value, error) {
	if kind != N {
		if !kind.IsScalar() {
			return Value{}, ErrCorrupt
		}
		return Value{Kind: kind, Text: string(src)}, nil
	}
	if len(src) == 1 && src[0] == 2 {
		return Value{Kind: N, Text: "0"}, nil
	}
	if len(src) < 3 || src[0] != 1 && src[0] != 3 {
		return Value{}, ErrCorrupt
	}
	d := decimal{negative: src[0] == 1}
	exponent, pairs := src[1], src[2:]
	if d.negative {
		exponent = ^exponent
		if pairs[len(pairs)-1] != 0xff || len(pairs) == 1 {
			return Value{}, ErrCorrupt
		}
		pairs = pairs[:len(pairs)-1]
	}
	d.exponent = int(exponent) + exponentMin
	for _, pair := range pairs {
		if d.negative {
			pair = ^pair
		}
		if pair < 1 || pair > 100 {
			return Value{}, ErrCorrupt
		}
		d.digits = append(d.digits, '0'+(pair-1)/10, '0'+(pair-1)%10)
	}
	d.trim()
	if d.check() != nil || len(d.digits) == 0 {
		return Value{}, ErrCorrupt
	}
	return Value{Kind: N, Text: d.String()}, nil
}
