package expr

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
)

// Projection picks parts of items. It is the tree of its paths: a projection
// without children takes all of its value.
type Projection struct {
	names   []projectedName
	indexes []projectedIndex
	columns []column // instead of the tree
}

type projectedName struct {
	name string
	rest *Projection
}

type projectedIndex struct {
	index int
	rest  *Projection
}

// projection builds the tree of paths that do not overlap.
func (e env) projection(paths []path) *Projection {
	root := new(Projection)
	for _, p := range paths {
		at := root
		for _, s := range p {
			if s.index >= 0 {
				at = at.index(s.index)
			} else {
				at = at.name(e.name(s))
			}
		}
	}
	root.sort()
	return root
}

func (p *Projection) name(name string) *Projection {
	for _, n := range p.names {
		if n.name == name {
			return n.rest
		}
	}
	rest := new(Projection)
	p.names = append(p.names, projectedName{name, rest})
	return rest
}

func (p *Projection) index(index int) *Projection {
	for _, i := range p.indexes {
		if i.index == index {
			return i.rest
		}
	}
	rest := new(Projection)
	p.indexes = append(p.indexes, projectedIndex{index, rest})
	return rest
}

func (p *Projection) sort() {
	slices.SortFunc(p.names, func(a, b projectedName) int { return strings.Compare(a.name, b.name) })
	slices.SortFunc(p.indexes, func(a, b projectedIndex) int { return cmp.Compare(a.index, b.index) })
	for _, n := range p.names {
		n.rest.sort()
	}
	for _, i := range p.indexes {
		i.rest.sort()
	}
}

// Names are the top-level attributes that the projection looks at: sorted, or
// those of columns in their order.
func (p *Projection) Names() []string {
	names := make([]string, 0, len(p.names)+len(p.columns))
	for _, n := range p.names {
		names = append(names, n.name)
	}
	for _, c := range p.columns { // in their order
		names = append(names, c.path[0].name)
	}
	return names
}

// UsesInside reports whether the projection looks inside of the attribute.
func (p *Projection) UsesInside(attribute string) bool {
	return slices.ContainsFunc(p.names, func(n projectedName) bool {
		return n.name == attribute && (n.rest.names != nil || n.rest.indexes != nil)
	})
}

// Apply picks the parts that exist. Elements of lists keep their order, not
// their indexes.
func (p *Projection) Apply(it item.Item) item.Item {
	if p.columns != nil {
		return p.applyColumns(it)
	}
	out := make(item.Item, 0, len(p.names))
	for _, n := range p.names {
		if v := n.rest.pick(it.Get(n.name)); v.Exists() {
			out = append(out, item.Attribute{Name: n.name, Value: v})
		}
	}
	return out
}

// pick takes the projection's part of a value; kind None if there is none.
func (p *Projection) pick(v item.Value) item.Value {
	switch {
	case p.names == nil && p.indexes == nil:
		return v
	case v.Kind == item.M && p.names != nil:
		if m := p.Apply(v.Map); len(m) > 0 {
			return item.Value{Kind: item.M, Map: m}
		}
	case v.Kind == item.L && p.indexes != nil:
		var list []item.Value
		for _, i := range p.indexes {
			if i.index >= len(v.List) {
				break
			}
			if picked := i.rest.pick(v.List[i.index]); picked.Exists() {
				list = append(list, picked)
			}
		}
		if list != nil {
			return item.Value{Kind: item.L, List: list}
		}
	}
	return item.Value{}
}
