package differ

import (
	"fmt"
	"strings"
)

// name draws how an expression names an attribute: as it is, or by a
// placeholder.
func (g *generator) name(attribute string) string {
	if !g.chance(3) {
		return attribute
	}
	placeholder := "#" + attribute
	g.names[placeholder] = attribute
	return placeholder
}

// val adds a value under a placeholder of its own.
func (g *generator) val(v map[string]any) string {
	placeholder := fmt.Sprintf(":v%d", len(g.vals))
	g.vals[placeholder] = v
	return placeholder
}

// path draws a document path.
func (g *generator) path() string {
	top := pick(g, attributes...)
	p := g.name(top)
	if g.chance(3) {
		top = pick(g, "m", "l")
		p = g.name(top)
	}
	for top == "m" || top == "l" {
		if g.chance(3) {
			break
		}
		if top == "l" {
			p += fmt.Sprintf("[%d]", g.IntN(4))
		} else {
			p += "." + g.name(pick(g, "a", "b", "l", "m", "n"))
		}
		if g.chance(2) {
			break
		}
	}
	return p
}

// any draws a path to any attribute, keys too.
func (g *generator) anyPath() string {
	if g.chance(5) {
		return g.name(pick(g, g.table.keys...).name)
	}
	return g.path()
}

// operand draws what a condition compares.
func (g *generator) operand() string {
	switch g.IntN(6) {
	case 0, 1, 2:
		return g.anyPath()
	case 3:
		return "size(" + g.path() + ")"
	}
	return g.val(g.value(1))
}

func (g *generator) scalar() string {
	return g.val(pick(g, typed("N", pick(g, numbers...)), typed("S", pick(g, texts...)), typed("B", pick(g, binary...))))
}

// condition draws a condition with so many levels of AND, OR and NOT.
func (g *generator) condition(depth int) string {
	if depth > 0 && g.chance(2) {
		switch g.IntN(4) {
		case 0:
			return pick(g, "NOT ", "not ") + "(" + g.condition(depth-1) + ")"
		case 1:
			return "(" + g.condition(depth-1) + ")" + pick(g, " AND ", " or ", " OR ") + g.simple()
		}
		return g.condition(depth-1) + pick(g, " AND ", " OR ", " and ") + g.condition(depth-1)
	}
	return g.simple()
}

// simple draws one comparison or function.
func (g *generator) simple() string {
	switch g.IntN(12) {
	case 0, 1:
		return pick(g, "attribute_exists", "attribute_not_exists") + "(" + g.anyPath() + ")"
	case 2:
		return "attribute_type(" + g.path() + ", " + g.val(typed("S", pick(g, "S", "N", "M", "L", "SS", "BOOL", "NULL"))) + ")"
	case 3:
		return "begins_with(" + g.anyPath() + ", " + g.val(pick(g, typed("S", pick(g, texts...)), typed("B", pick(g, binary...)))) + ")"
	case 4, 5:
		return "contains(" + g.path() + ", " + g.val(g.value(1)) + ")"
	case 6:
		low, high := g.scalar(), g.scalar()
		return g.operand() + " BETWEEN " + low + " AND " + high
	case 7:
		var list []string
		for range 1 + g.IntN(3) {
			list = append(list, g.operand())
		}
		return g.operand() + " IN (" + strings.Join(list, ", ") + ")"
	case 8, 9:
		return g.path() + pick(g, " = ", " <> ", "=") + g.val(g.value(1))
	}
	return g.operand() + pick(g, " = ", " <> ", " < ", " <= ", " > ", ">=") + pick(g, g.operand(), g.scalar())
}

func (g *generator) projection() string {
	var list []string
	for range 1 + g.IntN(4) {
		list = append(list, g.anyPath())
	}
	return strings.Join(list, pick(g, ", ", ","))
}

// keyCondition draws a key condition on the keys.
func (g *generator) keyCondition(keys []attribute) string {
	text := g.name(keys[0].name) + " = " + g.val(g.keyValue(keys[0].kind))
	if len(keys) < 2 || g.chance(3) {
		return text
	}
	sort, value := g.name(keys[1].name), func() string { return g.val(g.keyValue(keys[1].kind)) }
	second := ""
	switch g.IntN(4) {
	case 0:
		second = sort + " BETWEEN " + value() + " AND " + value()
	case 1:
		second = "begins_with(" + sort + ", " + value() + ")"
	default:
		second = sort + pick(g, " = ", " < ", " <= ", " > ", " >= ") + value()
	}
	if g.chance(5) {
		return second + " AND " + text
	}
	return text + " AND " + second
}

// update draws an update expression.
func (g *generator) update() string {
	var parts []string
	for _, i := range g.Perm(4)[:pick(g, 1, 1, 1, 2, 2, 3)] {
		section := []string{"SET", "REMOVE", "ADD", "DELETE"}[i]
		if section == "DELETE" && g.chance(2) {
			section = "SET"
		}
		if strings.Contains(strings.Join(parts, " "), section+" ") {
			continue
		}
		var changes []string
		for range pick(g, 1, 1, 2, 3) {
			changes = append(changes, g.change(section))
		}
		parts = append(parts, section+" "+strings.Join(changes, ", "))
	}
	return strings.Join(parts, " ")
}

func (g *generator) change(section string) string {
	switch section {
	case "SET":
		return g.path() + " = " + g.assigned()
	case "ADD":
		return pick(g, g.path(), "n", "s") + " " + g.val(pick(g, typed("N", pick(g, numbers...)), typed("N", "1"), g.set()))
	case "DELETE":
		return pick(g, g.path(), "s", "s") + " " + g.val(g.set())
	}
	return g.path()
}

// assigned draws what SET assigns.
func (g *generator) assigned() string {
	number := func() string { return g.val(typed("N", pick(g, numbers...))) }
	switch g.IntN(10) {
	case 0, 1:
		return pick(g, "n", "b", "n", g.path()) + pick(g, " + ", " - ") + number()
	case 2:
		return "if_not_exists(" + g.path() + ", " + g.val(g.value(1)) + ")"
	case 3:
		return "if_not_exists(n, " + number() + ") + " + number()
	case 4:
		return "list_append(" + pick(g, g.path(), "l") + ", " + g.val(g.list(1)) + ")"
	case 5:
		return "list_append(if_not_exists(l, " + g.val(g.list(1)) + "), " + g.val(g.list(2)) + ")"
	case 6:
		return g.path()
	case 7:
		return g.val(typed("N", pick(g, numbers...)))
	}
	return g.val(g.value(2))
}
