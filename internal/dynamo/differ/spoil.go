package differ

import (
	"strings"
)

// spoil makes one mistake in a request.
func (g *generator) spoil(r map[string]any) {
	switch g.IntN(9) {
	case 0:
		g.spoilParameter(r)
	case 1:
		g.spoilKey(r)
	case 2, 3:
		g.spoilExpression(r)
	case 4:
		g.spoilPlaceholders(r)
	case 5, 6:
		g.spoilValue(r)
	case 7:
		r["TableName"] = pick[any](g, "nosuch", "no", "b@d", nil, "range-n", 5)
	default:
		if names := sortedNames(r); len(names) > 0 {
			delete(r, pick(g, names...))
		}
	}
	for name, j := range r {
		if j == nil {
			delete(r, name)
		}
	}
}

func (g *generator) spoilParameter(r map[string]any) {
	switch g.IntN(8) {
	case 0:
		r["ReturnConsumedCapacity"] = "total"
	case 1:
		r["ReturnValues"] = pick(g, "UPDATED_NEW", "ALL_NEW", "all")
	case 2:
		r["Limit"] = pick(g, 0, -1)
	case 3:
		r["Select"] = pick(g, "SPECIFIC_ATTRIBUTES", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "COUNT", "nothing")
	case 4:
		r["IndexName"] = pick(g, "nosuch", "by-a", "no", "b@d")
	case 5:
		r["Segment"] = g.IntN(3)
	case 6:
		r["TotalSegments"] = g.IntN(3)
	default:
		r["ConsistentRead"] = pick[any](g, "maybe", true, 1)
	}
}

func (g *generator) spoilKey(r map[string]any) {
	name := pick(g, "Key", "ExclusiveStartKey", "Item")
	k, ok := r[name].(map[string]any)
	if !ok {
		return
	}
	a := pick(g, g.table.keys...).name
	switch g.IntN(5) {
	case 0:
		delete(k, a)
	case 1:
		k[a] = g.value(0)
	case 2:
		k["x"] = g.value(0)
	case 3:
		k[a] = pick(g, typed("S", ""), typed("B", ""))
	default:
		k[a] = typed("S", repeated(pick(g, 1024, 1025, 2048, 2049)))
	}
}

var expressionNames = []string{"ConditionExpression", "UpdateExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression"}

// spoilExpression drops, doubles or replaces a word of an expression.
func (g *generator) spoilExpression(r map[string]any) {
	for _, i := range g.Perm(len(expressionNames)) {
		text, ok := r[expressionNames[i]].(string)
		if !ok {
			continue
		}
		words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ", ",", " , ", "[", " [ ", "]", " ] ").Replace(text))
		if len(words) == 0 {
			return
		}
		at := g.IntN(len(words))
		switch g.IntN(6) {
		case 0:
			words = append(words[:at], words[at+1:]...)
		case 1:
			words[at] += " " + words[at]
		case 2:
			words[at] = pick(g, "size", "(", ")", "AND", "NOT", "=", ":nosuch", "#nosuch", "pk", "pk.a", "a.b", "[0]", "status", "SET", "1", "@", ",")
		case 3:
			words = []string{strings.Repeat("(", 2), strings.Join(words, " "), strings.Repeat(")", 2)}
		case 4:
			words = nil
		default:
			words = append(words, pick(g, "AND", "OR", ",", "=", "REMOVE a", "SET a = a", "pk = :v0", "AND pk = pk", "garbage", "AND nofunction(a)", "AND size(a)"))
		}
		r[expressionNames[i]] = strings.Join(words, " ")
		return
	}
	r[pick(g, expressionNames...)] = pick(g, "a", "a = b", "pk", "")
}

func (g *generator) spoilPlaceholders(r map[string]any) {
	name, sign, value := "ExpressionAttributeNames", "#", any("a")
	if g.chance(2) {
		name, sign, value = "ExpressionAttributeValues", ":", any(typed("S", "a"))
	}
	m, ok := r[name].(map[string]any)
	if !ok {
		m = map[string]any{}
		r[name] = m
	}
	switch g.IntN(4) {
	case 0:
		m[sign+"unused"] = value
	case 1:
		if len(m) > 0 {
			delete(m, pick(g, sortedNames(m)...))
		}
	case 2:
		m[pick(g, "x", sign, sign+"a-b", sign+"é")] = value
	default:
		m[sign+"v0"] = pick(g, any("a"), any(typed("N", "abc")), any(5))
	}
}

// badValues are what no attribute can be.
var badValues = []any{
	map[string]any{},
	typed("N", "abc"), typed("N", ""), typed("N", "1E126"), typed("N", "1E-131"), typed("N", "123456789012345678901234567890123456789"),
	typed("S", 5), typed("SS", []any{}), typed("SS", []any{"a", "a"}), typed("NS", []any{"1", "1.0"}), typed("NS", []any{"x"}), typed("BS", []any{"AA==", "AA=="}),
	typed("NULL", false), typed("B", "A"), typed("B", "AAA"), typed("B", "AB=="), typed("L", "x"), typed("M", []any{}), "a", 5,
	[]any{},
	map[string]any{"S": "a", "N": "1"},
	typed("X", "a"), typed("BOOL", "maybe"), typed("N", "Infinity"), typed("N", "1e1e1"), typed("N", "0x10"), typed("N", " 1"), typed("N", "1_0"),
}

// spoilValue puts a bad value, or one that is nested too deeply, somewhere.
func (g *generator) spoilValue(r map[string]any) {
	bad := pick(g, badValues...)
	if g.chance(8) {
		v := typed("S", "a")
		for range 31 + g.IntN(3) {
			v = pick(g, typed("L", []any{v}), typed("M", map[string]any{"a": v}))
		}
		bad = v
	}
	for _, i := range g.Perm(3) {
		name := []string{"Item", "Key", "ExpressionAttributeValues"}[i]
		m, ok := r[name].(map[string]any)
		if !ok || len(m) == 0 {
			continue
		}
		at := pick(g, sortedNames(m)...)
		if name == "Item" && g.chance(2) {
			at = "x"
		}
		m[at] = bad
		return
	}
}
