package item

import (
	"cmp"
	"slices"
	"strings"
)

// Kind is a value's type.
type Kind uint8

// The kinds of values. The numbers are stored on disk: never change them.
const (
	None Kind = iota
	S         // string
	N         // number
	B         // binary
	Bool
	Null
	M  // map
	L  // list
	SS // set of strings
	NS // set of numbers
	BS // set of binaries
)

var kindNames = [...]string{"", "S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}

// String is the type's name on the wire.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "?"
}

// KindOf is the kind that the wire calls name, or None.
func KindOf(name string) Kind {
	for k := S; k <= BS; k++ {
		if kindNames[k] == name {
			return k
		}
	}
	return None
}

// IsSet reports whether values of the kind are sets.
func (k Kind) IsSet() bool { return k >= SS && k <= BS }

// IsScalar reports whether values of the kind can be keys.
func (k Kind) IsScalar() bool { return k >= S && k <= B }

// DepthMax is how deep lists and maps may nest, as in DynamoDB.
const DepthMax = 32

// Value is one attribute value. The zero Value has kind None and stands for "no
// such attribute". Values are immutable by convention: whoever changes one
// copies what it changes.
type Value struct {
	Kind Kind
	Bool bool
	// Text is the string, the number in canonical form, or the binary's bytes.
	Text string
	// List has the elements of a list or set. Sets are sorted, without doubles.
	List []Value
	// Map has the entries of a map.
	Map Item
}

// Attribute is a named value.
type Attribute struct {
	Name  string
	Value Value
}

// Item is a map of attributes, sorted by name.
type Item []Attribute

// Text is a string value.
func Text(s string) Value { return Value{Kind: S, Text: s} }

// Exists reports whether there is a value.
func (v Value) Exists() bool { return v.Kind != None }

func (it Item) find(name string) (int, bool) {
	return slices.BinarySearchFunc(it, name, func(a Attribute, name string) int { return strings.Compare(a.Name, name) })
}

// Get answers the named attribute; a Value of kind None if there is none.
func (it Item) Get(name string) Value {
	if i, ok := it.find(name); ok {
		return it[i].Value
	}
	return Value{}
}

// Set returns the item with the attribute set. It copies; it is unchanged.
func (it Item) Set(name string, v Value) Item {
	i, ok := it.find(name)
	if ok {
		out := slices.Clone(it)
		out[i].Value = v
		return out
	}
	out := make(Item, 0, len(it)+1)
	out = append(out, it[:i]...)
	out = append(out, Attribute{name, v})
	return append(out, it[i:]...)
}

// Remove returns the item without the attribute. It copies; it is unchanged.
func (it Item) Remove(name string) Item {
	i, ok := it.find(name)
	if !ok {
		return it
	}
	out := make(Item, 0, len(it)-1)
	out = append(out, it[:i]...)
	return append(out, it[i+1:]...)
}

// Pick returns the item with the named attributes only.
func (it Item) Pick(names ...string) Item {
	out := make(Item, 0, len(names))
	for _, a := range it {
		if slices.Contains(names, a.Name) {
			out = append(out, a)
		}
	}
	return out
}

// CheckDepth refuses an item that nests deeper than DepthMax, with an
// *InvalidError: items that are read are checked, those that are put together
// from parts may not be.
func (it Item) CheckDepth() error {
	if tooNested(it, 1) {
		return &InvalidError{Message: tooDeep}
	}
	return nil
}

func tooNested(it Item, depth int) bool {
	return slices.ContainsFunc(it, func(a Attribute) bool { return a.Value.tooNested(depth) })
}

func (v Value) tooNested(depth int) bool {
	switch {
	case v.Kind != M && v.Kind != L:
		return false
	case depth > DepthMax:
		return true
	case v.Kind == M:
		return tooNested(v.Map, depth+1)
	}
	return slices.ContainsFunc(v.List, func(e Value) bool { return e.tooNested(depth + 1) })
}

// Make builds an item from attributes in any order; of doubles the last counts.
func Make(attributes ...Attribute) Item { return sorted(attributes) }

// sorted sorts by name and drops all but the last of doubles, in place.
func sorted(it Item) Item {
	byName := func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(it, byName) && !hasDoubles(it) {
		return it
	}
	slices.SortStableFunc(it, byName)
	out := it[:0]
	for _, a := range it {
		if n := len(out); n > 0 && out[n-1].Name == a.Name {
			out[n-1] = a
			continue
		}
		out = append(out, a)
	}
	return out
}

func hasDoubles(it Item) bool {
	for i := 1; i < len(it); i++ {
		if it[i].Name == it[i-1].Name {
			return true
		}
	}
	return false
}

// Compare orders two values of the same scalar kind as DynamoDB does: strings
// and binaries by byte, numbers by size. Values of other or different kinds
// have no order: ok is false.
func Compare(a, b Value) (order int, ok bool) {
	if a.Kind != b.Kind {
		return 0, false
	}
	switch a.Kind {
	case S, B:
		return strings.Compare(a.Text, b.Text), true
	case N:
		return compareNumbers(a.Text, b.Text), true
	}
	return 0, false
}

// Equal reports whether two values are equal: kind and content, sets in any
// order.
func Equal(a, b Value) bool {
	return a.Kind == b.Kind && a.Bool == b.Bool && a.Text == b.Text &&
		slices.EqualFunc(a.List, b.List, Equal) && EqualItems(a.Map, b.Map)
}

// EqualItems reports whether two items hold equal attributes.
func EqualItems(a, b Item) bool {
	return slices.EqualFunc(a, b, func(x, y Attribute) bool { return x.Name == y.Name && Equal(x.Value, y.Value) })
}

// Elem is the kind of a set's elements.
func (k Kind) Elem() Kind {
	switch k {
	case SS:
		return S
	case NS:
		return N
	case BS:
		return B
	}
	return None
}

// setOf builds a set of the kind from elements, sorted and without doubles.
func setOf(kind Kind, elements []Value) Value {
	slices.SortFunc(elements, compareElements)
	elements = slices.CompactFunc(elements, Equal)
	return Value{Kind: kind, List: elements}
}

func compareElements(a, b Value) int {
	if a.Kind == N && b.Kind == N {
		return compareNumbers(a.Text, b.Text)
	}
	return cmp.Compare(a.Text, b.Text)
}

// Union is the set with the elements of both, which must be of one kind.
func Union(a, b Value) Value { return setOf(a.Kind, slices.Concat(a.List, b.List)) }

// Difference is the set a without the elements of b.
func Difference(a, b Value) Value {
	kept := make([]Value, 0, len(a.List))
	for _, v := range a.List {
		if !Contains(b, v) {
			kept = append(kept, v)
		}
	}
	return Value{Kind: a.Kind, List: kept}
}

// Contains reports whether a set or list has the element.
func Contains(set, element Value) bool {
	return slices.ContainsFunc(set.List, func(v Value) bool { return Equal(v, element) })
}
