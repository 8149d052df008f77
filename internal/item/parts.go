package item

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Part is one attribute of a stored item, its value as it is stored. Equal
// values have equal bytes.
type Part struct {
	Name  string
	Value []byte
}

// Split takes a stored item apart into its attributes, by name. The parts share
// stored's memory, but for their names.
func Split(stored []byte) ([]Part, error) {
	r := reader{rest: string(stored)}
	r.header()
	n := r.count()
	parts := make([]Part, 0, n)
	for ; n > 0 && !r.bad; n-- {
		name := r.text()
		if len(parts) > 0 && parts[len(parts)-1].Name >= name {
			r.fail()
		}
		from := len(stored) - len(r.rest)
		r.skip(1)
		if r.bad {
			break
		}
		to := len(stored) - len(r.rest)
		parts = append(parts, Part{name, stored[from:to:to]})
	}
	if r.bad || r.rest != "" {
		return nil, ErrCorrupt
	}
	return parts, nil
}

// Join appends the stored item of parts, which must be sorted by name: what
// Encode gives for the same item.
func Join(dst []byte, parts []Part) ([]byte, error) {
	size := 0
	for _, p := range parts {
		n, err := p.size()
		if err != nil {
			return nil, err
		}
		size += len(p.Name) + n
	}
	dst = append(dst, formatVersion)
	dst = binary.AppendUvarint(dst, uint64(size))
	dst = binary.AppendUvarint(dst, uint64(len(parts)))
	for _, p := range parts {
		dst = encodeText(dst, p.Name)
		dst = append(dst, p.Value...)
	}
	return dst, nil
}

// EncodeValue appends a value as Part has it.
func EncodeValue(dst []byte, v Value) []byte { return encodeValue(dst, v) }

// DecodeValue reads what EncodeValue wrote.
func DecodeValue(stored []byte) (Value, error) {
	r := reader{rest: string(stored)}
	v := r.decodeValue(1)
	if r.bad || r.rest != "" {
		return Value{}, ErrCorrupt
	}
	return v, nil
}

// size is the value's part of Item.Size.
func (p Part) size() (int, error) {
	r := reader{rest: string(p.Value)}
	n := r.skip(1)
	if r.bad || r.rest != "" {
		return 0, ErrCorrupt
	}
	return n, nil
}

// skip passes one value and answers its Size.
func (r *reader) skip(depth int) int {
	kind := Kind(r.byte())
	if r.deep(depth) {
		return 0
	}
	switch kind {
	case S, B:
		return len(r.text())
	case N:
		if s := r.number(); !r.bad {
			return numberSize(s)
		}
	case Bool:
		r.byte()
		return 1
	case Null:
		return 1
	case M:
		return r.skipMap(depth)
	case L:
		n := r.count()
		return 3 + n + r.skipList(n, None, depth)
	case SS, NS, BS:
		return r.skipList(r.count(), kind.Elem(), depth)
	default:
		r.fail()
	}
	return 0
}

func (r *reader) skipMap(depth int) int {
	n := r.count()
	size := 3 + n
	for ; n > 0 && !r.bad; n-- {
		size += len(r.text()) + r.skip(depth+1)
	}
	return size
}

func (r *reader) skipList(n int, elem Kind, depth int) (size int) {
	for ; n > 0 && !r.bad; n-- {
		if elem != None && (r.rest == "" || Kind(r.rest[0]) != elem) {
			r.fail()
		}
		size += r.skip(depth + 1)
	}
	return size
}

// FindPart finds the part of a name among parts that are sorted by name.
func FindPart(parts []Part, name string) (int, bool) {
	return slices.BinarySearchFunc(parts, name, func(p Part, name string) int { return strings.Compare(p.Name, name) })
}
