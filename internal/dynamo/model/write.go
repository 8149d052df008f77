package model

import (
	"encoding/json"
	"math"
	"slices"
)

const itemMax = 400 << 10

// write is a write of one item on its way.
type write struct {
	kind    string
	request map[string]any
	table   *table
	key     item
	e       expressions
	old     item // nil if there is none
	next    item // nil deletes
	changed []path
}

func (w *write) returns() string {
	text, _ := w.request["ReturnValues"].(string)
	return text
}

func readItemParameter(j map[string]any, name string) item {
	if j[name] == nil {
		return nil
	}
	return readItem(j[name], 0)
}

func (m *Model) putItem(j map[string]any) map[string]any { return m.single("Put", j) }

func (m *Model) deleteItem(j map[string]any) map[string]any { return m.single("Delete", j) }

func (m *Model) updateItem(j map[string]any) map[string]any { return m.single("Update", j) }

// single does one write.
func (m *Model) single(kind string, j map[string]any) map[string]any {
	w := decode(kind, j)
	w.table = m.table(j["TableName"].(string))
	w.aim()
	w.judge()
	return w.do()
}

// decode reads what a write says without its table. kind is Put, Delete, Update
// or ConditionCheck.
func decode(kind string, j map[string]any) *write {
	operation := map[string]string{"Put": "PutItem", "Delete": "DeleteItem", "ConditionCheck": "DeleteItem", "Update": "UpdateItem"}[kind]
	checkForms(operation, j)
	w := &write{kind: kind, request: j, key: readItemParameter(j, "Key")}
	if kind == "Put" {
		w.key = readItemParameter(j, "Item")
	}
	if kind != "Update" {
		refuseReturns(j)
	}
	w.e = readExpressions(operation, j)
	for _, a := range w.e.update {
		w.changed = append(w.changed, a.path)
	}
	for _, u := range w.e.updates {
		w.changed = append(w.changed, path{{name: u.name, index: -1}})
	}
	return w
}

// aim refuses a write that its table cannot take, whatever is in it.
func (w *write) aim() {
	if w.kind == "Put" {
		w.table.checkItem(w.key)
		refuseLarge(w.key, "Item size has exceeded the maximum allowed size")
		w.table.checkIndexed(w.key)
		w.next = w.key
		return
	}
	w.table.checkKey(w.key)
	for _, a := range w.table.keys {
		if slices.ContainsFunc(w.changed, func(p path) bool { return p[0].name == a.name }) {
			refuseValues("Cannot update attribute " + a.name + ". This attribute is part of the key")
		}
	}
	w.checkGiven()
	w.table.checkInside(w.changed)
}

// judge looks at the old item: the condition must hold, and the update be
// possible.
func (w *write) judge() {
	w.old = w.table.items[w.table.id(w.key)]
	w.condition()
	switch w.kind {
	case "Update":
		w.next = w.updated()
	case "ConditionCheck":
		w.next = w.old
	}
}

// updated is the item as the update leaves it.
func (w *write) updated() item {
	from := w.old
	if from == nil {
		from = w.key
	}
	next := w.e.scope.apply(w.e.update, from)
	for _, u := range w.e.updates {
		next = put(value{kind: "M", m: next}, path{{name: u.name, index: -1}}, u.apply(from[u.name])).m
	}
	if w.old == nil && !w.e.creates() {
		return nil
	}
	refuseLarge(next, "Item size to update has exceeded the maximum allowed size")
	for _, x := range w.table.indexes {
		for _, a := range slices.Concat(x.hash, x.sort) {
			v := next[a.name]
			if !v.exists() || !w.changes(a.name) {
				continue
			}
			if v.kind != a.kind {
				refuse("The update expression attempted to update the secondary index key to unsupported type")
			}
			if v.isEmpty() {
				refuseWhole("One or more parameter values are not valid. The update expression attempted to update a secondary index key to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty " + word(a.kind) + " value.")
			}
		}
	}
	return next
}

func (w *write) changes(name string) bool {
	return slices.ContainsFunc(w.changed, func(p path) bool { return p[0].name == name })
}

// checkGiven refuses an update whose text gives an index's key a wrong type.
func (w *write) checkGiven() {
	for _, x := range w.table.indexes {
		for _, a := range slices.Concat(x.hash, x.sort) {
			for _, action := range w.e.update {
				if len(action.path) == 1 && action.path[0].name == a.name && action.operand != nil {
					w.table.checkIndexType(a, w.e.scope.kindOf(action.operand))
				}
			}
			for _, u := range w.e.updates {
				if u.name == a.name {
					w.table.checkIndexType(a, u.value.kind)
				}
			}
		}
	}
}

func (t *table) checkIndexType(a attribute, kind string) {
	if kind != "" && kind != a.kind {
		refuseValues("Type mismatch for Index Key " + a.name + " Expected: " + a.kind + " Actual: " + kind + " IndexName: " + t.firstIndex(a))
	}
}

// kindOf is the kind that a term has whatever the item is; empty if there is none.
func (s *scope) kindOf(n *node) string {
	switch n.op {
	case "value":
		return s.values[n.value].kind
	case "if_not_exists":
		return s.kindOf(n.kids[1])
	case "list_append":
		return "L"
	case "+", "-":
		return "N"
	}
	return ""
}

func refuseReturns(j map[string]any) {
	if r := j["ReturnValues"]; r != nil && r != "ALL_OLD" && r != "NONE" {
		refuse("ReturnValues can only be ALL_OLD or NONE")
	}
}

func refuseLarge(it item, message string) {
	if itemSize(it) > itemMax {
		refuse(message)
	}
}

// condition refuses the write if its condition does not hold.
func (w *write) condition() {
	if (w.e.condition == nil || w.e.scope.holds(w.e.condition, w.old)) && oldHold(w.e.expected, w.request, w.old) {
		return
	}
	r := refusal{kind: "ConditionalCheckFailedException", message: "The conditional request failed"}
	if w.request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD" {
		r.item = w.old
	}
	panic(r)
}

func (t *table) set(key, next item) {
	if next == nil {
		delete(t.items, t.id(key))
	} else {
		t.items[t.id(key)] = next
	}
}

// do writes, and is the answer.
func (w *write) do() map[string]any {
	w.table.set(w.key, w.next)
	answer := map[string]any{}
	var shown item
	switch w.returns() {
	case "ALL_OLD":
		shown = w.old
	case "ALL_NEW":
		shown = w.next
	case "UPDATED_OLD":
		shown = project(w.old, w.changed)
	case "UPDATED_NEW":
		shown = project(w.next, w.changed)
	}
	if len(shown) > 0 {
		answer["Attributes"] = itemJSON(shown)
	}
	if wantsCapacity(w.request) {
		answer["ConsumedCapacity"] = w.table.writeCost(w.old, w.next).json(w.request, w.table)
	}
	return answer
}

// cost is the capacity that a request consumes of a table and its indexes.
type cost struct {
	table   float64
	indexes map[string]float64
	// kind is the name under which transactions tell the units once more.
	kind string
}

func (c *cost) add(other cost) {
	c.table += other.table
	for name, units := range other.indexes {
		c.addIndex(name, units)
	}
}

func (c *cost) addIndex(name string, units float64) {
	if c.indexes == nil {
		c.indexes = map[string]float64{}
	}
	c.indexes[name] += units
}

func units(size, unit int) float64 { return math.Max(1, math.Ceil(float64(size)/float64(unit))) }

func readUnits(size int, consistent bool) float64 {
	if consistent {
		return units(size, 4096)
	}
	return units(size, 4096) / 2
}

// writeCost is what replacing old by next costs: in the table the larger of the
// two; in an index nothing if its entry stays as it is, the larger of the two if
// it stays in its place, and otherwise one write for each that goes or comes.
func (t *table) writeCost(old, next item) cost {
	c := cost{table: units(max(itemSize(old), itemSize(next)), 1024)}
	for _, x := range t.indexes {
		before, after := t.entry(x, old), t.entry(x, next)
		switch {
		case before == nil && after == nil:
		case before != nil && after != nil && t.place(x, before) == t.place(x, after):
			if !equal(value{kind: "M", m: before}, value{kind: "M", m: after}) {
				c.addIndex(x.name, units(max(itemSize(before), itemSize(after)), 1024))
			}
		default:
			if before != nil {
				c.addIndex(x.name, units(itemSize(before), 1024))
			}
			if after != nil {
				c.addIndex(x.name, units(itemSize(after), 1024))
			}
		}
	}
	return c
}

// place is where an entry stands in an index.
func (t *table) place(x index, entry item) string {
	at := item{}
	for _, name := range t.keyNames(&x) {
		at[name] = entry[name]
	}
	return value{kind: "M", m: at}.key()
}

func wantsCapacity(j map[string]any) bool {
	return j["ReturnConsumedCapacity"] == "TOTAL" || j["ReturnConsumedCapacity"] == "INDEXES"
}

// json is a ConsumedCapacity.
func (c cost) json(request map[string]any, t *table) any {
	total := c.table
	parts := map[string]any{}
	for name, units := range c.indexes {
		total += units
		kind := "GlobalSecondaryIndexes"
		if t.index(name).local {
			kind = "LocalSecondaryIndexes"
		}
		if parts[kind] == nil {
			parts[kind] = map[string]any{}
		}
		parts[kind].(map[string]any)[name] = c.units(units)
	}
	out := c.units(total)
	out["TableName"] = t.name
	if request["ReturnConsumedCapacity"] == "INDEXES" {
		out["Table"] = c.units(c.table)
		for kind, part := range parts {
			out[kind] = part
		}
	}
	return out
}

func (c cost) units(n float64) map[string]any {
	out := map[string]any{"CapacityUnits": number(n)}
	if c.kind != "" {
		out[c.kind] = number(n)
	}
	return out
}

func number(f float64) json.Number {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err) // no infinity comes here
	}
	return json.Number(b)
}
