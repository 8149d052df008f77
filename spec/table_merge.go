package spec

import (
	"slices"
	"strings"
)

// MergeAttributes merges each attribute of an item on its own.
const MergeAttributes = "attributes"

// countersMax is how many counters a table can have.
const countersMax = 32

// merge reads how concurrent writes of an item are merged, and the counters
// that go with it.
func (f fields) merge(t *Table) {
	if v, ok := f.get("merge"); ok {
		t.Merge, _ = v.choice(MergeAttributes)
		if t.Merge != "" && t.Consistency == Primary {
			v.fail("the table has a primary: one region takes its writes, and there is nothing to merge", "leave merge out, or consistency: primary")
		}
	}
	v, ok := f.get("counters")
	if !ok {
		return
	}
	if _, merges := f.get("merge"); !merges {
		v.fail("counters without merge: items are replaced as a whole, with the increments in them", "add merge: attributes, or leave counters out")
	}
	list := v.texts("list attributes that are added to, such as [views]")
	if len(list) > countersMax {
		v.fail("there are more than 32 counters", "list at most 32")
		return
	}
	for _, item := range list {
		if item.counter(*t) {
			t.Counters = append(t.Counters, item.node.Value)
		}
	}
	slices.Sort(t.Counters)
}

// counter refuses what cannot be added to.
func (v value) counter(t Table) bool {
	name, ok := v.attributeName("write the name of an attribute, such as views")
	keyed := func(key Attribute, sort *Attribute) bool { return key.Name == name || sort != nil && sort.Name == name }
	const another = "count in another attribute"
	switch {
	case !ok:
		return false
	case strings.ContainsAny(name, ".[]"):
		v.fail(quote(name)+" leads into an attribute: a counter is an attribute of the item itself", "name an attribute, such as views")
	case keyed(t.Key, t.Sort):
		v.fail(quote(name)+" is a key of the table, which never changes", another)
	case name == t.TTL:
		v.fail(quote(name)+" is the table's ttl, which is set and not counted", another)
	}
	for _, x := range t.Indexes {
		more := slices.ContainsFunc(x.more(), func(a Attribute) bool { return a.Name == name })
		if more || keyed(x.Key, x.Sort) {
			v.fail(quote(name)+" is a key of the index "+x.Name+", whose entries every increment would move", another)
		}
	}
	return true
}
