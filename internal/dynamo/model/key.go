package model

import "slices"

// term is one comparison of a key condition.
type term struct {
	name   string
	op     string
	values []value
}

var mirror = map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// keyTerms are the comparisons of a key condition. It refuses what one cannot
// say.
func keyTerms(n *node, s *scope) []term {
	if n.op == "AND" {
		var terms []term
		for _, k := range n.kids {
			for _, t := range keyTerms(k, s) {
				if slices.ContainsFunc(terms, func(other term) bool { return other.name == t.name }) {
					refuse("KeyConditionExpressions must only contain one condition per key")
				}
				terms = append(terms, t)
			}
		}
		return terms
	}
	return []term{keyTerm(n, s)}
}

func keyTerm(n *node, s *scope) term {
	const wrong = "Invalid condition in KeyConditionExpression: "
	if !slices.Contains([]string{"=", "<", "<=", ">", ">=", "BETWEEN", "begins_with"}, n.op) {
		refuse("Invalid operator used in KeyConditionExpression: " + n.op)
	}
	if mirror[n.op] == "" && n.kids[0].op != "path" {
		refuse(wrong + n.op + " operator must have the key attribute as its first operand")
	}
	t := term{op: n.op}
	for i, k := range n.kids {
		switch k.op {
		case "path":
			if t.name != "" {
				refuse(wrong + "Multiple attribute names used in one condition")
			}
			if len(k.path) > 1 {
				refuse("KeyConditionExpressions cannot have conditions on nested attributes")
			}
			t.name = k.path[0].name
			if i > 0 {
				t.op = mirror[n.op]
			}
		case "value":
			t.values = append(t.values, s.values[k.value])
		default:
			refuse("KeyConditionExpressions cannot contain nested operations")
		}
	}
	if t.name == "" {
		refuse(wrong + "No key attribute specified")
	}
	return t
}

// allows reports whether a key's value fulfils the comparison.
func (t term) allows(v value) bool {
	switch t.op {
	case "=":
		return equal(v, t.values[0])
	case "BETWEEN":
		return ordered(">=", v, t.values[0]) && ordered("<=", v, t.values[1])
	case "begins_with":
		return beginsWith(v, t.values[0])
	}
	return ordered(t.op, v, t.values[0])
}
