// Package expr has DynamoDB's expressions: condition, filter, key-condition,
// update and projection. Each text is parsed once and cached; a request binds the
// parsed form to its placeholders and evaluates it on items. It is pure: no
// clock, no store.
//
//	scope, err := parser.Scope(names, values)          // #n and :v of one request
//	condition, err := scope.Condition("ConditionExpression", text)
//	update, err := scope.Update(text)
//	err = scope.Unused()                               // every placeholder has a use
//	if condition.Test(old) { next, err := update.Apply(old) }
//
// Errors are *Error, with AWS's messages, in the order in which AWS finds them.
package expr
