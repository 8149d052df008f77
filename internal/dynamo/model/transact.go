package model

import (
	"encoding/json"
	"slices"
	"strings"
)

const transactionBytes = 4 << 20

// parts are the actions of a transaction: the kind and the request of each.
func parts(j map[string]any) (kinds []string, requests []map[string]any) {
	for _, one := range j["TransactItems"].([]any) {
		object := one.(map[string]any)
		for _, kind := range sortedKeys(object) {
			kinds, requests = append(kinds, kind), append(requests, object[kind].(map[string]any))
		}
	}
	return kinds, requests
}

// try runs f, and is its refusal or nil.
func try(f func()) (r *refusal) {
	defer func() {
		stopped := recover()
		if found, ok := stopped.(refusal); ok && !found.whole {
			r = &found
		} else if stopped != nil {
			panic(stopped)
		}
	}()
	f()
	return nil
}

// refuseCancelled refuses a transaction if one of its actions was refused.
func refuseCancelled(refusals []*refusal) {
	codes, reasons := []string{}, []any{}
	for _, r := range refusals {
		reason := map[string]any{"Code": "None"}
		if r != nil {
			reason["Code"] = strings.Replace(strings.TrimSuffix(r.kind, "Exception"), "Validation", "ValidationError", 1)
			reason["Message"] = r.message
			if r.item != nil {
				reason["Item"] = itemJSON(r.item)
			}
		}
		codes, reasons = append(codes, reason["Code"].(string)), append(reasons, reason)
	}
	if slices.ContainsFunc(refusals, func(r *refusal) bool { return r != nil }) {
		panic(refusal{
			kind: "TransactionCanceledException", reasons: reasons,
			message: "Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]",
		})
	}
}

func refuseTwice(ids []string) {
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			refuse("Transaction request cannot include multiple operations on one item")
		}
		seen[id] = true
	}
}

func (m *Model) transactWriteItems(j map[string]any) map[string]any {
	kinds, requests := parts(j)
	checkParts(kinds, requests)
	var writes []*write
	for i, request := range requests {
		writes = append(writes, decode(kinds[i], request))
	}
	for _, w := range writes {
		w.table = m.table(w.request["TableName"].(string))
	}
	m.each(writes, (*write).aim)
	var ids []string
	for _, w := range writes {
		ids = append(ids, w.table.name+"/"+w.table.id(w.key))
	}
	refuseTwice(ids)
	if m.done(j) {
		return m.transactionCost(j, writes, func(w *write) cost {
			return cost{table: readUnits(itemSize(w.table.items[w.table.id(w.key)]), true), kind: "ReadCapacityUnits"}
		})
	}
	m.each(writes, (*write).judge)
	size := 0
	for _, w := range writes {
		size += max(itemSize(w.old), itemSize(w.next))
	}
	if size > transactionBytes {
		refuse("The aggregate size of the items in the transaction exceeded 4 MB")
	}
	for _, w := range writes {
		w.table.set(w.key, w.next)
	}
	if token, ok := j["ClientRequestToken"].(string); ok {
		m.tokens[token] = fingerprint(j)
	}
	return m.transactionCost(j, writes, func(w *write) cost {
		c := w.table.writeCost(w.old, w.next)
		c.kind = "WriteCapacityUnits"
		return c
	})
}

func (m *Model) each(writes []*write, do func(*write)) {
	refusals := make([]*refusal, len(writes))
	for i, w := range writes {
		refusals[i] = try(func() { do(w) })
	}
	refuseCancelled(refusals)
}

// done reports whether the same transaction was done before under its token.
func (m *Model) done(j map[string]any) bool {
	token, _ := j["ClientRequestToken"].(string)
	was, ok := m.tokens[token]
	if ok && was != fingerprint(j) {
		refuseAs("IdempotentParameterMismatchException", "The request was retried with a different payload, but with an idempotent token that was already used")
	}
	return ok
}

func fingerprint(j map[string]any) string {
	b, err := json.Marshal(j["TransactItems"])
	if err != nil {
		panic(err) // it was JSON before
	}
	return string(b)
}

// transactionCost is the answer to a transaction that writes: all of it costs
// twice.
func (m *Model) transactionCost(j map[string]any, writes []*write, of func(*write) cost) map[string]any {
	costs := map[string]*cost{}
	for _, w := range writes {
		c := of(w)
		if costs[w.table.name] == nil {
			costs[w.table.name] = &cost{kind: c.kind}
		}
		costs[w.table.name].add(c)
		costs[w.table.name].add(c)
	}
	return m.withCosts(j, map[string]any{}, costs)
}

func (m *Model) withCosts(j, answer map[string]any, costs map[string]*cost) map[string]any {
	if wantsCapacity(j) {
		list := []any{}
		for _, name := range sortedKeys(costs) {
			list = append(list, costs[name].json(j, m.tables[name]))
		}
		answer["ConsumedCapacity"] = list
	}
	return answer
}

func (m *Model) transactGetItems(j map[string]any) map[string]any {
	kinds, requests := parts(j)
	checkParts(kinds, requests)
	var gets []*write
	for _, request := range requests {
		checkForms("GetItem", request)
		g := &write{request: request, key: readItemParameter(request, "Key")}
		g.e = readExpressions("GetItem", request)
		gets = append(gets, g)
	}
	for _, g := range gets {
		g.table = m.table(g.request["TableName"].(string))
	}
	m.each(gets, func(g *write) {
		g.table.checkKey(g.key)
		g.table.checkInside(g.e.projection)
	})
	var ids []string
	for _, g := range gets {
		ids = append(ids, g.table.name+"/"+g.table.id(g.key))
	}
	refuseTwice(ids)
	responses, costs := []any{}, map[string]*cost{}
	for _, g := range gets {
		it, found := g.table.items[g.table.id(g.key)]
		response := map[string]any{}
		if part := shown(it, g.e.projection); found && len(part) > 0 {
			response["Item"] = itemJSON(part)
		}
		responses = append(responses, response)
		if costs[g.table.name] == nil {
			costs[g.table.name] = &cost{kind: "ReadCapacityUnits"}
		}
		costs[g.table.name].table += 2 * readUnits(itemSize(it), true)
	}
	return m.withCosts(j, map[string]any{"Responses": responses}, costs)
}
