package item

import "unsafe"

// AppendStoredJSON appends the stored item as the wire has it, without decoding
// it: the same bytes as Decode and AppendJSON give.
func AppendStoredJSON(dst, stored []byte) ([]byte, error) {
	if len(stored) == 0 {
		return dst, ErrCorrupt
	}
	// The string is only read, and gone when the function returns.
	r := reader{rest: unsafe.String(&stored[0], len(stored))}
	r.header()
	before := len(dst)
	dst = r.mapJSON(dst, 0)
	if r.bad || r.rest != "" {
		return dst[:before], ErrCorrupt
	}
	return dst, nil
}

func (r *reader) mapJSON(dst []byte, depth int) []byte {
	n := r.count()
	if r.deep(depth) {
		return dst
	}
	dst = append(dst, '{')
	for i := 0; i < n && !r.bad; i++ {
		dst = appendComma(dst, i)
		dst = AppendQuoted(dst, r.text())
		dst = append(dst, ':')
		dst = r.valueJSON(dst, depth+1)
	}
	return append(dst, '}')
}

func (r *reader) valueJSON(dst []byte, depth int) []byte {
	kind := Kind(r.byte())
	if r.deep(depth) {
		return dst
	}
	dst = appendOpening(dst, kind)
	switch kind {
	case S, N, B:
		dst = appendScalar(dst, kind, r.text())
	case Bool:
		dst = appendBool(dst, r.byte() == 1)
	case Null:
		dst = append(dst, "true"...)
	case M:
		dst = r.mapJSON(dst, depth)
	case L:
		dst = r.listJSON(dst, func(dst []byte) []byte { return r.valueJSON(dst, depth+1) })
	case SS, NS, BS:
		dst = r.listJSON(dst, func(dst []byte) []byte {
			if Kind(r.byte()) != kind.Elem() {
				r.fail()
			}
			return appendScalar(dst, kind.Elem(), r.text())
		})
	default:
		r.fail()
	}
	return append(dst, '}')
}

func (r *reader) listJSON(dst []byte, element func([]byte) []byte) []byte {
	dst = append(dst, '[')
	n := r.count()
	for i := 0; i < n && !r.bad; i++ {
		dst = appendComma(dst, i)
		dst = element(dst)
	}
	return append(dst, ']')
}
