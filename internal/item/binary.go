package item

import (
	"encoding/binary"
	"errors"
)

// formatVersion opens every stored item (DATA 23).
const formatVersion = 1

// ErrCorrupt is what Decode answers for bytes that Encode did not write.
var ErrCorrupt = errors.New("stored item is corrupt or of a newer format")

// Encode appends the stored form of the item:
//
//	version | size as Item.Size | map
//	map:    count | (name length | name | value)…, by name
//	value:  kind | payload: text length | text; 0 or 1; map; count | values
//
// Numbers are unsigned varints. Equal items have equal bytes.
func Encode(dst []byte, it Item) []byte {
	dst = append(dst, formatVersion)
	dst = binary.AppendUvarint(dst, uint64(it.Size()))
	return encodeMap(dst, it)
}

func encodeMap(dst []byte, it Item) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(it)))
	for _, a := range it {
		dst = encodeText(dst, a.Name)
		dst = encodeValue(dst, a.Value)
	}
	return dst
}

func encodeText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func encodeValue(dst []byte, v Value) []byte {
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case S, N, B:
		return encodeText(dst, v.Text)
	case Bool:
		if v.Bool {
			return append(dst, 1)
		}
		return append(dst, 0)
	case M:
		return encodeMap(dst, v.Map)
	case L, SS, NS, BS:
		dst = binary.AppendUvarint(dst, uint64(len(v.List)))
		for _, e := range v.List {
			dst = encodeValue(dst, e)
		}
	}
	return dst
}

// Decode reads what Encode wrote. It copies the bytes once; the values share
// that copy.
func Decode(stored []byte) (Item, error) {
	r := reader{rest: string(stored)}
	r.header()
	it := r.decodeMap(0)
	if r.bad || r.rest != "" {
		return nil, ErrCorrupt
	}
	return it, nil
}

// StoredSize is the size of the stored item as Item.Size, without decoding it.
func StoredSize(stored []byte) (int, error) {
	if len(stored) == 0 || stored[0] != formatVersion {
		return 0, ErrCorrupt
	}
	n, used := binary.Uvarint(stored[1:])
	if used <= 0 || n > 1<<40 {
		return 0, ErrCorrupt
	}
	return int(n), nil
}

// reader takes stored bytes apart; bad is set once something does not fit, and
// everything after that reads as zero.
type reader struct {
	rest string
	bad  bool
}

func (r *reader) header() (size int) {
	if r.byte() != formatVersion {
		r.bad = true
	}
	return int(r.uvarint())
}

func (r *reader) fail() { r.bad, r.rest = true, "" }

func (r *reader) byte() byte {
	if r.rest == "" {
		r.fail()
		return 0
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	var n uint64
	for shift := 0; shift < 63; shift += 7 {
		c := r.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.fail()
	return 0
}

func (r *reader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// count reads a number of elements, each at least one byte long.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) deep(depth int) bool {
	if depth > DepthMax+1 {
		r.fail()
	}
	return r.bad
}

func (r *reader) decodeMap(depth int) Item {
	n := r.count()
	if r.deep(depth) {
		return nil
	}
	it := make(Item, 0, n)
	for ; n > 0 && !r.bad; n-- {
		name := r.text()
		if len(it) > 0 && it[len(it)-1].Name >= name {
			r.fail()
		}
		it = append(it, Attribute{name, r.decodeValue(depth + 1)})
	}
	return it
}

func (r *reader) decodeValue(depth int) Value {
	v := Value{Kind: Kind(r.byte())}
	if r.deep(depth) {
		return Value{}
	}
	switch v.Kind {
	case S, B:
		v.Text = r.text()
	case N:
		v.Text = r.number()
	case Bool:
		v.Bool = r.byte() == 1
	case Null:
	case M:
		v.Map = r.decodeMap(depth)
	case L, SS, NS, BS:
		n := r.count()
		v.List = make([]Value, 0, n)
		for ; n > 0 && !r.bad; n-- {
			e := r.decodeValue(depth + 1)
			if v.Kind != L && e.Kind != v.Kind.Elem() {
				r.fail()
			}
			v.List = append(v.List, e)
		}
	default:
		r.fail()
	}
	return v
}

// number reads a number's text and makes sure that arithmetic can trust it: a
// peer may have sent it.
func (r *reader) number() string {
	s := r.text()
	if v, err := Number(s); err != nil || v.Text != s {
		r.fail()
	}
	return s
}
