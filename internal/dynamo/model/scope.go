package model

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// scope is what the placeholders of a request stand for.
type scope struct {
	names  map[string]string
	values map[string]value
	used   map[string]bool
}

var (
	nameKey  = regexp.MustCompile(`^#[0-9a-zA-Z_]+$`)
	valueKey = regexp.MustCompile(`^:[0-9a-zA-Z_]+$`)
)

// expressions are what a request's expressions say; nil is what it has not.
type expressions struct {
	scope      *scope
	update     []action
	condition  *node
	key        *node
	filter     *node
	projection []path

	// In the form of before.
	expected, filters, keys []old
	updates                 []oldUpdate
}

// taken are the expressions that operations take.
var taken = map[string][]string{
	"GetItem":      {"ProjectionExpression"},
	"BatchGetItem": {"ProjectionExpression"},
	"PutItem":      {"ConditionExpression"},
	"DeleteItem":   {"ConditionExpression"},
	"UpdateItem":   {"UpdateExpression", "ConditionExpression"},
	"Query":        {"ProjectionExpression", "FilterExpression", "KeyConditionExpression"},
	"Scan":         {"ProjectionExpression", "FilterExpression"},
}

// checkForms refuses what cannot stand together, and what nothing uses.
func checkForms(operation string, j map[string]any) {
	takes := taken[operation]
	refuseMixed(operation, j, takes)
	given := slices.ContainsFunc(takes, func(name string) bool { return j[name] != nil })
	if j["ExpressionAttributeNames"] != nil && !given {
		refuse("ExpressionAttributeNames can only be specified when using expressions")
	}
	checkValuesUsed(j, takes)
	refuseOperator(operation, j)
}

// readExpressions reads the expressions of a request, or what they have replaced.
func readExpressions(operation string, j map[string]any) expressions {
	takes := taken[operation]
	e := expressions{scope: &scope{names: map[string]string{}, values: map[string]value{}, used: map[string]bool{}}}
	e.readOld(operation, j)
	if !slices.ContainsFunc(takes, func(name string) bool { return j[name] != nil }) {
		return e
	}
	e.scope.readPlaceholders(j, len(takes) > 1 || takes[0] != "ProjectionExpression")
	for _, name := range []string{"UpdateExpression", "ConditionExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression"} {
		text, ok := j[name].(string)
		if !ok || !slices.Contains(takes, name) {
			continue
		}
		switch name {
		case "UpdateExpression":
			e.update = e.scope.update(text)
		case "ConditionExpression":
			e.condition = e.scope.condition(name, text)
		case "KeyConditionExpression":
			e.key = e.scope.condition(name, text)
			keyTerms(e.key, e.scope)
		case "FilterExpression":
			e.filter = e.scope.condition(name, text)
		case "ProjectionExpression":
			e.projection = e.scope.projection(text)
		}
	}
	e.scope.refuseUnused()
	return e
}

// readOld reads the parameters that expressions have replaced.
func (e *expressions) readOld(operation string, j map[string]any) {
	for _, name := range replaced[operation] {
		switch name {
		case "AttributesToGet":
			e.projection = readNames(j[name])
		case "AttributeUpdates":
			e.updates = readUpdates(j[name])
		case "Expected":
			e.expected = conditions(j[name], readExpected)
		case "QueryFilter", "ScanFilter":
			e.filters = conditions(j[name], readOld)
		case "KeyConditions":
			e.keys = conditions(j[name], readOld)
		}
	}
}

func checkValuesUsed(j map[string]any, takes []string) {
	var users []string
	for _, name := range takes {
		if name != "ProjectionExpression" {
			users = append(users, name)
		}
	}
	if j["ExpressionAttributeValues"] == nil || len(users) == 0 || slices.ContainsFunc(users, func(name string) bool { return j[name] != nil }) {
		return
	}
	are := "is"
	if len(users) > 1 {
		are = "are"
	}
	refuse(fmt.Sprintf("ExpressionAttributeValues can only be specified when using expressions: %s %s null", strings.Join(users, " and "), are))
}

func (s *scope) readPlaceholders(j map[string]any, takesValues bool) {
	names, hasNames := j["ExpressionAttributeNames"].(map[string]any)
	if hasNames && len(names) == 0 {
		refuse("ExpressionAttributeNames must not be empty")
	}
	for _, k := range sortedKeys(names) {
		if !nameKey.MatchString(k) {
			refuse(fmt.Sprintf("ExpressionAttributeNames contains invalid key: Syntax error; key: %q", k))
		}
		s.names[k] = readString(names[k])
	}
	values, hasValues := j["ExpressionAttributeValues"].(map[string]any)
	if !takesValues {
		return
	}
	if hasValues && len(values) == 0 {
		refuse("ExpressionAttributeValues must not be empty")
	}
	for _, k := range sortedKeys(values) {
		if !valueKey.MatchString(k) {
			refuse(fmt.Sprintf("ExpressionAttributeValues contains invalid key: Syntax error; key: %q", k))
		}
		s.values[k] = readPlaceholder(k, values[k])
	}
}

// readPlaceholder reads a value, naming its key if it is refused.
func readPlaceholder(k string, j any) value {
	defer func() {
		stopped := recover()
		if r, ok := stopped.(refusal); ok && r.kind == "ValidationException" {
			refuse("ExpressionAttributeValues contains invalid value: " + r.message + " for key " + k)
		}
		if stopped != nil {
			panic(stopped)
		}
	}()
	return readValue(j, 1)
}

func (s *scope) refuseUnused() {
	unused := func(what string, keys []string) {
		keys = slices.DeleteFunc(keys, func(k string) bool { return s.used[k] })
		if len(keys) > 0 {
			refuse(fmt.Sprintf("Value provided in ExpressionAttribute%s unused in expressions: keys: {%s}", what, strings.Join(keys, ", ")))
		}
	}
	unused("Names", sortedKeys(s.names))
	unused("Values", sortedKeys(s.values))
}

// report refuses the first of the mistakes in the order given.
func (r *reader) report(what string, order ...string) {
	for _, kind := range order {
		if m := r.mistakes[kind]; m != "" {
			refuse("Invalid " + what + ": " + m)
		}
	}
}

func (s *scope) condition(what, text string) *node {
	var n *node
	r := read(what, text, func(r *reader) { n = r.condition() })
	r.report(what, "parens", "function", "misuse", "reserved", "count")
	s.checkLeaves(r, what, n)
	return n
}

// checkLeaves refuses the first comparison or function that has a mistake; a
// placeholder that means nothing is the first of its mistakes.
func (s *scope) checkLeaves(r *reader, what string, n *node) {
	if n.op == "AND" || n.op == "OR" || n.op == "NOT" {
		for _, k := range n.kids {
			s.checkLeaves(r, what, k)
		}
		return
	}
	s.resolveInOrder(r, n)
	s.check(r, n)
	r.report(what, "first", "distinct", "type")
}

func (s *scope) resolveInOrder(r *reader, n *node) {
	s.resolve(r, &node{op: n.op, value: n.value, path: n.path})
	for _, kind := range []string{"name", "value"} {
		if m := r.mistakes[kind]; m != "" {
			r.mistake("first", "%s", m)
		}
	}
	for _, k := range n.kids {
		s.resolveInOrder(r, k)
	}
}

func (s *scope) update(text string) []action {
	const what = "UpdateExpression"
	var actions []action
	r := read(what, text, func(r *reader) { actions = r.changes() })
	r.report(what, "reserved", "function", "section", "count")
	var paths []path
	for i := range actions {
		s.resolvePath(r, actions[i].path)
		paths = append(paths, actions[i].path)
		if actions[i].operand != nil {
			s.resolve(r, actions[i].operand)
			s.checkOperand(r, actions[i])
		}
	}
	checkOverlap(r, paths)
	r.report(what, "name", "value", "overlap", "conflict", "type")
	return actions
}

func (s *scope) projection(text string) []path {
	const what = "ProjectionExpression"
	var paths []path
	r := read(what, text, func(r *reader) { paths = r.paths() })
	for _, p := range paths {
		s.resolvePath(r, p)
	}
	checkOverlap(r, paths)
	r.report(what, "reserved", "name", "overlap", "conflict")
	return paths
}

// resolve puts the names that placeholders stand for into paths.
func (s *scope) resolve(r *reader, n *node) {
	for _, k := range n.kids {
		s.resolve(r, k)
	}
	if n.op == "value" {
		if _, ok := s.values[n.value]; !ok {
			r.mistake("value", "An expression attribute value used in expression is not defined; attribute value: %s", n.value)
		}
		s.used[n.value] = true
	}
	s.resolvePath(r, n.path)
}

func (s *scope) resolvePath(r *reader, p path) {
	for i, st := range p {
		if !strings.HasPrefix(st.name, "#") {
			continue
		}
		name, ok := s.names[st.name]
		if !ok {
			r.mistake("name", "An expression attribute name used in the document path is not defined; attribute name: %s", st.name)
		}
		s.used[st.name] = true
		p[i] = step{name: name, index: -1}
	}
}
