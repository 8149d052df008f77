package differ

import (
	"math/rand/v2"
	"strings"
)

// schema is a table of a generated history.
type schema struct {
	name    string
	keys    []attribute
	indexes []indexSchema
}

type attribute struct{ name, kind string }

type indexSchema struct {
	name       string
	local      bool
	keys       []attribute
	projection string
	include    []string
}

// schemas are the tables of every history.
var schemas = []schema{
	{name: "hash-s", keys: []attribute{{"pk", "S"}}},
	{name: "hash-n", keys: []attribute{{"pk", "N"}}},
	{name: "range-n", keys: []attribute{{"pk", "S"}, {"sk", "N"}}},
	{name: "range-b", keys: []attribute{{"pk", "B"}, {"sk", "B"}}},
	{
		name: "indexed", keys: []attribute{{"pk", "S"}, {"sk", "S"}},
		indexes: []indexSchema{
			{name: "by-a", keys: []attribute{{"a", "S"}}, projection: "ALL"},
			{name: "by-b", keys: []attribute{{"b", "N"}, {"a", "S"}}, projection: "KEYS_ONLY"},
			{name: "by-c", keys: []attribute{{"pk", "S"}, {"b", "N"}}, projection: "INCLUDE", include: []string{"c", "m"}},
		},
	},
}

// generator draws requests.
type generator struct {
	*rand.Rand
	table schema
	names map[string]any // of the request that is being drawn
	vals  map[string]any
	named []map[string]any // transactions that have a token
}

// Generate draws a history of so many requests, after those that make its
// tables.
func Generate(seed uint64, requests int) History {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	var h History
	for _, s := range schemas {
		h = append(h, Step{Operation: "CreateTable", Request: s.request()})
	}
	for range requests {
		h = append(h, clone(g.step()))
	}
	return h
}

// request is the schema's CreateTable.
func (s schema) request() map[string]any {
	types := map[string]string{}
	keySchema := func(keys []attribute) []any {
		list := []any{}
		for i, k := range keys {
			types[k.name] = k.kind
			list = append(list, map[string]any{"AttributeName": k.name, "KeyType": []string{"HASH", "RANGE"}[i]})
		}
		return list
	}
	r := map[string]any{"TableName": s.name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": keySchema(s.keys)}
	for _, x := range s.indexes {
		projection := map[string]any{"ProjectionType": x.projection}
		if x.include != nil {
			projection["NonKeyAttributes"] = x.include
		}
		kind := "GlobalSecondaryIndexes"
		if x.local {
			kind = "LocalSecondaryIndexes"
		}
		list, _ := r[kind].([]any)
		r[kind] = append(list, map[string]any{"IndexName": x.name, "KeySchema": keySchema(x.keys), "Projection": projection})
	}
	var definitions []any
	for _, name := range sortedNames(types) {
		definitions = append(definitions, map[string]any{"AttributeName": name, "AttributeType": types[name]})
	}
	r["AttributeDefinitions"] = definitions
	return r
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// chance is true once in n times.
func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

// mistakesEvery is how often a request is spoilt on purpose: once in so many.
const mistakesEvery = 6

// step draws a request.
func (g *generator) step() Step {
	g.table = pick(g, schemas...)
	g.names, g.vals = map[string]any{}, map[string]any{}
	s := g.request()
	if replaces[s.Operation] {
		g.old(s.Operation, s.Request)
	}
	if g.chance(mistakesEvery) {
		g.spoil(s.Request)
	}
	return s
}

func (g *generator) request() Step {
	switch g.IntN(23) {
	case 0, 1, 2, 3, 4:
		return Step{Operation: "PutItem", Request: g.write(map[string]any{"Item": g.item()})}
	case 5, 6, 7, 8, 9, 10:
		return g.updateItem()
	case 11:
		return Step{Operation: "DeleteItem", Request: g.write(map[string]any{"Key": g.key()})}
	case 12, 13:
		return g.getItem()
	case 14, 15, 16:
		return g.query()
	case 17:
		return g.scan()
	case 18:
		return g.batchGet()
	case 19:
		return g.batchWrite()
	case 20:
		return g.transactGet()
	}
	return g.transactWrite()
}

// write adds what all writes take.
func (g *generator) write(r map[string]any) map[string]any {
	r["TableName"] = g.table.name
	if g.chance(3) {
		r["ConditionExpression"] = g.condition(2)
	}
	if g.chance(2) {
		r["ReturnValues"] = pick(g, "ALL_OLD", "ALL_OLD", "NONE")
	}
	if g.chance(3) {
		r["ReturnValuesOnConditionCheckFailure"] = pick(g, "ALL_OLD", "NONE")
	}
	g.capacity(r)
	g.placeholders(r)
	return r
}

func (g *generator) capacity(r map[string]any) {
	if g.chance(2) {
		r["ReturnConsumedCapacity"] = pick(g, "TOTAL", "INDEXES", "NONE")
	}
}

// placeholders adds the names and values that the request's expressions use.
func (g *generator) placeholders(r map[string]any) {
	if len(g.names) > 0 {
		r["ExpressionAttributeNames"] = g.names
	}
	if len(g.vals) > 0 {
		r["ExpressionAttributeValues"] = g.vals
	}
}

func (g *generator) updateItem() Step {
	r := map[string]any{"Key": g.key()}
	if !g.chance(20) {
		r["UpdateExpression"] = g.update()
	}
	g.write(r)
	if g.chance(2) {
		r["ReturnValues"] = pick(g, "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
	}
	return Step{Operation: "UpdateItem", Request: r}
}

func (g *generator) getItem() Step {
	r := map[string]any{"TableName": g.table.name, "Key": g.key()}
	g.reading(r)
	return Step{Operation: "GetItem", Request: r}
}

// reading adds what reads take.
func (g *generator) reading(r map[string]any) {
	if g.chance(3) {
		r["ProjectionExpression"] = g.projection()
	}
	if g.chance(3) {
		r["ConsistentRead"] = pick(g, true, false)
	}
	g.capacity(r)
	g.placeholders(r)
}

// paged adds what Query and Scan have in common.
func (g *generator) paged(r map[string]any) {
	r["TableName"] = g.table.name
	if g.chance(3) {
		r["FilterExpression"] = g.condition(2)
	}
	g.reading(r)
	switch {
	case !g.chance(4):
	case r["ProjectionExpression"] != nil:
		r["Select"] = "SPECIFIC_ATTRIBUTES"
	default:
		r["Select"] = pick(g, "COUNT", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
	}
}

func (g *generator) query() Step {
	r := map[string]any{}
	keys := g.table.keys
	if len(g.table.indexes) > 0 && g.chance(2) {
		x := pick(g, g.table.indexes...)
		r["IndexName"], keys = x.name, x.keys
	}
	r["KeyConditionExpression"] = g.keyCondition(keys)
	g.paged(r)
	if r["IndexName"] != nil && !g.chance(10) {
		delete(r, "ConsistentRead")
	}
	if g.chance(2) {
		r["ScanIndexForward"] = pick(g, true, false)
	}
	if g.chance(2) {
		r["Limit"] = 1 + g.IntN(4)
	}
	if g.chance(12) {
		r["ExclusiveStartKey"] = g.key()
	}
	return Step{Operation: "Query", Request: r, Walk: true}
}

func (g *generator) scan() Step {
	r := map[string]any{}
	if len(g.table.indexes) > 0 && g.chance(2) {
		r["IndexName"] = pick(g, g.table.indexes...).name
	}
	g.paged(r)
	if r["IndexName"] != nil && !g.chance(10) {
		delete(r, "ConsistentRead")
	}
	walk := g.chance(2)
	if walk {
		delete(r, "ReturnConsumedCapacity")
		if g.chance(2) {
			r["Limit"] = 1 + g.IntN(5)
		}
		if g.chance(3) {
			n := 1 + g.IntN(5)
			r["TotalSegments"], r["Segment"] = n, g.IntN(n)
		}
	}
	return Step{Operation: "Scan", Request: r, Walk: walk}
}

func (g *generator) batchGet() Step {
	tables := map[string]any{}
	for range 1 + g.IntN(2) {
		g.table = pick(g, schemas...)
		g.names, g.vals = map[string]any{}, map[string]any{}
		part := map[string]any{"Keys": g.keys(1 + g.IntN(6))}
		g.reading(part)
		delete(part, "ReturnConsumedCapacity")
		tables[g.table.name] = part
	}
	r := map[string]any{"RequestItems": tables}
	g.capacity(r)
	return Step{Operation: "BatchGetItem", Request: r}
}

// keys draws keys, seldom one of them twice.
func (g *generator) keys(n int) []any {
	list := []any{}
	seen := map[string]bool{}
	for range n {
		k := g.key()
		if text := string(encode(normal("", k))); !seen[text] || g.chance(20) {
			seen[text] = true
			list = append(list, k)
		}
	}
	return list
}

func (g *generator) batchWrite() Step {
	tables := map[string]any{}
	for range 1 + g.IntN(2) {
		g.table = pick(g, schemas...)
		list := []any{}
		for _, k := range g.keys(1 + g.IntN(6)) {
			one := map[string]any{"DeleteRequest": map[string]any{"Key": k}}
			if !g.chance(3) {
				it := g.item()
				for name, v := range k.(map[string]any) {
					it[name] = v
				}
				one = map[string]any{"PutRequest": map[string]any{"Item": it}}
			}
			list = append(list, one)
		}
		tables[g.table.name] = list
	}
	r := map[string]any{"RequestItems": tables}
	g.capacity(r)
	return Step{Operation: "BatchWriteItem", Request: r}
}

// repeated is a text of about so many bytes.
func repeated(bytes int) string { return strings.Repeat("x", bytes) }
