package model

import (
	"slices"
	"sort"
	"strings"
)

// attribute is a key attribute.
type attribute struct{ name, kind string }

// table is a table with its items, by the text of their keys.
type table struct {
	name    string
	keys    []attribute // partition key, then the sort key if there is one
	indexes []index
	items   map[string]item
}

type index struct {
	name       string
	local      bool
	hash, sort []attribute
	projection string
	include    []string
}

// createTable takes only requests that are right, and answers nothing: tables
// are where histories begin.
func (m *Model) createTable(j map[string]any) map[string]any {
	types := map[string]string{}
	for _, d := range j["AttributeDefinitions"].([]any) {
		definition := d.(map[string]any)
		types[definition["AttributeName"].(string)] = definition["AttributeType"].(string)
	}
	t := &table{name: j["TableName"].(string), items: map[string]item{}}
	hash, sort := keySchema(j, types)
	t.keys = append(hash, sort...)
	for _, kind := range []string{"LocalSecondaryIndexes", "GlobalSecondaryIndexes"} {
		list, _ := j[kind].([]any)
		for _, x := range list {
			definition := x.(map[string]any)
			i := index{name: definition["IndexName"].(string), local: kind == "LocalSecondaryIndexes"}
			i.hash, i.sort = keySchema(definition, types)
			projection := definition["Projection"].(map[string]any)
			i.projection = projection["ProjectionType"].(string)
			others, _ := projection["NonKeyAttributes"].([]any)
			for _, name := range others {
				i.include = append(i.include, name.(string))
			}
			t.indexes = append(t.indexes, i)
		}
	}
	m.tables[t.name] = t
	return map[string]any{}
}

func keySchema(j map[string]any, types map[string]string) (hash, sort []attribute) {
	for _, k := range j["KeySchema"].([]any) {
		element := k.(map[string]any)
		a := attribute{element["AttributeName"].(string), types[element["AttributeName"].(string)]}
		if element["KeyType"] == "HASH" {
			hash = append(hash, a)
		} else {
			sort = append(sort, a)
		}
	}
	return hash, sort
}

func (m *Model) table(name string) *table {
	if t := m.tables[name]; t != nil {
		return t
	}
	refuseAs("ResourceNotFoundException", "Requested resource not found")
	return nil
}

// id is the text of an item's key.
func (t *table) id(it item) string {
	var texts []string
	for _, a := range t.keys {
		texts = append(texts, it[a.name].key())
	}
	return strings.Join(texts, "/")
}

// checkKey refuses what is not exactly the table's key.
func (t *table) checkKey(it item) {
	const mismatch = "The provided key element does not match the schema"
	if len(it) != len(t.keys) {
		refuse(mismatch)
	}
	for _, a := range t.keys {
		if it[a.name].kind != a.kind {
			refuse(mismatch)
		}
		if it[a.name].isEmpty() {
			refuseEmptyKey(a)
		}
	}
	t.checkKeySize(it)
}

// refuseEmptyKey refuses the whole of a transaction, too.
func refuseEmptyKey(a attribute) {
	refuseWhole("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty " + word(a.kind) + " value. Key: " + a.name)
}

// checkItem refuses an item that the table or one of its indexes cannot take.
func (t *table) checkItem(it item) {
	for _, a := range t.keys {
		v := it[a.name]
		switch {
		case !v.exists():
			refuseValues("Missing the key " + a.name + " in the item")
		case v.kind != a.kind:
			refuseValues("Type mismatch for key " + a.name + " expected: " + a.kind + " actual: " + v.kind)
		case v.isEmpty():
			refuseEmptyKey(a)
		}
	}
	t.checkKeySize(it)
}

func (t *table) checkKeySize(it item) {
	if v := it[t.keys[0].name]; v.kind != "N" && len(v.text) > 2048 {
		refuseValues("Size of hashkey has exceeded the maximum size limit of2048 bytes")
	}
	if len(t.keys) > 1 {
		if v := it[t.keys[1].name]; v.kind != "N" && len(v.text) > 1024 {
			refuseValues("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
		}
	}
}

// checkIndexed refuses an item whose attributes cannot be an index's keys.
func (t *table) checkIndexed(it item) {
	for _, x := range t.indexes {
		for _, a := range slices.Concat(x.hash, x.sort) {
			t.checkIndexType(a, it[a.name].kind)
			t.checkIndexKey(a, it[a.name])
		}
	}
}

// firstIndex is the index that messages name: of those with the attribute in their
// keys the first by alphabet.
func (t *table) firstIndex(a attribute) string {
	var names []string
	for _, x := range t.indexes {
		if slices.Contains(slices.Concat(x.hash, x.sort), a) {
			names = append(names, x.name)
		}
	}
	return slices.Min(names)
}

func (t *table) checkIndexKey(a attribute, v value) {
	if v.exists() && v.isEmpty() {
		refuse("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty " + word(a.kind) + " value. IndexName: " + t.firstIndex(a) + ", IndexKey: " + a.name)
	}
}

func (v value) isEmpty() bool { return v.kind != "N" && v.text == "" }

func word(kind string) string {
	if kind == "B" {
		return "binary"
	}
	return "string"
}

// checkInside refuses paths that lead into key attributes, which have no inside.
func (t *table) checkInside(paths []path) {
	const refusal = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
	leads := func(name string) bool {
		return slices.ContainsFunc(paths, func(p path) bool { return len(p) > 1 && p[0].name == name })
	}
	for _, a := range t.keys {
		if leads(a.name) {
			refuse(refusal + "Key: " + a.name)
		}
	}
	for _, x := range t.indexes {
		for _, a := range slices.Concat(x.hash, x.sort) {
			if leads(a.name) {
				refuse(refusal + "IndexKey: " + a.name)
			}
		}
	}
}

// entries are the items of a table or index, as it has them, in its order
// within each partition.
func (t *table) entries(x *index) []item {
	var all []item
	for _, it := range t.items {
		if x == nil {
			all = append(all, it)
		} else if e := t.entry(*x, it); e != nil {
			all = append(all, e)
		}
	}
	sort.Slice(all, func(i, j int) bool { return compareBy(t.order(x), all[i], all[j]) < 0 })
	return all
}

// order are the attributes by which the items of a table or index are sorted.
// Within one key of an index AWS promises no order; this is ours.
func (t *table) order(x *index) []attribute {
	if x == nil {
		return t.keys
	}
	return slices.Concat(x.hash, x.sort, t.keys)
}

func compareBy(order []attribute, a, b item) int {
	for _, k := range order {
		if c, _ := compare(a[k.name], b[k.name]); c != 0 {
			return c
		}
	}
	return 0
}

// entry is an item as an index has it; nil if it lacks one of the index's keys.
func (t *table) entry(x index, it item) item {
	for _, a := range slices.Concat(x.hash, x.sort) {
		if it[a.name].kind != a.kind {
			return nil
		}
	}
	if x.projection == "ALL" {
		return it
	}
	e := item{}
	for _, name := range append(t.keyNames(&x), x.include...) {
		if v := it[name]; v.exists() {
			e[name] = v
		}
	}
	return e
}

// keyNames are the names of the attributes that lead to an item of a table or
// index.
func (t *table) keyNames(x *index) []string {
	var list []string
	for _, a := range t.keys {
		list = append(list, a.name)
	}
	if x != nil {
		for _, a := range slices.Concat(x.hash, x.sort) {
			if !slices.Contains(list, a.name) {
				list = append(list, a.name)
			}
		}
	}
	return list
}
