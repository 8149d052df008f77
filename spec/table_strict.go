package spec

import (
	"slices"
	"strings"
)

// The consistencies of a table, and what a write that is to be in two regions
// does while only one can be reached.
const (
	Primary = "primary"
	Refuse  = "refuse"
	Degrade = "degrade"
)

// copiesMax is how many regions a write can wait for.
const copiesMax = 2

// consistency knows what later versions will offer, so that their specs are
// refused for the right reason.
func (v value) consistency() string {
	const instead = "write eventual or primary, or leave the key out"
	text, _ := v.text(instead)
	switch text {
	case "", DefaultConsistency:
	case Primary:
		return Primary
	case "strong":
		v.fail(quote(text)+" is not yet in this version of Meridian", instead)
	default:
		v.fail(quote(text)+" is not a consistency", instead)
	}
	return DefaultConsistency
}

// primary reads the region that takes a table's writes, which goes with its
// consistency. It is that of the table's first day: `meridian promote` moves it.
func (f fields) primary(t *Table) {
	example := strings.Join(t.Regions[:min(1, len(t.Regions))], "")
	v, ok := f.get("primary")
	switch {
	case t.Consistency == Primary && !ok:
		f.fail("consistency: primary without a primary", "name the region that takes the writes, such as primary: "+example)
	case ok && t.Consistency != Primary:
		v.fail("the table has no primary: each of its regions takes writes", "add consistency: primary, or leave primary out")
	case ok:
		name, _ := v.text("write the name of a region, such as " + example)
		switch {
		case slices.Contains(t.Regions, name):
			t.Primary = name
		case name != "":
			v.fail("the table has no region "+quote(name), "write one of "+strings.Join(t.Regions, ", "))
		}
	}
}

// durability reads {copies: 2, otherwise: refuse}.
func (v value) durability(t *Table) {
	f := v.fields("copies", "otherwise")
	n, ok := f.need("copies", "write in how many regions a write is before it is acknowledged, such as copies: 2")
	if ok {
		if count, good := n.integer(1, copiesMax); good {
			t.Copies = count
		}
	}
	if t.Copies > 1 && len(t.Regions) < t.Copies {
		f.fail("the table is in one region: there is no second copy", "add a region to the table, or leave durability out")
	}
	o, given := f.get("otherwise")
	switch {
	case given && ok && t.Copies == 1:
		o.fail("with one copy there is nothing else to do", "write copies: 2, or leave otherwise out")
	case given:
		t.Otherwise, _ = o.choice(Refuse, Degrade)
	case t.Copies > 1:
		t.Otherwise = Refuse
	}
}
