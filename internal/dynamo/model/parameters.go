package model

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// parameter is what is known of one parameter before a request is looked at as
// a whole. form is text, flag, number, object or list.
type parameter struct {
	name, form string
	path       string // of what it is inside of
	required   bool
	enum       []string
	min, max   int // of a number, or a length; 0 is no bound
	pattern    *regexp.Regexp
}

var (
	namePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

	tableName   = parameter{name: "TableName", form: "text", required: true, min: 3, max: 255, pattern: namePattern}
	indexName   = parameter{name: "IndexName", form: "text", min: 3, max: 255, pattern: namePattern}
	capacity    = parameter{name: "ReturnConsumedCapacity", form: "text", enum: []string{"INDEXES", "TOTAL", "NONE"}}
	metrics     = parameter{name: "ReturnItemCollectionMetrics", form: "text", enum: []string{"SIZE", "NONE"}}
	returns     = parameter{name: "ReturnValues", form: "text", enum: []string{"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"}}
	onFailure   = parameter{name: "ReturnValuesOnConditionCheckFailure", form: "text", enum: []string{"ALL_OLD", "NONE"}}
	selection   = parameter{name: "Select", form: "text", enum: []string{"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"}}
	limit       = parameter{name: "Limit", form: "number", min: 1}
	consistent  = parameter{name: "ConsistentRead", form: "flag"}
	key         = parameter{name: "Key", form: "object", required: true}
	requests    = parameter{name: "RequestItems", form: "object", required: true, min: 1}
	transacted  = parameter{name: "TransactItems", form: "list", required: true, min: 1, max: 100}
	operator    = parameter{name: "ConditionalOperator", form: "text", enum: []string{"OR", "AND"}}
	names       = parameter{name: "ExpressionAttributeNames", form: "object"}
	values      = parameter{name: "ExpressionAttributeValues", form: "object"}
	start       = parameter{name: "ExclusiveStartKey", form: "object"}
	wanted      = parameter{name: "AttributesToGet", form: "list", min: 1, max: 255}
	expression  = func(what string) parameter { return parameter{name: what + "Expression", form: "text"} }
	objectNamed = func(name string) parameter { return parameter{name: name, form: "object"} }
)

// takes are the parameters of the operations, in the order of complaints.
var takes = map[string][]parameter{
	"CreateTable": nil,
	"GetItem":     {tableName, key, capacity, consistent, expression("Projection"), names, wanted},
	"PutItem": {
		capacity, tableName,
		{name: "Item", form: "object", required: true},
		returns, metrics, onFailure, expression("Condition"), names, values, objectNamed("Expected"), operator,
	},
	"DeleteItem": {capacity, tableName, key, returns, metrics, onFailure, expression("Condition"), names, values, objectNamed("Expected"), operator},
	"UpdateItem": {
		capacity, tableName, metrics, returns, key, onFailure, expression("Condition"), expression("Update"), names, values,
		objectNamed("AttributeUpdates"), objectNamed("Expected"), operator,
	},
	"Query": {
		selection, indexName, capacity, tableName, limit, start, consistent,
		{name: "ScanIndexForward", form: "flag"},
		expression("KeyCondition"), expression("Filter"), expression("Projection"), names, values,
		objectNamed("KeyConditions"), objectNamed("QueryFilter"), operator, wanted,
	},
	"Scan": {
		selection, indexName,
		{name: "TotalSegments", form: "number", min: 1, max: 1_000_000},
		capacity, tableName,
		{name: "Segment", form: "number", max: 999_999},
		limit, start, consistent, expression("Filter"), expression("Projection"), names, values, objectNamed("ScanFilter"), operator, wanted,
	},
	"BatchGetItem": {requests, capacity},
	"Get":          {key, tableName, expression("Projection"), names},
	"Put": {
		{name: "Item", form: "object", required: true},
		tableName, expression("Condition"), names, values, onFailure,
	},
	"Delete": {key, tableName, expression("Condition"), names, values, onFailure},
	"ConditionCheck": {
		key, tableName,
		{name: "ConditionExpression", form: "text", required: true},
		names, values, onFailure,
	},
	"Update": {
		key,
		{name: "UpdateExpression", form: "text", required: true},
		tableName, expression("Condition"), names, values, onFailure,
	},
	"BatchWriteItem":     {requests, capacity, metrics},
	"TransactGetItems":   {transacted, capacity},
	"TransactWriteItems": {transacted, capacity, metrics, {name: "ClientRequestToken", form: "text", min: 1, max: 36}},
}

// checkParameters refuses a request whose parameters are not of their forms, and
// then what each of them must fulfil, all mistakes at once.
func checkParameters(operation string, request map[string]any) {
	for _, p := range takes[operation] {
		if j := request[p.name]; j != nil {
			p.checkForm(j)
		}
	}
	var wrong []string
	for _, p := range takes[operation] {
		wrong = append(wrong, p.complaints(request[p.name])...)
	}
	complain(wrong)
}

// checkParts is checkParameters for the actions of a transaction.
func checkParts(kinds []string, requests []map[string]any) {
	var wrong []string
	for i, request := range requests {
		for _, p := range takes[kinds[i]] {
			if j := request[p.name]; j != nil {
				p.checkForm(j)
			}
		}
		for _, p := range takes[kinds[i]] {
			p.path = fmt.Sprintf("transactItems.%d.member.%s.", i+1, strings.ToLower(kinds[i][:1])+kinds[i][1:])
			wrong = append(wrong, p.complaints(request[p.name])...)
		}
	}
	complain(wrong)
}

func complain(wrong []string) {
	if len(wrong) == 0 {
		return
	}
	plural := ""
	if len(wrong) > 1 {
		plural = "s"
	}
	refuse(fmt.Sprintf("%d validation error%s detected: %s", len(wrong), plural, strings.Join(wrong, "; ")))
}

func (p parameter) checkForm(j any) {
	ok := false
	switch p.form {
	case "text":
		readString(j)
		return
	case "flag":
		readBool(j)
		return
	case "number":
		_, ok = j.(json.Number)
	case "object":
		_, ok = j.(map[string]any)
		p.checkShapes(j)
	case "list":
		_, ok = j.([]any)
	}
	if !ok {
		refuseShape("Unexpected field type")
	}
}

// checkShapes refuses values inside of a parameter that are not of the forms of
// values; what else is wrong with them comes up later.
func (p parameter) checkShapes(j any) {
	defer func() {
		stopped := recover()
		if r, ok := stopped.(refusal); stopped != nil && (!ok || r.kind == "SerializationException") {
			panic(stopped)
		}
	}()
	switch p.name {
	case "Item", "Key", "ExclusiveStartKey", "ExpressionAttributeValues":
		readItem(j, 0)
	case "ExpressionAttributeNames":
		object, _ := j.(map[string]any)
		for _, name := range sortedKeys(object) {
			readString(object[name])
		}
	}
}

func (p parameter) complaints(j any) []string {
	var found []string
	shown := fmt.Sprintf("'%v'", describe(j))
	add := func(constraint string, args ...any) {
		found = append(found, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must ", shown, p.path+strings.ToLower(p.name[:1])+p.name[1:])+fmt.Sprintf(constraint, args...))
	}
	if j == nil {
		shown = "null"
		if p.required {
			add("not be null")
		}
		return found
	}
	if text, ok := j.(string); ok && p.pattern != nil && !p.pattern.MatchString(text) {
		add("satisfy regular expression pattern: %s", strings.Trim(p.pattern.String(), "^$"))
	}
	size, what := measure(j)
	if p.form == "number" && p.min == 0 && size < 0 {
		add("have value greater than or equal to 0")
	}
	if p.min > 0 && size < p.min {
		add("have %s greater than or equal to %d", what, p.min)
	}
	if p.max > 0 && size > p.max {
		add("have %s less than or equal to %d", what, p.max)
	}
	if p.enum != nil && !slices.Contains(p.enum, j.(string)) {
		add("satisfy enum value set: [%s]", strings.Join(p.enum, ", "))
	}
	return found
}

func measure(j any) (size int, what string) {
	switch j := j.(type) {
	case json.Number:
		n, err := j.Int64()
		if err != nil {
			panic(err) // the generator draws integers
		}
		return int(n), "value"
	case string:
		return len(j), "length"
	case map[string]any:
		return len(j), "length"
	case []any:
		return len(j), "length"
	}
	return 0, "value"
}

func describe(j any) string {
	switch j := j.(type) {
	case map[string]any:
		return "[" + strings.Join(sortedKeys(j), ", ") + "]"
	case []any:
		return "[]"
	}
	return fmt.Sprint(j)
}
