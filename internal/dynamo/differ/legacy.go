package differ

// replaces are the operations with parameters of before expressions.
var replaces = map[string]bool{"GetItem": true, "PutItem": true, "UpdateItem": true, "DeleteItem": true, "Query": true, "Scan": true}

// old replaces a request's expressions, now and then, by the parameters of
// before them.
func (g *generator) old(operation string, r map[string]any) {
	if !g.chance(8) {
		return
	}
	for _, name := range []string{
		"ConditionExpression", "FilterExpression", "UpdateExpression", "ProjectionExpression", "KeyConditionExpression",
		"ExpressionAttributeNames", "ExpressionAttributeValues",
	} {
		delete(r, name)
	}
	delete(r, "Select")
	switch operation {
	case "GetItem":
		g.wanted(r)
		return
	case "Query":
		g.keyConditions(r)
		g.conditions(r, "QueryFilter")
		g.wanted(r)
	case "Scan":
		g.conditions(r, "ScanFilter")
		g.wanted(r)
	case "UpdateItem":
		g.attributeUpdates(r)
		g.conditions(r, "Expected")
	default:
		g.conditions(r, "Expected")
	}
}

func (g *generator) wanted(r map[string]any) {
	if g.chance(2) {
		names := []any{}
		for _, i := range g.Perm(len(attributes))[:1+g.IntN(3)] {
			names = append(names, attributes[i])
		}
		r["AttributesToGet"] = names
	}
}

// oldOperators are the comparisons, with how many values each takes.
var oldOperators = map[string]int{
	"EQ": 1, "NE": 1, "LE": 1, "LT": 1, "GE": 1, "GT": 1, "CONTAINS": 1, "NOT_CONTAINS": 1, "BEGINS_WITH": 1, "IN": 2, "BETWEEN": 2, "NULL": 0, "NOT_NULL": 0,
}

func (g *generator) oldCondition() map[string]any {
	op := pick(g, sortedNames(oldOperators)...)
	c := map[string]any{"ComparisonOperator": op}
	n := oldOperators[op]
	if g.chance(20) {
		n = g.IntN(3)
	}
	kind := pick(g, "S", "N", "B")
	list := []any{}
	for range n {
		v := g.keyValue(kind)
		if g.chance(20) {
			v = g.value(1)
		}
		list = append(list, v)
	}
	if n > 0 {
		c["AttributeValueList"] = list
	}
	return c
}

// conditions draws Expected or a filter.
func (g *generator) conditions(r map[string]any, name string) {
	all := map[string]any{}
	for range g.IntN(3) {
		c := g.oldCondition()
		if name == "Expected" && g.chance(2) {
			c = pick(g, map[string]any{"Value": g.value(1)}, map[string]any{"Exists": false}, map[string]any{"Exists": true, "Value": g.value(1)}, map[string]any{"Exists": true})
		}
		all[pick(g, attributes...)] = c
	}
	if len(all) > 0 {
		r[name] = all
	}
	if len(all) > 1 && g.chance(2) || g.chance(20) {
		r["ConditionalOperator"] = pick(g, "AND", "OR")
	}
}

func (g *generator) keyConditions(r map[string]any) {
	keys := g.table.keys
	for _, x := range g.table.indexes {
		if x.name == r["IndexName"] {
			keys = x.keys
		}
	}
	all := map[string]any{keys[0].name: map[string]any{"ComparisonOperator": "EQ", "AttributeValueList": []any{g.keyValue(keys[0].kind)}}}
	if len(keys) > 1 && g.chance(2) {
		op := pick(g, "EQ", "LE", "LT", "GE", "GT", "BETWEEN", "BEGINS_WITH", "NE")
		list := []any{}
		for range oldOperators[op] {
			list = append(list, g.keyValue(keys[1].kind))
		}
		all[keys[1].name] = map[string]any{"ComparisonOperator": op, "AttributeValueList": list}
	}
	r["KeyConditions"] = all
}

func (g *generator) attributeUpdates(r map[string]any) {
	all := map[string]any{}
	for range g.IntN(4) {
		name := pick(g, attributes...)
		u := map[string]any{"Value": g.attribute(name)}
		switch g.IntN(6) {
		case 0, 1:
			u = map[string]any{"Action": "ADD", "Value": pick(g, typed("N", pick(g, numbers...)), g.set(), g.list(1))}
		case 2:
			u = map[string]any{"Action": "DELETE", "Value": g.set()}
		case 3:
			u = map[string]any{"Action": "DELETE"}
		case 4:
			u["Action"] = "PUT"
		}
		all[name] = u
	}
	if len(all) > 0 {
		r["AttributeUpdates"] = all
	}
}
