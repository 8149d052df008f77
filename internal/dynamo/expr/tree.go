package expr

// operator is what a node of an expression does.
type operator uint8

const (
	opPath operator = iota
	opValue
	opCall
	opAnd
	opOr
	opNot
	opEqual
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opBetween
	opIn
	opAdd
	opSubtract
	opTruth // a condition as an operand
)

var operatorNames = map[operator]string{
	opAnd: "AND", opOr: "OR", opNot: "NOT", opEqual: "=", opNotEqual: "<>", opLess: "<", opLessEqual: "<=",
	opGreater: ">", opGreaterEqual: ">=", opBetween: "BETWEEN", opIn: "IN", opAdd: "+", opSubtract: "-",
}

// node is a part of a parsed expression. It never changes once parsed.
type node struct {
	op     operator
	name   string // of a function
	path   path
	value  int // slot of a value
	kids   []*node
	parens bool // was in parentheses
}

// step is one step of a path: a name as it stands, a name's slot, or an index.
type step struct {
	name  string
	slot  int // ≥ 0 if the name is a placeholder
	index int // ≥ 0 if it is an index
}

type path []step

// slots are the placeholders of an expression, in order of first use.
type slots []string

func (s *slots) of(placeholder string) int {
	for i, known := range *s {
		if known == placeholder {
			return i
		}
	}
	*s = append(*s, placeholder)
	return len(*s) - 1
}

// parsed is an expression without its placeholders' meaning. It is shared by
// all requests with the same text.
type parsed struct {
	names, values slots
	condition     *node
	projection    []path
	actions       []action
}

// section is a part of an update expression.
type section uint8

const (
	setSection section = iota
	removeSection
	addSection
	deleteSection
)

var sectionNames = [...]string{"SET", "REMOVE", "ADD", "DELETE"}

// action is one assignment, removal, addition or deletion.
type action struct {
	section section
	path    path
	operand *node // nil for REMOVE
}

// functions are the functions with the number of their operands; those of
// conditions and those of updates.
var (
	conditionFunctions = map[string]int{
		"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2, "size": 1,
	}
	updateFunctions = map[string]int{"if_not_exists": 2, "list_append": 2}
)

// isCondition reports whether the node is true or false.
func (n *node) isCondition() bool {
	switch n.op {
	case opPath, opValue, opAdd, opSubtract, opTruth:
		return false
	case opCall:
		return n.name != "size"
	}
	return true
}
