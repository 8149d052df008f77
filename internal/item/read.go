package item

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// Messages of values that are not what DynamoDB accepts.
const (
	emptyValue = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
	manyValues = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
	falseNull  = "One or more parameter values were invalid: Null attribute value types must have the value of true"
	tooDeep    = "Nesting Levels have exceeded supported limits"
	typePrefix = "com.amazonaws.dynamodb.v20120810."
)

// nameMax is the longest name of an attribute, in bytes.
const nameMax = 1<<16 - 1

// CheckName refuses names that an attribute cannot have, with an *InvalidError.
func CheckName(name string) error {
	switch {
	case name == "":
		return &InvalidError{Message: "Empty attribute name"}
	case len(name) > nameMax:
		return &InvalidError{Message: "Attribute name is too large, must be less than 65536 bytes"}
	}
	return nil
}

// FromJSON reads an item: an object of typed values.
func FromJSON(n Node) (Item, error) { return readMap(n, 0) }

// ValueFromJSON reads one typed value, as in {"S": "text"}.
func ValueFromJSON(n Node) (Value, error) { return readValue(n, 1) }

// mapForm refuses what is not a map of typed values.
func mapForm(n Node) error {
	switch n.Form() {
	case Object:
		return nil
	case Array:
		return shape("Unrecognized collection type java.util.Map<java.lang.String, " + typePrefix + "AttributeValue>")
	}
	return shape("Unexpected field type")
}

// valueForm refuses what is not a typed value; there may be none.
func valueForm(n Node) error {
	switch n.Form() {
	case Object, Absent:
		return nil
	case Array:
		return shape("Unrecognized collection type class " + typePrefix + "AttributeValue")
	}
	return shape("Unexpected value type in payload")
}

func readMap(n Node, depth int) (Item, error) {
	if err := mapForm(n); err != nil {
		return nil, err
	}
	it := make(Item, 0, n.Len())
	for c, ok := n.First(); ok; c, ok = c.Next() {
		if len(c.Key()) == 0 || len(c.Key()) > nameMax {
			return nil, CheckName(c.Key())
		}
		v, err := readValue(c, depth+1)
		if err != nil {
			return nil, err
		}
		it = append(it, Attribute{c.Key(), v})
	}
	return sorted(it), nil
}

func readValue(n Node, depth int) (Value, error) {
	if err := valueForm(n); err != nil {
		return Value{}, err
	}
	var v Value
	many := false
	for c, ok := n.First(); ok; c, ok = c.Next() {
		kind := KindOf(c.Key())
		if kind == None || !c.Exists() {
			continue // unknown members are ignored, as by AWS
		}
		many = many || v.Exists()
		var err error
		if v, err = readKind(kind, c, depth); err != nil {
			return Value{}, err
		}
	}
	switch {
	case !v.Exists():
		return Value{}, &InvalidError{Message: emptyValue}
	case many:
		return Value{}, &InvalidError{Message: manyValues}
	}
	return v, nil
}

func readKind(kind Kind, n Node, depth int) (Value, error) {
	if depth > DepthMax && (kind == M || kind == L) {
		return Value{}, &InvalidError{Message: tooDeep}
	}
	switch kind {
	case Bool, Null:
		return readBool(kind, n)
	case M:
		m, err := readMap(n, depth)
		return Value{Kind: M, Map: m}, err
	case L:
		return readList(n, depth)
	case SS, NS, BS:
		return readSet(kind, n)
	}
	return readScalar(kind, n)
}

func readScalar(kind Kind, n Node) (Value, error) {
	if kind == B {
		return readBinary(n)
	}
	text, err := StringFrom(n)
	if err != nil {
		return Value{}, err
	}
	if kind == N {
		return Number(text)
	}
	return Value{Kind: S, Text: text}, nil
}

// StringFrom answers a JSON string, or AWS's error for what else is there.
func StringFrom(n Node) (string, error) {
	if n.Form() == String {
		return n.Text(), nil
	}
	return "", wrongForm(n, "String")
}

// IntegerFrom answers a JSON number as it is written, or AWS's error for what
// else is there.
func IntegerFrom(n Node) (string, error) {
	if n.Form() == Literal {
		return n.Text(), nil
	}
	return "", wrongForm(n, "Integer")
}

// wrongForm is AWS's message for a JSON value that should have been a want.
func wrongForm(n Node, want string) error {
	switch n.Form() {
	case Literal:
		if strings.ContainsAny(n.Text(), ".eE") {
			return shape("DECIMAL_VALUE cannot be converted to " + want)
		}
		return shape("NUMBER_VALUE cannot be converted to " + want)
	case True:
		return shape("TRUE_VALUE cannot be converted to " + want)
	case False:
		return shape("FALSE_VALUE cannot be converted to " + want)
	case String:
		return shape("STRING_VALUE cannot be converted to " + want)
	case Array:
		return shape("Unrecognized collection type class java.lang." + want)
	}
	return shape("Start of structure or map found where not expected")
}

// BoolFrom answers a JSON boolean, or AWS's error for what else is there.
func BoolFrom(n Node) (bool, error) {
	switch n.Form() {
	case True:
		return true, nil
	case False:
		return false, nil
	case String:
		switch strings.ToLower(n.Text()) {
		case "true", "1", "yes":
			return true, nil
		case "false", "0", "no":
			return false, nil
		}
		return false, shape("Unexpected token received from parser")
	}
	return false, wrongForm(n, "Boolean")
}

func readBool(kind Kind, n Node) (Value, error) {
	b, err := BoolFrom(n)
	if err != nil {
		return Value{}, err
	}
	if kind == Null {
		if !b {
			return Value{}, &InvalidError{Message: falseNull}
		}
		return Value{Kind: Null}, nil
	}
	return Value{Kind: Bool, Bool: b}, nil
}

func readBinary(n Node) (Value, error) {
	switch n.Form() {
	case String:
	case Array:
		return Value{}, shape("Unrecognized collection type class java.nio.ByteBuffer")
	case Object:
		return Value{}, shape("Start of structure or map found where not expected")
	default:
		return Value{}, shape("only base-64-encoded strings are convertible to bytes")
	}
	text := n.Text()
	if len(text)%4 != 0 {
		return Value{}, shape(fmt.Sprintf("Base64 encoded length is expected a multiple of 4 bytes but found: %d", len(text)))
	}
	bytes, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return Value{}, shape("Invalid last non-pad Base64 character dectected") // AWS's spelling
	}
	return Value{Kind: B, Text: string(bytes)}, nil
}

func listForm(n Node) error {
	switch n.Form() {
	case Array:
		return nil
	case Object:
		return shape("Start of structure or map found where not expected")
	}
	return shape("Unexpected field type")
}

func readList(n Node, depth int) (Value, error) {
	if err := listForm(n); err != nil {
		return Value{}, err
	}
	list := make([]Value, 0, n.Len())
	for c, ok := n.First(); ok; c, ok = c.Next() {
		v, err := readValue(c, depth+1)
		if err != nil {
			return Value{}, err
		}
		list = append(list, v)
	}
	return Value{Kind: L, List: list}, nil
}

var emptySets = map[Kind]string{
	SS: "One or more parameter values were invalid: An string set  may not be empty",
	NS: "One or more parameter values were invalid: An number set  may not be empty",
	BS: "One or more parameter values were invalid: Binary sets should not be empty",
}

func readSet(kind Kind, n Node) (Value, error) {
	if err := listForm(n); err != nil {
		return Value{}, err
	}
	list := make([]Value, 0, n.Len())
	for c, ok := n.First(); ok; c, ok = c.Next() {
		v, err := readScalar(kind.Elem(), c)
		if err != nil {
			return Value{}, err
		}
		list = append(list, v)
	}
	if len(list) == 0 {
		return Value{}, &InvalidError{Message: emptySets[kind], Content: kind == NS}
	}
	set := setOf(kind, slices.Clone(list))
	if len(set.List) < len(list) {
		return Value{}, doubles(kind, n)
	}
	return set, nil
}

func doubles(kind Kind, n Node) error {
	if kind == NS {
		return &InvalidError{Message: "Input collection contains duplicates", Content: true}
	}
	var texts []string
	for c, ok := n.First(); ok; c, ok = c.Next() {
		texts = append(texts, c.Text())
	}
	all := "[" + strings.Join(texts, ", ") + "]"
	if kind == BS {
		all += "of type BS"
	}
	return &InvalidError{Message: "One or more parameter values were invalid: Input collection " + strings.TrimSpace(all) + " contains duplicates.", Content: true}
}
