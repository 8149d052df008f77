package expr

import "github.com/meridian-run/meridian/internal/item"

// Builder puts expressions together that stand in no text of this package, such
// as PartiQL's: the same trees as parsed ones, with the same checks and messages.
// One builder makes one condition or one update. The zero value is ready.
type Builder struct {
	env      env
	actions  []action
	problems problems
}

// Operand is a part of an expression that a Builder has made.
type Operand struct{ node *node }

// Step is one step of a path: a name, or the index of a list's element if Index
// is not negative.
type Step struct {
	Name  string
	Index int
}

func pathOf(steps []Step) path {
	p := make(path, len(steps))
	for i, s := range steps {
		p[i] = step{name: s.Name, slot: -1, index: s.Index}
	}
	return p
}

// Value is a value as an operand.
func (b *Builder) Value(v item.Value) Operand {
	b.env.values = append(b.env.values, v)
	return Operand{&node{op: opValue, value: len(b.env.values) - 1}}
}

// Path is a path as an operand.
func (b *Builder) Path(steps []Step) Operand { return Operand{&node{op: opPath, path: pathOf(steps)}} }

var buildOperators = func() map[string]operator {
	byName := make(map[string]operator, len(operatorNames))
	for op, name := range operatorNames {
		byName[name] = op
	}
	return byName
}()

// Join applies an operator of conditions or updates, by its name: AND, OR, NOT,
// a comparison, BETWEEN, IN, + or -.
func (b *Builder) Join(operator string, operands ...Operand) Operand {
	n := &node{op: buildOperators[operator]}
	for _, o := range operands {
		n.kids = append(n.kids, o.node)
	}
	if n.op == opIn && len(n.kids)-1 > operandsMax {
		b.problems.add(rankCount, "The IN operator is provided with too many operands; number of operands: %d", len(n.kids)-1)
	}
	return Operand{n}
}

// Call calls a function of conditions or updates.
func (b *Builder) Call(function string, operands ...Operand) Operand {
	n := &node{op: opCall, name: function}
	for _, o := range operands {
		n.kids = append(n.kids, o.node)
	}
	want, known := conditionFunctions[function]
	if !known {
		want = updateFunctions[function]
	}
	if len(n.kids) != want {
		b.problems.add(rankCount, "Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", function, len(n.kids))
		return Operand{&node{op: opAnd}} // never evaluated
	}
	return Operand{n}
}

// Truth is a condition as an operand: true or false.
func (b *Builder) Truth(condition Operand) Operand {
	return Operand{&node{op: opTruth, kids: []*node{condition.node}}}
}

// Condition is the condition that an operand is.
func (b *Builder) Condition(root Operand) (*Condition, error) {
	b.env.check(root.node, &b.problems)
	if err := b.problems.first(conditionOrder); err != nil {
		return nil, err
	}
	return &Condition{root: root.node, env: b.env}, nil
}

// Set assigns an operand, Add and Delete add and take away a set's elements, and
// Remove removes what is at the path.
func (b *Builder) Set(steps []Step, o Operand)    { b.act(setSection, steps, o) }
func (b *Builder) Add(steps []Step, o Operand)    { b.act(addSection, steps, o) }
func (b *Builder) Delete(steps []Step, o Operand) { b.act(deleteSection, steps, o) }
func (b *Builder) Remove(steps []Step)            { b.act(removeSection, steps, Operand{}) }

func (b *Builder) act(s section, steps []Step, o Operand) {
	b.actions = append(b.actions, action{section: s, path: pathOf(steps), operand: o.node})
}

// Update is the update of all assignments and removals.
func (b *Builder) Update() (*Update, error) {
	u := &Update{env: b.env, actions: b.actions}
	u.check(&b.problems)
	if err := b.problems.first(updateOrder); err != nil {
		return nil, err
	}
	return u, nil
}

// Column is a part of items under a name of its own.
type Column struct {
	Name string
	Path []Step
}

// Columns is the projection that makes items of columns.
func Columns(columns []Column) *Projection {
	p := &Projection{columns: make([]column, len(columns))}
	for i, c := range columns {
		p.columns[i] = column{c.Name, pathOf(c.Path)}
	}
	return p
}

// column is a path under a name of its own.
type column struct {
	name string
	path path
}

// applyColumns makes an item of what is at the columns' paths.
func (p *Projection) applyColumns(it item.Item) item.Item {
	attributes := make([]item.Attribute, 0, len(p.columns))
	for _, c := range p.columns {
		if v := (env{}).lookup(c.path, it); v.Exists() {
			attributes = append(attributes, item.Attribute{Name: c.name, Value: v})
		}
	}
	return item.Make(attributes...)
}
