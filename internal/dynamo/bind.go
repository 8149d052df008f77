package dynamo

import (
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// bound is a request's expressions; nil are those that it has not.
type bound struct {
	update     *expr.Update
	condition  *expr.Condition
	key        []expr.KeyTerm
	filter     *expr.Condition
	filterName string // the legacy parameter that the filter is from
	projection *expr.Projection
}

// expressionOrder is the order in which AWS looks at expressions.
var expressionOrder = []string{"UpdateExpression", "ConditionExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression"}

// bind reads the expressions of n, of which the operation takes those named, or
// the parameters that they have replaced.
func (c *call) bind(n item.Node, takes ...string) (bound, error) {
	if err := c.checkGiven(n, takes); err != nil {
		return bound{}, err
	}
	return c.bound(n, takes)
}

// bound is bind after checkGiven.
func (c *call) bound(n item.Node, takes []string) (b bound, err error) {
	if err := c.bindLegacy(n, &b); err != nil {
		return b, err
	}
	if !slices.ContainsFunc(takes, func(name string) bool { return n.Get(name).Exists() }) {
		return b, nil
	}
	scope, err := c.scope(n, takesValues(takes))
	if err != nil {
		return b, err
	}
	for _, name := range expressionOrder {
		if slices.Contains(takes, name) && n.Get(name).Exists() {
			if err := b.bindOne(scope, name, n.Get(name).Text()); err != nil {
				return b, err
			}
		}
	}
	return b, scope.Unused()
}

// takesValues reports whether one of the expressions can use a value. An operation
// without one has no ExpressionAttributeValues, and ignores what it does not know.
func takesValues(expressions []string) bool {
	return slices.ContainsFunc(expressions, func(name string) bool { return name != "ProjectionExpression" })
}

// checkValuesUsed refuses values without an expression that could use one.
func checkValuesUsed(n item.Node, takes []string) error {
	if !takesValues(takes) {
		return nil
	}
	var users []string
	for _, name := range takes {
		if name == "ProjectionExpression" {
			continue
		}
		if n.Get(name).Exists() {
			return nil
		}
		users = append(users, name)
	}
	are := "is"
	if len(users) > 1 {
		are = "are"
	}
	return invalid("ExpressionAttributeValues can only be specified when using expressions: %s %s null", strings.Join(users, " and "), are)
}

// scope reads the placeholders, those of values if the operation has any.
func (c *call) scope(n item.Node, takesValues bool) (*expr.Scope, error) {
	var names []expr.Name
	if list := n.Get("ExpressionAttributeNames"); list.Exists() {
		names = make([]expr.Name, 0, list.Len())
		for child, ok := list.First(); ok; child, ok = child.Next() {
			text, err := item.StringFrom(child)
			if err != nil {
				return nil, err
			}
			names = append(names, expr.Name{Placeholder: child.Key(), Name: text})
		}
	}
	var values item.Item
	if list := n.Get("ExpressionAttributeValues"); takesValues && list.Exists() {
		values = make(item.Item, 0, list.Len())
		for child, ok := list.First(); ok; child, ok = child.Next() {
			v, err := item.ValueFromJSON(child)
			if wrong, ok := err.(*item.InvalidError); ok {
				return nil, invalid("ExpressionAttributeValues contains invalid value: %s for key %s", wrong.Message, child.Key())
			}
			if err != nil {
				return nil, err
			}
			values = append(values, item.Attribute{Name: child.Key(), Value: v})
		}
		values = item.Make(values...)
	}
	if err := c.checkPlaceholderSize(names, values); err != nil {
		return nil, err
	}
	return c.server.parser.Scope(names, values)
}

// placeholdersMax is DynamoDB's limit of what placeholders stand for, in bytes.
const placeholdersMax = 2 << 20

// checkPlaceholderSize refuses more than that; a request that is smaller has no
// more.
func (c *call) checkPlaceholderSize(names []expr.Name, values item.Item) error {
	if len(c.body) <= placeholdersMax {
		return nil
	}
	ofNames := 0
	for _, n := range names {
		ofNames += len(n.Placeholder) + len(n.Name)
	}
	ofValues := values.Size()
	switch {
	case ofNames > placeholdersMax:
		return invalid("ExpressionAttributeNames exceeds max size")
	case ofValues > placeholdersMax:
		return invalid("ExpressionAttributeValues exceeds max size")
	case ofNames+ofValues > placeholdersMax:
		return invalid("Combined size of ExpressionAttributeNames and ExpressionAttributeValues exceeds max size")
	}
	return nil
}

func (b *bound) bindOne(scope *expr.Scope, name, text string) (err error) {
	switch name {
	case "UpdateExpression":
		b.update, err = scope.Update(text)
	case "ConditionExpression":
		b.condition, err = scope.Condition(name, text)
	case "KeyConditionExpression":
		b.key, err = scope.KeyCondition(text)
	case "FilterExpression":
		b.filter, err = scope.Condition(name, text)
	case "ProjectionExpression":
		b.projection, err = scope.Projection(text)
	}
	return err
}

// checkPaths refuses expressions that lead into key attributes.
func (b *bound) checkPaths(t table.Table) error {
	if b.projection != nil {
		if err := checkScalarKeys(t, b.projection); err != nil {
			return err
		}
	}
	if b.update != nil {
		if err := checkScalarKeys(t, b.update); err != nil {
			return err
		}
	}
	if b.filter != nil {
		return checkScalarKeys(t, b.filter)
	}
	return nil
}
