package model

import (
	"fmt"
	"maps"
	"slices"
)

func (m *Model) getItem(j map[string]any) map[string]any {
	checkForms("GetItem", j)
	k := readItemParameter(j, "Key")
	e := readExpressions("GetItem", j)
	t := m.table(j["TableName"].(string))
	t.checkKey(k)
	t.checkInside(e.projection)
	answer := map[string]any{}
	it, found := t.items[t.id(k)]
	if found {
		answer["Item"] = itemJSON(shown(it, e.projection))
	}
	if wantsCapacity(j) {
		answer["ConsumedCapacity"] = cost{table: readUnits(itemSize(it), j["ConsistentRead"] == true)}.json(j, t)
	}
	return answer
}

// shown is an item, or the parts of it that a projection picks.
func shown(it item, projection []path) item {
	if projection == nil {
		return it
	}
	return project(it, projection)
}

const duplicateKeys = "Provided list of item keys contains duplicates"

func (m *Model) batchGetItem(j map[string]any) map[string]any {
	tables := j["RequestItems"].(map[string]any)
	total := 0
	given := map[string]any{} // by any of the tables
	for _, name := range sortedKeys(tables) {
		maps.Copy(given, tables[name].(map[string]any))
		keys, _ := tables[name].(map[string]any)["Keys"].([]any)
		if total += len(keys); total > 100 {
			refuse("Too many items requested for the BatchGetItem call")
		}
		if len(keys) == 0 {
			refuse(fmt.Sprintf("1 validation error detected: Value '%s' at 'requestItems.%s.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1", describe(tables[name]), name))
		}
	}
	refuseMixed("BatchGetItem", given, []string{"ProjectionExpression"})
	responses := map[string]any{}
	costs := []any{}
	for _, name := range sortedKeys(tables) {
		part := tables[name].(map[string]any)
		checkForms("BatchGetItem", part)
		e := readExpressions("BatchGetItem", part)
		t := m.table(name)
		found, c := t.gets(part, e)
		responses[name] = found
		costs = append(costs, c.json(j, t))
	}
	answer := map[string]any{"Responses": responses, "UnprocessedKeys": map[string]any{}}
	if wantsCapacity(j) {
		answer["ConsumedCapacity"] = costs
	}
	return answer
}

func (t *table) gets(part map[string]any, e expressions) (found []any, c cost) {
	found = []any{}
	var seen []string
	for _, k := range part["Keys"].([]any) {
		it := readItem(k, 0)
		t.checkKey(it)
		if slices.Contains(seen, t.id(it)) {
			refuse(duplicateKeys)
		}
		seen = append(seen, t.id(it))
	}
	t.checkInside(e.projection)
	for _, id := range seen {
		it, ok := t.items[id]
		if ok {
			found = append(found, itemJSON(shown(it, e.projection)))
		}
		c.table += readUnits(itemSize(it), part["ConsistentRead"] == true)
	}
	return found, c
}

func (m *Model) batchWriteItem(j map[string]any) map[string]any {
	tables := j["RequestItems"].(map[string]any)
	var writes []*write
	total := 0
	seen := map[string]bool{}
	for _, name := range sortedKeys(tables) {
		list := tables[name].([]any)
		if total += len(list); total > 25 {
			refuse("Too many items requested for the BatchWriteItem call")
		}
		if len(list) == 0 {
			refuse(fmt.Sprintf("1 validation error detected: Value '{%s=[]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]", name))
		}
		t := m.table(name)
		for _, one := range list {
			w := t.batched(one.(map[string]any))
			id := name + "/" + t.id(w.key)
			if seen[id] {
				refuse(duplicateKeys)
			}
			seen[id] = true
			writes = append(writes, w)
		}
	}
	costs := map[string]*cost{}
	for _, w := range writes {
		if costs[w.table.name] == nil {
			costs[w.table.name] = &cost{}
		}
		costs[w.table.name].add(w.table.writeCost(w.table.items[w.table.id(w.key)], w.next))
		w.table.set(w.key, w.next)
	}
	return m.withCosts(j, map[string]any{"UnprocessedItems": map[string]any{}}, costs)
}

// batched is one write of a batch.
func (t *table) batched(j map[string]any) *write {
	put, isPut := j["PutRequest"].(map[string]any)
	remove, isDelete := j["DeleteRequest"].(map[string]any)
	if isPut == isDelete {
		refuse(manyValues)
	}
	w := &write{table: t}
	if isDelete {
		w.key = readItem(remove["Key"], 0)
		t.checkKey(w.key)
		return w
	}
	w.key = readItem(put["Item"], 0)
	t.checkItem(w.key)
	refuseLarge(w.key, "Item size has exceeded the maximum allowed size")
	t.checkIndexed(w.key)
	w.next = w.key
	return w
}
