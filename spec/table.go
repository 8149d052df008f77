package spec

import (
	"fmt"
	"strings"
)

func (v value) tables(w *World) []Table {
	entries := v.entries("write a name and its settings, such as notes: {key: pk}")
	if len(entries) > tablesMax {
		v.fail(fmt.Sprintf("%d tables", len(entries)), fmt.Sprintf("write at most %d", tablesMax))
		return nil
	}
	var list []Table
	for _, e := range entries {
		e.tableKey("a table")
		list = append(list, e.table(w))
	}
	return list
}

func (e entry) table(w *World) Table {
	f := e.fields("key", "sort", "indexes", "ttl", "regions", "images", "stream", "consistency", "primary", "durability", "throttle", "merge", "counters")
	t := Table{Name: e.name, Regions: w.RegionNames(), Consistency: DefaultConsistency, Copies: 1}
	if v, ok := f.need("key", "name the attribute that finds an item, such as key: pk"); ok {
		t.Key = v.attribute("pk")
	}
	if v, ok := f.get("sort"); ok {
		sort := v.attribute("sk")
		t.Sort = &sort
	}
	if v, ok := f.get("indexes"); ok {
		t.Indexes = v.indexes(t)
	}
	if v, ok := f.get("ttl"); ok {
		t.TTL, _ = v.attributeName("write the attribute that holds the expiry, such as ttl: expires")
	}
	if v, ok := f.get("regions"); ok {
		t.Regions = v.regionList(w)
	}
	if v, ok := f.get("consistency"); ok {
		t.Consistency = v.consistency()
	}
	if v, ok := f.get("images"); ok {
		t.Images = v.images()
	}
	if v, ok := f.get("stream"); ok {
		t.Stream, _ = v.choice(streamViews...)
	}
	f.primary(&t)
	if v, ok := f.get("durability"); ok {
		v.durability(&t)
	}
	if v, ok := f.get("throttle"); ok {
		t.Throttle = v.throttle()
	}
	f.merge(&t)
	return t
}

// attribute reads "pk" (a string), or {pk: N}.
func (v value) attribute(example string) Attribute {
	instead := fmt.Sprintf("write %s for text, or {%s: N} for a number and {%s: B} for bytes", example, example, example)
	if v.scalar() || v.null() {
		name, _ := v.attributeName(instead)
		return Attribute{name, "S"}
	}
	entries := v.entries(instead)
	if len(entries) != 1 {
		if len(entries) > 1 || len(v.node.Content) == 0 {
			v.fail(fmt.Sprintf("names %d attributes where one is expected", len(entries)), instead)
		}
		return Attribute{}
	}
	e := entries[0]
	if e.name == "" || len(e.name) > 255 {
		e.p.errorAtKey(e.path, "is not the name of an attribute", "write 1 to 255 bytes")
	}
	kind, _ := e.choice("S", "N", "B")
	return Attribute{e.name, kind}
}

func (v value) attributeName(instead string) (string, bool) {
	name, ok := v.text(instead)
	if ok && len(name) > 255 {
		v.fail("is too long for an attribute's name", "write at most 255 bytes")
	}
	return name, ok
}

// regionList reads names of regions and returns them in the file's order.
func (v value) regionList(w *World) []string {
	names := w.RegionNames()
	given := make(map[string]bool)
	for _, item := range v.texts("list regions, such as [" + strings.Join(names[:min(2, len(names))], ", ") + "], or leave the key out for all") {
		if item.reference("region", names) {
			given[item.node.Value] = true
		}
	}
	var list []string
	for _, name := range names {
		if given[name] {
			list = append(list, name)
		}
	}
	return list
}

// reference checks that a text names something that the file has.
func (v value) reference(what string, names []string) bool {
	for _, name := range names {
		if v.node.Value == name {
			return true
		}
	}
	v.p.errorAt(v.path, "there is no "+what+" "+quote(v.node.Value), among(v.node.Value, what, names))
	return false
}

// among says which names there are, and which one was probably meant.
func among(name, what string, names []string) string {
	if len(names) == 0 {
		return "this file has no " + what + "s"
	}
	instead := "this file has " + strings.Join(names, ", ")
	if len(names) > 10 {
		instead = "this file has " + strings.Join(names[:10], ", ") + " and others"
	}
	if near := nearest(name, names); near != "" {
		instead = "did you mean " + near + "? " + instead
	}
	return instead
}
