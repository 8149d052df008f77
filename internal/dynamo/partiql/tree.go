package partiql

import "github.com/meridian-run/meridian/internal/dynamo/expr"

// Kind is what a statement does.
type Kind uint8

// The kinds of statements. Exists is a condition among the writes of a
// transaction.
const (
	Select Kind = iota
	Insert
	Update
	Delete
	Exists
)

// Statement is a parsed statement. It never changes once parsed.
type Statement struct {
	Kind Kind
	// Table and Index are named as the statement has them; Index may be empty.
	Table, Index string
	// Returning is "ALL OLD", "MODIFIED OLD", "ALL NEW", "MODIFIED NEW", or empty.
	Returning string

	columns    [][]expr.Step // nil is all of the item
	where      *node         // nil if there is none
	order      []ordering
	item       *node // of an Insert
	actions    []action
	parameters int
}

// ordering is one key of ORDER BY.
type ordering struct {
	name       string
	descending bool
}

// action is one assignment or removal of an Update.
type action struct {
	path    []expr.Step
	operand *node // nil to remove
}

// op is what a node is.
type op uint8

const (
	opString op = iota
	opNumber
	opTrue
	opFalse
	opNull
	opParameter
	opPath
	opList
	opBag
	opStruct
	opCall
	opAnd
	opOr
	opNot
	opCompare // = <> < <= > >= BETWEEN IN
	opIs
	opPlus
	opMinus
)

// node is a part of an expression.
type node struct {
	op op
	at Place
	// text is a string, a number as written, a function's name in lower case, a
	// comparison, or a type's name.
	text  string
	path  []expr.Step
	index int      // of a parameter, from 0
	names []string // of a struct's members
	kids  []*node
}
