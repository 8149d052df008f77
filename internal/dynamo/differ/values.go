package differ

import "slices"

// What is drawn comes from few values, so that requests meet each other, among
// them those at the edges of what is allowed.
var (
	texts   = []string{"", "a", "a", "b", "ab", "abc", "é", "😀", "\x00", "Z", "\"\\"}
	keyText = []string{"a", "a", "b", "ab", "é", "Z"}
	binary  = []string{"", "AA==", "AQ==", "AAE=", "/w==", "YWI="}
	keyBin  = []string{"AA==", "AA==", "AQ==", "AAE=", "/w=="}
	numbers = []string{
		"0", "1", "1", "2", "3", "10", "-1", "0.5", "1.50", "01", "-0", "1e1", "100E-2", ".5", "+2", "99", "123456",
		"1E-130", "-1E-130", "9.9999999999999999999999999999999999999E+125", "-9.9999999999999999999999999999999999999E+125",
		"12345678901234567890123456789012345678", "0.00000000000000000000000000000000000001", "1E+100",
	}
	keyNumbers = []string{"0", "1", "1", "1.0", "2", "10", "-1", "-10", "0.5", "1E+100", "-1E-130", "123456"}
	attributes = []string{"a", "a", "b", "b", "c", "d", "m", "m", "l", "l", "s", "n"}
)

func sortedNames[T any](m map[string]T) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func typed(kind string, v any) map[string]any { return map[string]any{kind: v} }

// keyValue draws a value for a key attribute.
func (g *generator) keyValue(kind string) map[string]any {
	switch kind {
	case "N":
		return typed("N", pick(g, keyNumbers...))
	case "B":
		return typed("B", pick(g, keyBin...))
	}
	return typed("S", pick(g, keyText...))
}

// key draws a key of the table.
func (g *generator) key() map[string]any {
	k := map[string]any{}
	for _, a := range g.table.keys {
		k[a.name] = g.keyValue(a.kind)
	}
	return k
}

// item draws an item of the table.
func (g *generator) item() map[string]any {
	it := g.key()
	for range g.IntN(6) {
		name := pick(g, attributes...)
		it[name] = g.attribute(name)
	}
	if g.chance(150) {
		it["big"] = typed("S", repeated(1000*(1+g.IntN(300))))
	}
	return it
}

// attribute draws a value that fits what the attribute usually is.
func (g *generator) attribute(name string) map[string]any {
	for _, x := range g.table.indexes {
		for _, k := range x.keys {
			if k.name == name && !g.chance(25) {
				return g.keyValue(k.kind)
			}
		}
	}
	if g.chance(5) {
		return g.value(2)
	}
	switch name {
	case "n", "b":
		return typed("N", pick(g, numbers...))
	case "m":
		return g.document(2)
	case "l":
		return g.list(2)
	case "s":
		return g.set()
	}
	return g.value(2)
}

// value draws a value of any type, with so many levels below.
func (g *generator) value(depth int) map[string]any {
	switch g.IntN(12) {
	case 0, 1, 2:
		return typed("S", pick(g, texts...))
	case 3, 4, 5:
		return typed("N", pick(g, numbers...))
	case 6:
		return typed("B", pick(g, binary...))
	case 7:
		return typed("BOOL", pick(g, true, false))
	case 8:
		return typed("NULL", true)
	case 9:
		return g.set()
	case 10:
		return g.document(depth)
	}
	return g.list(depth)
}

func (g *generator) document(depth int) map[string]any {
	m := map[string]any{}
	if depth > 0 {
		for range g.IntN(4) {
			m[pick(g, "a", "b", "l", "m", "n")] = g.value(depth - 1)
		}
	}
	return typed("M", m)
}

func (g *generator) list(depth int) map[string]any {
	l := []any{}
	if depth > 0 {
		for range g.IntN(4) {
			l = append(l, g.value(depth-1))
		}
	}
	return typed("L", l)
}

func (g *generator) set() map[string]any {
	kind := pick(g, "SS", "NS", "BS")
	from := map[string][]string{"SS": {"a", "b", "c", "é", ""}, "NS": {"0", "1", "2.0", "-1", "1E-130", "100"}, "BS": {"AA==", "AQ==", "/w==", ""}}[kind]
	var list []any
	for _, i := range g.Perm(len(from))[:1+g.IntN(3)] {
		list = append(list, from[i])
	}
	return typed(kind, list)
}
