package model

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// value is an attribute's value; kind is DynamoDB's name of its type, empty if
// there is no value.
type value struct {
	kind string
	text string // of S, the bytes of B, and N in canonical form
	yes  bool
	list []value // of L and of sets, which are sorted
	m    map[string]value
}

// item is an item, or the inside of a map.
type item = map[string]value

const (
	depthMax   = 32
	emptyValue = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
	manyValues = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
)

var kinds = []string{"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}

func (v value) exists() bool { return v.kind != "" }
func (v value) isSet() bool  { return v.kind == "SS" || v.kind == "NS" || v.kind == "BS" }
func (v value) isScalar() bool {
	return v.kind == "S" || v.kind == "N" || v.kind == "B"
}

// readItem reads a JSON object of typed values.
func readItem(j any, depth int) item {
	object, ok := j.(map[string]any)
	if _, isArray := j.([]any); isArray {
		refuseShape("Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>")
	}
	if !ok {
		refuseShape("Unexpected field type")
	}
	it := item{}
	for _, name := range sortedKeys(object) {
		it[name] = readValue(object[name], depth+1)
	}
	return it
}

// readValue reads one typed value.
func readValue(j any, depth int) value {
	if _, isArray := j.([]any); isArray {
		refuseShape("Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue")
	}
	object, ok := j.(map[string]any)
	if j == nil {
		refuse(emptyValue)
	}
	if !ok {
		refuseShape("Unexpected value type in payload")
	}
	var v value
	for _, kind := range sortedKeys(object) {
		if object[kind] == nil || !slices.Contains(kinds, kind) {
			continue
		}
		if v.exists() {
			refuse(manyValues)
		}
		v = readKind(kind, object[kind], depth)
	}
	if !v.exists() {
		refuse(emptyValue)
	}
	return v
}

func readKind(kind string, j any, depth int) value {
	if depth > depthMax && (kind == "M" || kind == "L") {
		refuse("Nesting Levels have exceeded supported limits")
	}
	v := value{kind: kind}
	switch kind {
	case "S":
		v.text = readString(j)
	case "N":
		v.text = canonical(readString(j))
	case "B":
		v.text = readBytes(j)
	case "BOOL":
		v.yes = readBool(j)
	case "NULL":
		if !readBool(j) {
			refuseValues("Null attribute value types must have the value of true")
		}
	case "M":
		v.m = readItem(j, depth)
	case "L":
		for _, element := range readList(j) {
			v.list = append(v.list, readValue(element, depth+1))
		}
	default:
		v.list = readSet(kind, readList(j))
	}
	return v
}

func readSet(kind string, elements []any) []value {
	var set []value
	for _, element := range elements {
		set = append(set, readKind(kind[:1], element, 0))
	}
	if len(set) == 0 {
		refuseValues(map[string]string{
			"SS": "An string set  may not be empty", "NS": "An number set  may not be empty", "BS": "Binary sets should not be empty",
		}[kind])
	}
	set = sorted(set)
	for i := range set[1:] {
		if !equal(set[i], set[i+1]) {
			continue
		}
		if kind == "NS" {
			refuse("Input collection contains duplicates")
		}
		var texts []string
		for _, element := range elements {
			texts = append(texts, element.(string))
		}
		of := ""
		if kind == "BS" {
			of = "of type BS"
		}
		refuseValues(fmt.Sprintf("Input collection [%s]%s contains duplicates.", strings.Join(texts, ", "), of))
	}
	return set
}

func readString(j any) string {
	text, ok := j.(string)
	if !ok {
		refuseForm(j, "String")
	}
	return text
}

func readBool(j any) bool {
	yes, ok := j.(bool)
	if !ok {
		refuseForm(j, "Boolean")
	}
	return yes
}

func readBytes(j any) string {
	text, ok := j.(string)
	if !ok {
		refuseShape("only base-64-encoded strings are convertible to bytes")
	}
	if len(text)%4 != 0 {
		refuseShape(fmt.Sprintf("Base64 encoded length is expected a multiple of 4 bytes but found: %d", len(text)))
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		refuseShape("Invalid last non-pad Base64 character dectected")
	}
	return string(b)
}

func readList(j any) []any {
	list, ok := j.([]any)
	if !ok {
		if _, isObject := j.(map[string]any); isObject {
			refuseShape("Start of structure or map found where not expected")
		}
		refuseShape("Unexpected field type")
	}
	return list
}

// json is the value as the wire has it.
func (v value) json() any {
	var inner any
	switch v.kind {
	case "S", "N":
		inner = v.text
	case "B":
		inner = base64.StdEncoding.EncodeToString([]byte(v.text))
	case "BOOL":
		inner = v.yes
	case "NULL":
		inner = true
	case "M":
		inner = itemJSON(v.m)
	default:
		list := []any{}
		for _, element := range v.list {
			j := element.json()
			if v.isSet() {
				j = j.(map[string]any)[element.kind]
			}
			list = append(list, j)
		}
		inner = list
	}
	return map[string]any{v.kind: inner}
}

func itemJSON(it item) any {
	out := map[string]any{}
	for name, v := range it {
		out[name] = v.json()
	}
	return out
}

// key is a text that equal values share, and no others.
func (v value) key() string {
	b, err := json.Marshal(v.json())
	if err != nil {
		panic(err) // there is nothing in it that JSON has not
	}
	return string(b)
}

func equal(a, b value) bool { return a.kind == b.kind && a.key() == b.key() }

// compare orders two scalars of one type; anything else has no order.
func compare(a, b value) (order int, ok bool) {
	if a.kind != b.kind || !a.isScalar() {
		return 0, false
	}
	if a.kind == "N" {
		return rat(a.text).Cmp(rat(b.text)), true
	}
	return strings.Compare(a.text, b.text), true
}

func sorted(set []value) []value {
	set = slices.Clone(set)
	sort.SliceStable(set, func(i, j int) bool {
		order, _ := compare(set[i], set[j])
		return order < 0
	})
	return set
}

// size is what a value counts for the limits of items and pages.
func (v value) size() int {
	total := 0
	switch v.kind {
	case "S", "B":
		return len(v.text)
	case "N":
		return numberSize(v.text)
	case "BOOL", "NULL":
		return 1
	case "M":
		return 3 + len(v.m) + itemSize(v.m)
	case "L":
		total = 3 + len(v.list)
	}
	for _, element := range v.list {
		total += element.size()
	}
	return total
}

func itemSize(it item) int {
	total := 0
	for name, v := range it {
		total += len(name) + v.size()
	}
	return total
}

func sortedKeys[T any](m map[string]T) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
