package expr

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
)

// Update is an update expression, bound to its placeholders.
type Update struct {
	env     env
	actions []action
	legacy  bool // made of AttributeUpdates
}

// Mistakes that show only with the item, in AWS's words.
var (
	errOperand = &Error{"An operand in the update expression has an incorrect data type"}
	errPath    = &Error{"The document path provided in the update expression is invalid for update"}
	errAbsent  = &Error{"The provided expression refers to an attribute that does not exist in the item"}
	errLegacy  = &Error{"Type mismatch for attribute to update"}
)

// Attributes are the top-level attributes that the update may change, each once.
func (u *Update) Attributes() []string {
	names := make([]string, 0, len(u.actions))
	for _, a := range u.actions {
		if name := u.env.name(a.path[0]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Kind is the kind of value that the update gives a top-level attribute; None if
// it gives it none, or one that depends on the item.
func (u *Update) Kind(attribute string) item.Kind {
	for _, a := range u.actions {
		if len(a.path) == 1 && a.operand != nil && u.env.name(a.path[0]) == attribute {
			return u.env.kind(a.operand)
		}
	}
	return item.None
}

// UsesInside reports whether the update changes something inside of the
// attribute.
func (u *Update) UsesInside(attribute string) bool {
	return slices.ContainsFunc(u.actions, func(a action) bool {
		return len(a.path) > 1 && u.env.name(a.path[0]) == attribute
	})
}

// Changed picks the parts of the item that the update names, for UPDATED_OLD
// and UPDATED_NEW.
func (u *Update) Changed(it item.Item) item.Item {
	paths := make([]path, len(u.actions))
	for i, a := range u.actions {
		paths[i] = a.path
	}
	return u.env.projection(paths).Apply(it)
}

// Creates reports whether the update makes an item where there is none:
// removing something from nothing does not.
func (u *Update) Creates() bool {
	return slices.ContainsFunc(u.actions, func(a action) bool { return a.section == setSection || a.section == addSection })
}

// Apply returns the item as updated; the item itself is unchanged. Operands are
// taken from the item as it was. Errors are *Error or *item.InvalidError.
func (u *Update) Apply(it item.Item) (item.Item, error) {
	type change struct {
		action
		value item.Value
	}
	changes := make([]change, len(u.actions))
	for i, a := range u.actions {
		v, err := u.env.result(a, it)
		if err == errOperand && u.legacy {
			err = errLegacy
		}
		if err != nil {
			return nil, err
		}
		changes[i] = change{a, v}
	}
	// By path: elements appended to a list come in the order of their indexes.
	slices.SortStableFunc(changes, func(a, b change) int { return u.env.comparePaths(a.path, b.path) })
	removed := false
	out := item.Value{Kind: item.M, Map: it}
	for _, c := range changes {
		var err error
		if out, err = u.env.store(out, c.path, c.value); err != nil {
			return nil, err
		}
		removed = removed || !c.value.Exists() && c.path[len(c.path)-1].index >= 0
	}
	if removed {
		out = squeeze(out)
	}
	return out.Map, out.Map.CheckDepth()
}

// result is what an action puts at its path: kind None to remove what is there.
func (e env) result(a action, it item.Item) (item.Value, error) {
	switch a.section {
	case setSection:
		return e.operand(a.operand, it)
	case addSection:
		return add(e.lookup(a.path, it), e.values[a.operand.value])
	case deleteSection:
		old, minus := e.lookup(a.path, it), e.values[a.operand.value]
		if !old.Exists() {
			return old, nil
		}
		if old.Kind != minus.Kind {
			return old, errOperand
		}
		if rest := item.Difference(old, minus); len(rest.List) > 0 {
			return rest, nil
		}
	}
	return item.Value{}, nil
}

func add(old, more item.Value) (item.Value, error) {
	switch {
	case !old.Exists():
		return more, nil
	case old.Kind != more.Kind:
		return old, errOperand
	case more.Kind == item.N:
		return item.Add(old, more)
	case more.Kind == item.L: // of AttributeUpdates only
		return item.Value{Kind: item.L, List: slices.Concat(old.List, more.List)}, nil
	}
	return item.Union(old, more), nil
}

// operand evaluates what is assigned.
func (e env) operand(n *node, it item.Item) (item.Value, error) {
	switch n.op {
	case opValue:
		return e.values[n.value], nil
	case opPath:
		if v := e.lookup(n.path, it); v.Exists() {
			return v, nil
		}
		return item.Value{}, errAbsent
	case opCall:
		if n.name == "if_not_exists" {
			if v := e.lookup(n.kids[0].path, it); v.Exists() {
				return v, nil
			}
			return e.operand(n.kids[1], it)
		}
	}
	a, err := e.operand(n.kids[0], it)
	if err != nil {
		return a, err
	}
	b, err := e.operand(n.kids[1], it)
	if err != nil {
		return b, err
	}
	return combine(n.op, a, b)
}

func combine(op operator, a, b item.Value) (item.Value, error) {
	want := item.N
	if op == opCall {
		want = item.L
	}
	if a.Kind != want || b.Kind != want {
		return item.Value{}, errOperand
	}
	switch op {
	case opAdd:
		return item.Add(a, b)
	case opSubtract:
		return item.Sub(a, b)
	}
	return item.Value{Kind: item.L, List: slices.Concat(a.List, b.List)}, nil
}

// store returns parent with the value at the path: kind None removes what is
// there, from a list by leaving a hole for squeeze.
func (e env) store(parent item.Value, p path, v item.Value) (item.Value, error) {
	s := p[0]
	if s.index >= 0 {
		if parent.Kind != item.L {
			return parent, errPath
		}
		return e.storeElement(parent, p, v)
	}
	if parent.Kind != item.M {
		return parent, errPath
	}
	name := e.name(s)
	if len(p) > 1 {
		var err error
		if v, err = e.store(parent.Map.Get(name), p[1:], v); err != nil {
			return parent, err
		}
	}
	if !v.Exists() {
		parent.Map = parent.Map.Remove(name)
	} else {
		parent.Map = parent.Map.Set(name, v)
	}
	return parent, nil
}

func (e env) storeElement(parent item.Value, p path, v item.Value) (item.Value, error) {
	index := p[0].index
	if len(p) > 1 {
		if index >= len(parent.List) {
			return parent, errPath
		}
		var err error
		if v, err = e.store(parent.List[index], p[1:], v); err != nil {
			return parent, err
		}
	}
	switch {
	case index < len(parent.List):
		parent.List = slices.Clone(parent.List)
		parent.List[index] = v
	case v.Exists():
		parent.List = append(slices.Clip(parent.List), v)
	}
	return parent, nil
}

// squeeze closes the holes that removals left in lists.
func squeeze(v item.Value) item.Value {
	switch v.Kind {
	case item.M:
		v.Map = slices.Clone(v.Map)
		for i := range v.Map {
			v.Map[i].Value = squeeze(v.Map[i].Value)
		}
	case item.L:
		list := make([]item.Value, 0, len(v.List))
		for _, element := range v.List {
			if element.Exists() {
				list = append(list, squeeze(element))
			}
		}
		v.List = list
	}
	return v
}

func (e env) comparePaths(a, b path) int {
	return slices.CompareFunc(a, b, func(x, y step) int {
		if x.index >= 0 || y.index >= 0 {
			return cmp.Compare(x.index, y.index)
		}
		return strings.Compare(e.name(x), e.name(y))
	})
}

// check finds the mistakes of an update that depend on the placeholders'
// meaning.
func (u *Update) check(found *problems) {
	paths := make([]path, len(u.actions))
	for i, a := range u.actions {
		paths[i] = a.path
		switch a.section {
		case setSection:
			u.env.checkOperand(a.operand, found)
		case addSection, deleteSection:
			u.checkSetOperand(a, found)
		}
	}
	u.env.checkOverlap(paths, found)
}

var typeNames = map[item.Kind]string{
	item.S: "STRING", item.N: "NUMBER", item.B: "BINARY", item.Bool: "BOOLEAN", item.Null: "NULL", item.L: "LIST", item.M: "MAP",
}

// checkSetOperand lets ADD take numbers and sets, DELETE sets.
func (u *Update) checkSetOperand(a action, found *problems) {
	v := u.env.literal(a.operand)
	if !v.Exists() || v.Kind.IsSet() || a.section == addSection && v.Kind == item.N {
		return
	}
	name := sectionNames[a.section]
	found.add(rankType, "Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: ALLOWED_FOR_%s_OPERAND", name, typeNames[v.Kind], name)
}

func (e env) checkOperand(n *node, found *problems) {
	for _, k := range n.kids {
		e.checkOperand(k, found)
	}
	want := item.None
	name := n.name
	switch {
	case n.op == opAdd || n.op == opSubtract:
		want, name = item.N, operatorNames[n.op]
	case n.name == "list_append":
		want = item.L
	case n.name == "if_not_exists" && n.kids[0].op != opPath:
		found.add(rankType, "Operator or function requires a document path; operator or function: if_not_exists")
	}
	for _, k := range n.kids {
		if kind := e.literal(k).Kind; want != item.None && kind != item.None && kind != want {
			found.add(rankType, "Incorrect operand type for operator or function; operator or function: %s, operand type: %s", name, kind)
		}
	}
}
