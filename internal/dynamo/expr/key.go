package expr

import "github.com/meridian-run/meridian/internal/item"

// Comparison is how a key condition compares a key attribute.
type Comparison uint8

// The comparisons of key conditions.
const (
	Equal Comparison = iota
	Less
	LessEqual
	Greater
	GreaterEqual
	Between
	BeginsWith
	// NotIndexable stands for all comparisons that keys do not allow; only legacy
	// conditions have it.
	NotIndexable
)

// KeyTerm is one comparison of a key condition: one attribute with one value,
// or two for Between.
type KeyTerm struct {
	Attribute  string
	Comparison Comparison
	Values     []item.Value
}

// KeyCondition binds a key condition: comparisons of different attributes with
// values, joined by AND.
func (s *Scope) KeyCondition(text string) ([]KeyTerm, error) {
	c, err := s.Condition("KeyConditionExpression", text)
	if err != nil {
		return nil, err
	}
	var terms []KeyTerm
	if err := c.env.keyTerms(c.root, &terms); err != nil {
		return nil, err
	}
	return terms, nil
}

func (e env) keyTerms(n *node, terms *[]KeyTerm) error {
	if n.op == opAnd {
		for _, k := range n.kids {
			if err := e.keyTerms(k, terms); err != nil {
				return err
			}
		}
		return nil
	}
	t, err := e.keyTerm(n)
	if err != nil {
		return err
	}
	for _, other := range *terms {
		if other.Attribute == t.Attribute {
			return &Error{"KeyConditionExpressions must only contain one condition per key"}
		}
	}
	*terms = append(*terms, t)
	return nil
}

var keyComparisons = map[operator]Comparison{
	opEqual: Equal, opLess: Less, opLessEqual: LessEqual, opGreater: Greater, opGreaterEqual: GreaterEqual, opBetween: Between,
}

// mirrored is the comparison with its operands exchanged.
var mirrored = map[Comparison]Comparison{
	Equal: Equal, Less: Greater, LessEqual: GreaterEqual, Greater: Less, GreaterEqual: LessEqual,
}

func (e env) keyTerm(n *node) (KeyTerm, error) {
	comparison, ok := keyComparisons[n.op]
	name := operatorNames[n.op]
	if n.op == opCall {
		name, comparison, ok = n.name, BeginsWith, n.name == "begins_with"
	}
	if !ok {
		return KeyTerm{}, errorf("Invalid operator used in KeyConditionExpression: %s", name)
	}
	if comparison >= Between && n.kids[0].op != opPath {
		return KeyTerm{}, errorf("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", name)
	}
	t := KeyTerm{Comparison: comparison}
	for i, k := range n.kids {
		switch k.op {
		case opPath:
			if t.Attribute != "" {
				return t, &Error{"Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"}
			}
			if len(k.path) > 1 {
				return t, &Error{"KeyConditionExpressions cannot have conditions on nested attributes"}
			}
			t.Attribute = e.name(k.path[0])
			if i > 0 {
				t.Comparison = mirrored[comparison]
			}
		case opValue:
			t.Values = append(t.Values, e.values[k.value])
		default:
			return t, &Error{"KeyConditionExpressions cannot contain nested operations"}
		}
	}
	if t.Attribute == "" {
		return t, &Error{"Invalid condition in KeyConditionExpression: No key attribute specified"}
	}
	return t, nil
}
