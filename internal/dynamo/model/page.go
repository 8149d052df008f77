package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const pageMax = 1 << 20

// page is a Query or Scan.
type page struct {
	request map[string]any
	table   *table
	index   *index // nil for the table
	e       expressions
}

func (t *table) index(name string) *index {
	for i := range t.indexes {
		if t.indexes[i].name == name {
			return &t.indexes[i]
		}
	}
	return nil
}

// hash and sort are the keys of what is read.
func (p *page) hash() []attribute {
	if p.index != nil {
		return p.index.hash
	}
	return p.table.keys[:1]
}

func (p *page) sort() []attribute {
	if p.index != nil {
		return p.index.sort
	}
	return p.table.keys[1:]
}

func (m *Model) query(j map[string]any) map[string]any {
	checkForms("Query", j)
	start := readStart(j)
	if j["KeyConditionExpression"] == nil && j["KeyConditions"] == nil {
		refuse("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	e := readExpressions("Query", j)
	terms := e.terms()
	p := m.page("1 validation error detected: ", j, e)
	p.checkLength(start)
	p.checkTerms(terms)
	p.checkStartKey(start)
	p.checkStart(terms, start)
	p.checkFilter()
	p.checkProjected()
	p.checkPaths()
	var items []item
	for _, it := range p.table.entries(p.index) {
		if !slices.ContainsFunc(terms, func(t term) bool { return !t.allows(it[t.name]) }) {
			items = append(items, it)
		}
	}
	reverse := j["ScanIndexForward"] == false
	if reverse {
		slices.Reverse(items)
	}
	return p.answer(after(items, start, p.table.order(p.index), reverse))
}

// terms are the comparisons of the keys.
func (e expressions) terms() []term {
	if e.key != nil {
		return keyTerms(e.key, e.scope)
	}
	if len(e.keys) != 1 && len(e.keys) != 2 {
		refuse("Conditions can be of length 1 or 2 only")
	}
	var terms []term
	for _, c := range e.keys {
		op := map[string]string{"EQ": "=", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">", "BETWEEN": "BETWEEN", "BEGINS_WITH": "begins_with"}[c.op]
		terms = append(terms, term{name: c.name, op: op, values: c.values})
	}
	return terms
}

// scan answers all items at once: in which order, AWS does not say.
func (m *Model) scan(j map[string]any) map[string]any {
	checkForms("Scan", j)
	start := readStart(j)
	checkSegments(j)
	p := m.page("", j, readExpressions("Scan", j))
	p.checkLength(start)
	p.checkStartKey(start)
	p.checkProjected()
	p.checkPaths()
	return p.answer(p.table.entries(p.index))
}

func checkSegments(j map[string]any) {
	segment, segments := j["Segment"], j["TotalSegments"]
	if segment != nil && segments == nil {
		refuse("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	}
	if segment == nil && segments != nil {
		refuse("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	}
	if segments != nil && integer(segment) >= integer(segments) {
		refuse(fmt.Sprintf("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %v is not less than TotalSegments: %v", segment, segments))
	}
}

func integer(j any) int {
	if j == nil {
		return 0
	}
	n, _ := measure(j.(json.Number))
	return n
}

// page finds the table and index; prefix begins some of the messages.
func (m *Model) page(prefix string, j map[string]any, e expressions) *page {
	checkSelect(prefix, j)
	p := &page{request: j, e: e, table: m.table(j["TableName"].(string))}
	if name, ok := j["IndexName"].(string); ok {
		if p.index = p.table.index(name); p.index == nil {
			refuse("The table does not have the specified index: " + name)
		}
		if j["ConsistentRead"] == true && !p.index.local {
			refuse("Consistent reads are not supported on global secondary indexes")
		}
	}
	return p
}

func checkSelect(prefix string, j map[string]any) {
	what, _ := j["Select"].(string)
	projected := ""
	for _, name := range []string{"AttributesToGet", "ProjectionExpression"} {
		if j[name] != nil {
			projected = name
		}
	}
	switch {
	case what == "":
	case projected != "" && what == "COUNT":
		refuse(prefix + "Cannot specify the " + projected + " when choosing to get only the Count")
	case projected != "" && what != "SPECIFIC_ATTRIBUTES":
		refuse(prefix + "Cannot specify the " + projected + " when choosing to get " + what)
	case projected == "" && what == "SPECIFIC_ATTRIBUTES":
		refuse(prefix + "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case j["IndexName"] == nil && what == "ALL_PROJECTED_ATTRIBUTES":
		refuse(prefix + "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	}
}

// checkProjected refuses to read from a global index what it does not hold.
func (p *page) checkProjected() {
	if p.index == nil || p.index.local || p.index.projection == "ALL" {
		return
	}
	if p.request["Select"] == "ALL_ATTRIBUTES" {
		refuseValues("Select type ALL_ATTRIBUTES is not supported for global secondary index " + p.index.name + " because its projection type is not ALL")
	}
	held := append(p.table.keyNames(p.index), p.index.include...)
	missing := map[string]bool{}
	for _, want := range p.e.projection {
		if !slices.Contains(held, want[0].name) {
			missing[want[0].name] = true
		}
	}
	if len(missing) > 0 {
		refuseValues("Global secondary index " + p.index.name + " does not project [" + strings.Join(sortedKeys(missing), ", ") + "]")
	}
}

// checkTerms refuses a key condition that does not fit the keys.
func (p *page) checkTerms(terms []term) {
	of := func(a attribute) *term {
		for i := range terms {
			if terms[i].name == a.name {
				return &terms[i]
			}
		}
		return nil
	}
	if len(terms) > 2 && len(p.hash())+len(p.sort()) <= 2 {
		refuse("Conditions can be of length 1 or 2 only")
	}
	if len(terms) > len(p.hash())+len(p.sort()) {
		refuse("Query key condition not supported")
	}
	left := len(terms)
	for _, a := range p.hash() {
		t := of(a)
		if t == nil {
			refuse("Query condition missed key schema element: " + a.name)
		}
		t.checkTypes(a)
		if t.op != "=" {
			refuse("Query key condition not supported")
		}
		left--
	}
	for _, a := range p.sort() {
		t := of(a)
		if t == nil && left > 0 {
			refuse("Query condition missed key schema element: " + a.name)
		}
		if t != nil {
			t.checkTypes(a)
		}
	}
}

func (t *term) checkTypes(a attribute) {
	if t.op == "" {
		refuse("Attempted conditional constraint is not an indexable operation")
	}
	for _, v := range t.values {
		if v.kind != a.kind {
			refuseValues("Condition parameter type does not match schema type")
		}
		if v.isEmpty() {
			refuseValues("The AttributeValue for a key attribute cannot contain an empty " + word(v.kind) + " value. Key: " + a.name)
		}
	}
}

// readStart reads ExclusiveStartKey; nil if there is none.
func readStart(j map[string]any) item {
	if j["ExclusiveStartKey"] == nil {
		return nil
	}
	defer func() {
		stopped := recover()
		if r, ok := stopped.(refusal); ok && r.kind == "ValidationException" && !aboutContent(r.message) {
			refuse("The provided starting key is invalid: " + r.message)
		}
		if stopped != nil {
			panic(stopped)
		}
	}()
	return readItem(j["ExclusiveStartKey"], 0)
}

// aboutContent says of which mistakes AWS tells without saying that they are in
// a starting key.
func aboutContent(message string) bool {
	for _, part := range []string{"contains duplicates", "number set", "numeric value", "significant digits", "number with magnitude"} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

const wrongStart = "The provided starting key is invalid"

func (p *page) checkLength(start item) {
	if start == nil || len(start) == len(p.table.keyNames(p.index)) {
		return
	}
	if p.request["KeyConditionExpression"] == nil && p.request["KeyConditions"] == nil && p.index == nil {
		refuse(wrongStart + ": The provided key element does not match the schema")
	}
	refuse(wrongStart)
}

// checkStartKey refuses a start that is not a key of the table and the index.
func (p *page) checkStartKey(start item) {
	if start == nil {
		return
	}
	for _, a := range slices.Concat(p.hash(), p.sort()) {
		switch v := start[a.name]; {
		case !v.exists():
			refuse(wrongStart)
		case v.kind != a.kind:
			refuse("The provided key element does not match the schema")
		case v.isEmpty():
			refuseEmptyKey(a)
		}
	}
}

func (p *page) checkStart(terms []term, start item) {
	if start == nil {
		return
	}
	misses := func(keys []attribute) bool {
		return slices.ContainsFunc(terms, func(t term) bool {
			return slices.ContainsFunc(keys, func(a attribute) bool { return a.name == t.name }) && !t.allows(start[t.name])
		})
	}
	if misses(p.sort()) {
		refuse("The provided starting key does not match the range key predicate")
	}
	if misses(p.hash()) && len(terms) > len(p.hash()) {
		refuse("The query can return at most one row and cannot be restarted")
	}
	if misses(p.hash()) {
		refuse("The provided starting key is outside query boundaries based on provided conditions")
	}
}

// checkFilter refuses a filter of a query on the keys that the query is by.
func (p *page) checkFilter() {
	for _, a := range slices.Concat(p.hash(), p.sort()) {
		if p.e.filter != nil && slices.ContainsFunc(p.e.filter.paths(), func(used path) bool { return used[0].name == a.name }) {
			refuse("Filter Expression can only contain non-primary key attributes: Primary key attribute: " + a.name)
		}
		if slices.ContainsFunc(p.e.filters, func(c old) bool { return c.name == a.name }) {
			refuse("QueryFilter can only contain non-primary key attributes: Primary key attribute: " + a.name)
		}
	}
}

func (p *page) checkPaths() {
	p.table.checkInside(p.e.projection)
	if p.e.filter != nil {
		p.table.checkInside(p.e.filter.paths())
	}
}

// paths are all paths in a condition.
func (n *node) paths() []path {
	var list []path
	if n.op == "path" {
		list = append(list, n.path)
	}
	for _, k := range n.kids {
		list = append(list, k.paths()...)
	}
	return list
}

// after is what follows the start key among the items, of which it need not be
// one.
func after(items []item, start item, order []attribute, reverse bool) []item {
	for start != nil && len(items) > 0 {
		c := compareBy(order, items[0], start)
		if c > 0 && !reverse || c < 0 && reverse {
			break
		}
		items = items[1:]
	}
	return items
}

// answer goes through the items until the page is full.
func (p *page) answer(items []item) map[string]any {
	most := integer(p.request["Limit"])
	shownItems := []any{}
	size, scanned, count := 0, 0, 0
	answer := map[string]any{}
	for _, it := range items {
		scanned++
		size += itemSize(it)
		if (p.e.filter == nil || p.e.scope.holds(p.e.filter, it)) && oldHold(p.e.filters, p.request, it) {
			count++
			shownItems = append(shownItems, itemJSON(shown(it, p.e.projection)))
		}
		if scanned == most || size >= pageMax {
			last := item{}
			for _, name := range p.table.keyNames(p.index) {
				last[name] = it[name]
			}
			answer["LastEvaluatedKey"] = itemJSON(last)
			break
		}
	}
	answer["Count"], answer["ScannedCount"] = number(float64(count)), number(float64(scanned))
	if p.request["Select"] != "COUNT" {
		answer["Items"] = shownItems
	}
	if wantsCapacity(p.request) {
		c := cost{table: readUnits(size, p.request["ConsistentRead"] == true)}
		if p.index != nil {
			c = cost{}
			c.addIndex(p.index.name, readUnits(size, p.request["ConsistentRead"] == true))
		}
		answer["ConsumedCapacity"] = c.json(p.request, p.table)
	}
	return answer
}
