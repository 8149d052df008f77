package differ

// transactGet draws a TransactGetItems.
func (g *generator) transactGet() Step {
	list := []any{}
	g.eachKey(func(key map[string]any) {
		part := map[string]any{"TableName": g.table.name, "Key": key}
		g.reading(part)
		delete(part, "ReturnConsumedCapacity")
		delete(part, "ConsistentRead")
		g.spoilPart(part)
		list = append(list, map[string]any{"Get": part})
	})
	r := map[string]any{"TransactItems": list}
	g.capacity(r)
	return Step{Operation: "TransactGetItems", Request: r}
}

// transactWrite draws a TransactWriteItems, now and then one of before.
func (g *generator) transactWrite() Step {
	if len(g.named) > 0 && g.chance(6) {
		return Step{Operation: "TransactWriteItems", Request: clone(pick(g, g.named...))}
	}
	list := []any{}
	g.eachKey(func(key map[string]any) { list = append(list, g.action(key)) })
	r := map[string]any{"TransactItems": list}
	g.capacity(r)
	if g.chance(4) {
		r["ClientRequestToken"] = pick(g, "one", "two", "three", "four", "five", "six", "seven")
		g.named = append(g.named, clone(r))
	}
	return Step{Operation: "TransactWriteItems", Request: r}
}

// eachKey draws keys of several tables, seldom one of them twice.
func (g *generator) eachKey(do func(key map[string]any)) {
	seen := map[string]bool{}
	for range 1 + g.IntN(4) {
		g.table = pick(g, schemas...)
		g.names, g.vals = map[string]any{}, map[string]any{}
		key := g.key()
		id := g.table.name + string(encode(key))
		if !seen[id] || g.chance(20) {
			seen[id] = true
			do(key)
		}
	}
}

// action draws one action of a transaction.
func (g *generator) action(key map[string]any) map[string]any {
	part := map[string]any{"Key": key}
	kind := pick(g, "Put", "Put", "Update", "Update", "Delete", "ConditionCheck")
	switch kind {
	case "Put":
		it := g.item()
		for name, v := range key {
			it[name] = v
		}
		part = map[string]any{"Item": it}
	case "Update":
		part["UpdateExpression"] = g.update()
	case "ConditionCheck":
		part["ConditionExpression"] = pick(g, "attribute_exists(#pk)", "attribute_not_exists(#pk)", "#pk <> a")
		g.names["#pk"] = "pk"
	}
	if g.chance(4) && kind != "ConditionCheck" {
		part["ConditionExpression"] = g.condition(1)
	}
	if g.chance(3) {
		part["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
	}
	part["TableName"] = g.table.name
	g.placeholders(part)
	g.spoilPart(part)
	return map[string]any{kind: part}
}

// spoilPart makes a mistake in one action, seldom.
func (g *generator) spoilPart(part map[string]any) {
	if !g.chance(3 * mistakesEvery) {
		return
	}
	switch g.IntN(5) {
	case 0:
		g.spoilKey(part)
	case 1:
		g.spoilExpression(part)
	case 2:
		g.spoilPlaceholders(part)
	case 3:
		part["TableName"] = "nosuch"
	default:
		g.spoilValue(part)
	}
}
