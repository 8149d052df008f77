package dynamo

import (
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
)

// legacyParameters are the parameters that expressions have replaced, by
// operation, in the order in which AWS lists them.
var legacyParameters = map[string][]string{
	"GetItem":      {"AttributesToGet"},
	"BatchGetItem": {"AttributesToGet"},
	"PutItem":      {"Expected", "ConditionalOperator"},
	"DeleteItem":   {"Expected", "ConditionalOperator"},
	"UpdateItem":   {"AttributeUpdates", "Expected", "ConditionalOperator"},
	"Query":        {"AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions"},
	"Scan":         {"AttributesToGet", "ScanFilter", "ConditionalOperator"},
}

// checkGiven refuses a request that mixes expressions and what they replaced, and
// placeholders and operators that nothing uses. expressions are those that the
// operation takes.
func (c *call) checkGiven(n item.Node, expressions []string) error {
	if slices.ContainsFunc(expressions, func(name string) bool { return n.Get(name).Exists() }) {
		if err := c.checkMixed(n, expressions); err != nil {
			return err
		}
	} else if n.Get("ExpressionAttributeNames").Exists() {
		return invalid("ExpressionAttributeNames can only be specified when using expressions")
	}
	if n.Get("ExpressionAttributeValues").Exists() {
		if err := checkValuesUsed(n, expressions); err != nil {
			return err
		}
	}
	return c.checkOperator(n)
}

func (c *call) checkMixed(n item.Node, expressions []string) error {
	var old []string
	for _, name := range legacyParameters[c.operation] {
		// KeyConditions go with every expression but the one in their place.
		if n.Get(name).Exists() && (name != "KeyConditions" || n.Get("KeyConditionExpression").Exists()) {
			old = append(old, name)
		}
	}
	if old == nil {
		return nil
	}
	given := slices.DeleteFunc(slices.Clone(expressions), func(name string) bool { return !n.Get(name).Exists() })
	return mixed(old, given)
}

func mixed(old, expressions []string) error {
	return invalid("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {%s} Expression parameters: {%s}",
		strings.Join(old, ", "), strings.Join(expressions, ", "))
}

// checkOperator refuses a ConditionalOperator that joins nothing.
func (c *call) checkOperator(n item.Node) error {
	if !slices.Contains(legacyParameters[c.operation], "ConditionalOperator") || !n.Get("ConditionalOperator").Exists() {
		return nil
	}
	conditions := 0
	for _, name := range []string{"Expected", "QueryFilter", "ScanFilter"} {
		if slices.Contains(legacyParameters[c.operation], name) {
			conditions += n.Get(name).Len()
		}
	}
	switch conditions {
	case 0:
		return invalid("ConditionalOperator cannot be used without Filter or Expected")
	case 1:
		return invalid("ConditionalOperator can only be used when Filter or Expected has two or more elements")
	}
	return nil
}

// bindLegacy reads the parameters that expressions have replaced; their forms have
// been checked.
func (c *call) bindLegacy(n item.Node, b *bound) (err error) {
	anyOf := n.Get("ConditionalOperator").Text() == "OR"
	for _, name := range legacyParameters[c.operation] {
		p := n.Get(name)
		if !p.Exists() {
			continue
		}
		var list []expr.LegacyCondition
		switch name {
		case "AttributesToGet":
			b.projection, err = readNames(p)
		case "AttributeUpdates":
			b.update, err = readUpdates(p)
		case "Expected":
			list, err = readConditions(p, readExpected)
			b.condition = expr.FromConditions(list, anyOf)
		case "QueryFilter", "ScanFilter":
			list, err = readConditions(p, readCondition)
			b.filter = expr.FromConditions(list, anyOf)
			b.filterName = name
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readNames reads AttributesToGet.
func readNames(n item.Node) (*expr.Projection, error) {
	names := make([]string, 0, n.Len())
	for child, ok := n.First(); ok; child, ok = child.Next() {
		if slices.Contains(names, child.Text()) {
			return nil, invalidValues("Duplicate value in attribute name: %s", child.Text())
		}
		if err := item.CheckName(child.Text()); err != nil {
			return nil, err
		}
		names = append(names, child.Text())
	}
	return expr.FromNames(names), nil
}

func readUpdates(n item.Node) (*expr.Update, error) {
	var list []expr.LegacyUpdate
	for child, ok := n.First(); ok; child, ok = child.Next() {
		u := expr.LegacyUpdate{Attribute: child.Key(), Action: child.Get("Action").Text()}
		if err := item.CheckName(u.Attribute); err != nil {
			return nil, err
		}
		if u.Action == "" {
			u.Action = "PUT"
		}
		if v := child.Get("Value"); v.Exists() {
			var err error
			if u.Value, err = item.ValueFromJSON(v); err != nil {
				return nil, err
			}
		}
		if err := u.Check(); err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return expr.FromUpdates(list), nil
}

func readConditions(n item.Node, one func(item.Node) (expr.LegacyCondition, error)) ([]expr.LegacyCondition, error) {
	var list []expr.LegacyCondition
	for child, ok := n.First(); ok; child, ok = child.Next() {
		c, err := one(child)
		if err == nil {
			err = item.CheckName(child.Key())
		}
		if err == nil {
			err = c.Check()
		}
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func readCondition(n item.Node) (c expr.LegacyCondition, err error) {
	c = expr.LegacyCondition{Attribute: n.Key(), Operator: n.Get("ComparisonOperator").Text()}
	list := n.Get("AttributeValueList")
	for child, ok := list.First(); ok; child, ok = child.Next() {
		v, err := item.ValueFromJSON(child)
		if err != nil {
			return c, err
		}
		c.Values = append(c.Values, v)
	}
	return c, nil
}

// readExpected reads a condition that may also be given as Value and Exists.
func readExpected(n item.Node) (c expr.LegacyCondition, err error) {
	list, value, exists := n.Get("AttributeValueList").Exists(), n.Get("Value"), n.Get("Exists")
	operator := n.Get("ComparisonOperator")
	switch {
	case list && value.Exists():
		return c, invalidValues("Value and AttributeValueList cannot be used together for Attribute: %s", n.Key())
	case operator.Exists() && exists.Exists():
		return c, invalidValues("Exists and ComparisonOperator cannot be used together for Attribute: %s", n.Key())
	case operator.Exists() && !list && !value.Exists() && !strings.HasSuffix(operator.Text(), "NULL"):
		return c, invalidValues("Value or AttributeValueList must be used with ComparisonOperator: %s for Attribute: %s", operator.Text(), n.Key())
	case list && !operator.Exists():
		return c, invalidValues("AttributeValueList can only be used with a ComparisonOperator for Attribute: %s", n.Key())
	case list || operator.Exists() && !value.Exists():
		return readCondition(n)
	}
	c = expr.LegacyCondition{Attribute: n.Key(), Operator: operator.Text()}
	if !operator.Exists() {
		c.Operator = "EQ"
		if err := checkExists(n, value, exists); err != nil {
			return c, err
		}
	}
	if !value.Exists() {
		c.Operator = "NULL"
		return c, nil
	}
	v, err := item.ValueFromJSON(value)
	c.Values = []item.Value{v}
	return c, err
}

// readKeyConditions reads the conditions of a Query without a
// KeyConditionExpression.
func readKeyConditions(n item.Node) ([]expr.KeyTerm, error) {
	list, err := readConditions(n, readCondition)
	if err != nil {
		return nil, err
	}
	terms := make([]expr.KeyTerm, len(list))
	for i, c := range list {
		terms[i] = c.KeyTerm()
	}
	return terms, nil
}

// checkExists holds Exists, which is true if it is not given, against Value.
func checkExists(n, value, exists item.Node) error {
	want, text := true, "null"
	if exists.Exists() {
		want, _ = item.BoolFrom(exists) // its form is checked
		text = "false"
		if want {
			text = "true"
		}
	}
	switch {
	case want && !value.Exists():
		return invalidValues("Value must be provided when Exists is %s for Attribute: %s", text, n.Key())
	case !want && value.Exists():
		return invalidValues("Value cannot be used when Exists is false for Attribute: %s", n.Key())
	}
	return nil
}
