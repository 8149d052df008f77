package model

import (
	"fmt"
	"slices"
	"strings"
)

// replaced are the parameters that expressions have replaced, by operation.
var replaced = map[string][]string{
	"GetItem":      {"AttributesToGet"},
	"BatchGetItem": {"AttributesToGet"},
	"PutItem":      {"Expected", "ConditionalOperator"},
	"DeleteItem":   {"Expected", "ConditionalOperator"},
	"UpdateItem":   {"AttributeUpdates", "Expected", "ConditionalOperator"},
	"Query":        {"AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"},
	"Scan":         {"AttributesToGet", "ScanFilter", "ConditionalOperator"},
}

// refuseMixed refuses expressions beside what they have replaced.
func refuseMixed(operation string, j map[string]any, takes []string) {
	var given, old []string
	for _, name := range takes {
		if j[name] != nil {
			given = append(given, name)
		}
	}
	for _, name := range replaced[operation] {
		if j[name] != nil && (name != "KeyConditions" || j["KeyConditionExpression"] != nil) {
			old = append(old, name)
		}
	}
	if given != nil && old != nil {
		refuse(fmt.Sprintf("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {%s} Expression parameters: {%s}",
			strings.Join(old, ", "), strings.Join(given, ", ")))
	}
}

// refuseOperator refuses a ConditionalOperator that joins nothing.
func refuseOperator(operation string, j map[string]any) {
	if j["ConditionalOperator"] == nil || !slices.Contains(replaced[operation], "ConditionalOperator") {
		return
	}
	n := 0
	for _, name := range []string{"Expected", "QueryFilter", "ScanFilter"} {
		if conditions, ok := j[name].(map[string]any); ok && slices.Contains(replaced[operation], name) {
			n += len(conditions)
		}
	}
	switch n {
	case 0:
		refuse("ConditionalOperator cannot be used without Filter or Expected")
	case 1:
		refuse("ConditionalOperator can only be used when Filter or Expected has two or more elements")
	}
}

// old is a condition on one attribute in the form of before.
type old struct {
	name, op string
	values   []value
}

// operands says how many values a comparison takes, and of which types; -1 is
// one or more.
var operands = map[string]struct {
	n     int
	kinds string
}{
	"NULL": {}, "NOT_NULL": {}, "EQ": {n: 1}, "NE": {n: 1}, "LE": {1, "S N B"}, "LT": {1, "S N B"}, "GE": {1, "S N B"}, "GT": {1, "S N B"},
	"CONTAINS": {1, "S N B"}, "NOT_CONTAINS": {1, "S N B"}, "BEGINS_WITH": {1, "S B"}, "IN": {-1, "S N B"}, "BETWEEN": {2, "S N B"},
}

func (c old) check() old {
	takes := operands[c.op]
	if takes.n >= 0 && len(c.values) != takes.n || takes.n < 0 && len(c.values) == 0 {
		refuseValues("Invalid number of argument(s) for the " + c.op + " ComparisonOperator")
	}
	for _, v := range c.values {
		if v.kind != c.values[0].kind {
			refuseValues("AttributeValues inside AttributeValueList must be of same type")
		}
	}
	for _, v := range c.values {
		if takes.kinds != "" && !slices.Contains(strings.Fields(takes.kinds), v.kind) {
			refuseValues("ComparisonOperator " + c.op + " is not valid for " + v.kind + " AttributeValue type")
		}
	}
	if c.op == "BETWEEN" && ordered(">", c.values[0], c.values[1]) {
		refuse("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")
	}
	return c
}

var comparisons = map[string]string{"EQ": "=", "NE": "<>", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">"}

// holds reports whether the attribute, which need not be there, is as the
// condition says.
func (c old) holds(v value) bool {
	switch c.op {
	case "NULL":
		return !v.exists()
	case "NOT_NULL":
		return v.exists()
	case "EQ":
		return v.exists() && equal(v, c.values[0])
	case "NE":
		return !v.exists() || !equal(v, c.values[0])
	case "CONTAINS":
		return contains(v, c.values[0])
	case "NOT_CONTAINS":
		return v.exists() && !contains(v, c.values[0])
	case "BEGINS_WITH":
		return beginsWith(v, c.values[0])
	case "IN":
		return slices.ContainsFunc(c.values, func(one value) bool { return v.exists() && equal(v, one) })
	case "BETWEEN":
		return ordered(">=", v, c.values[0]) && ordered("<=", v, c.values[1])
	}
	return ordered(comparisons[c.op], v, c.values[0])
}

// conditions are a parameter's conditions, by attribute.
func conditions(j any, read func(string, map[string]any) old) []old {
	object, _ := j.(map[string]any)
	var list []old
	for _, name := range sortedKeys(object) {
		list = append(list, read(name, object[name].(map[string]any)).check())
	}
	return list
}

func readOld(name string, j map[string]any) old {
	c := old{name: name}
	c.op, _ = j["ComparisonOperator"].(string)
	values, _ := j["AttributeValueList"].([]any)
	for _, v := range values {
		c.values = append(c.values, readValue(v, 1))
	}
	return c
}

// readExpected reads a condition that may also be given as Value and Exists.
func readExpected(name string, j map[string]any) old {
	list, one, exists, op := j["AttributeValueList"] != nil, j["Value"] != nil, j["Exists"], j["ComparisonOperator"]
	of := " for Attribute: " + name
	switch {
	case list && one:
		refuseValues("Value and AttributeValueList cannot be used together" + of)
	case op != nil && exists != nil:
		refuseValues("Exists and ComparisonOperator cannot be used together" + of)
	case op != nil && op != "NULL" && op != "NOT_NULL" && !list && !one:
		refuseValues(fmt.Sprintf("Value or AttributeValueList must be used with ComparisonOperator: %s%s", op, of))
	case op == nil && list:
		refuseValues("AttributeValueList can only be used with a ComparisonOperator" + of)
	case op == nil && exists != false && !one:
		text := "null"
		if exists != nil {
			text = fmt.Sprint(exists)
		}
		refuseValues("Value must be provided when Exists is " + text + of)
	case op == nil && exists == false && one:
		refuseValues("Value cannot be used when Exists is false" + of)
	}
	c := readOld(name, j)
	if op == nil {
		c.op = "NULL"
	}
	if one {
		c.values = []value{readValue(j["Value"], 1)}
		if op == nil {
			c.op = "EQ"
		}
	}
	return c
}

// oldHold reports whether all conditions hold, or one of them.
func oldHold(list []old, j map[string]any, it item) bool {
	n := 0
	for _, c := range list {
		if c.holds(it[c.name]) {
			n++
		}
	}
	if j["ConditionalOperator"] == "OR" {
		return n > 0 || len(list) == 0
	}
	return n == len(list)
}

// readNames reads AttributesToGet as a projection; nil if there is none.
func readNames(j any) []path {
	var list []path
	names, _ := j.([]any)
	for _, name := range names {
		p := path{{name: name.(string), index: -1}}
		if slices.ContainsFunc(list, func(other path) bool { return other[0] == p[0] }) {
			refuseValues("Duplicate value in attribute name: " + p[0].name)
		}
		list = append(list, p)
	}
	return list
}

// oldUpdate is what AttributeUpdates says of one attribute.
type oldUpdate struct {
	name, action string
	value        value
}

func readUpdates(j any) []oldUpdate {
	object, _ := j.(map[string]any)
	var list []oldUpdate
	for _, name := range sortedKeys(object) {
		one := object[name].(map[string]any)
		u := oldUpdate{name: name, action: "PUT"}
		if action, ok := one["Action"].(string); ok {
			u.action = action
		}
		if one["Value"] != nil {
			u.value = readValue(one["Value"], 1)
		}
		switch {
		case !u.value.exists() && u.action != "DELETE":
			refuseValues("Only DELETE action is allowed when no attribute value is specified")
		case u.value.exists() && u.action == "DELETE" && !u.value.isSet():
			refuseValues("DELETE action with value is not supported for the type " + u.value.kind)
		case u.action == "ADD" && !u.value.isSet() && u.value.kind != "N" && u.value.kind != "L":
			refuseValues("ADD action is not supported for the type " + u.value.kind)
		}
		list = append(list, u)
	}
	return list
}

// apply is what the attribute becomes; none if it goes.
func (u oldUpdate) apply(current value) value {
	if u.value.exists() && u.action != "PUT" && current.exists() && current.kind != u.value.kind {
		refuse("Type mismatch for attribute to update")
	}
	switch {
	case u.action == "DELETE" && u.value.exists() && current.exists():
		return difference(current, u.value)
	case u.action == "DELETE":
		return value{}
	case u.action == "PUT" || !current.exists():
		return u.value
	case u.value.kind == "N":
		return sum(current, u.value, false)
	case u.value.kind == "L":
		return value{kind: "L", list: append(slices.Clone(current.list), u.value.list...)}
	}
	return union(current, u.value)
}
