package item

// Size is the item's size in bytes as DynamoDB counts it for the 400 KB limit,
// pages and capacity: names and values in UTF-8, numbers at about half a byte a
// digit, 3 bytes a list or map and 1 for each of its elements.
func (it Item) Size() int {
	n := 0
	for _, a := range it {
		n += len(a.Name) + a.Value.Size()
	}
	return n
}

// Size is the value's part of Item.Size.
func (v Value) Size() int {
	switch v.Kind {
	case S, B:
		return len(v.Text)
	case N:
		return numberSize(v.Text)
	case Bool, Null:
		return 1
	case M:
		return 3 + len(v.Map) + v.Map.Size()
	case L:
		return 3 + len(v.List) + listSize(v.List)
	case SS, NS, BS:
		return listSize(v.List)
	}
	return 0
}

func listSize(list []Value) int {
	n := 0
	for _, v := range list {
		n += v.Size()
	}
	return n
}

// numberSize counts pairs of decimal digits, aligned to even exponents, one byte
// for sign and exponent, and one more for negative numbers.
func numberSize(text string) int {
	var room [literalMax]byte
	d := canonical(text, room[:0])
	if len(d.digits) == 0 {
		return 1
	}
	size := 1 + (len(d.digits)+1)/2
	if len(d.digits)%2 == 0 && d.exponent%2 == 0 {
		size++
	}
	if d.negative {
		size++
	}
	return size
}
