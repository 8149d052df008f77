package dynamo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/meridian-run/meridian/internal/item"
)

// form is the JSON form of a parameter.
type form uint8

const (
	textForm form = iota
	flagForm
	integerForm
	objectForm
	listForm
	itemForm    // attribute values by name
	stringsForm // strings by name
	valueForm   // an attribute value
	valuesForm  // a list of attribute values
	namesForm   // a list of strings
	membersForm // structures by name, made of members
	// requestsForm is what a BatchWriteItem writes, by table.
	requestsForm
)

// parameter is what an operation takes under one name, and what AWS says if it
// is not so. Unknown parameters are ignored, as by AWS.
type parameter struct {
	name     string
	form     form
	required bool
	enum     []string
	// min and max bound a number's value, or the length of anything else; 0 is
	// no bound.
	min, max int
	// name of a table or index
	isName bool
	// ofTables says that the names in a map are tables'.
	ofTables bool
	// path leads to it, if it is inside of another one.
	path string
	// deep finds what has a wrong form further inside, where reading it would find
	// other mistakes first. It is run once a request is refused.
	deep func(item.Node) error
	// members are those of an object, or of the structures in a list or a map; of
	// is AWS's name of the latter.
	members []parameter
	of      string
}

const namePattern = "[a-zA-Z0-9_.-]+"

// Parameters that several operations share.
var (
	tableName      = parameter{name: "TableName", required: true, min: 3, max: 255, isName: true}
	indexName      = parameter{name: "IndexName", min: 3, max: 255, isName: true}
	returnCapacity = parameter{name: "ReturnConsumedCapacity", enum: []string{"INDEXES", "TOTAL", "NONE"}}
	returnMetrics  = parameter{name: "ReturnItemCollectionMetrics", enum: []string{"SIZE", "NONE"}}
	returnValues   = parameter{name: "ReturnValues", enum: []string{"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"}}
	returnOnFailed = parameter{name: "ReturnValuesOnConditionCheckFailure", enum: []string{"ALL_OLD", "NONE"}}
	selectWhat     = parameter{name: "Select", enum: []string{"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"}}
	limit          = parameter{name: "Limit", form: integerForm, min: 1}
	consistentRead = parameter{name: "ConsistentRead", form: flagForm}
	startKey       = parameter{name: "ExclusiveStartKey", form: itemForm}
	keyParameter   = parameter{name: "Key", form: itemForm, required: true}
	itemParameter  = parameter{name: "Item", form: itemForm, required: true}
	names          = parameter{name: "ExpressionAttributeNames", form: stringsForm}
	values         = parameter{name: "ExpressionAttributeValues", form: itemForm}
	condition      = parameter{name: "ConditionExpression"}
	filter         = parameter{name: "FilterExpression"}
	projection     = parameter{name: "ProjectionExpression"}
)

// Parameters of the operations on items, in AWS's order of complaints.
var (
	tableOnly         = []parameter{tableName}
	getItemParameters = []parameter{
		returnCapacity, attributesToGet, tableName, keyParameter, consistentRead, projection, names,
	}
	putItemParameters = []parameter{
		returnCapacity, tableName,
		itemParameter,
		conditionalOperator, expected, returnValues, returnMetrics, returnOnFailed, condition, values, names,
	}
	deleteItemParameters = []parameter{
		returnCapacity, tableName, returnValues, returnMetrics, keyParameter, conditionalOperator, expected, returnOnFailed, condition, values, names,
	}
	updateItemParameters = []parameter{
		returnCapacity, tableName, returnMetrics, returnValues, keyParameter, conditionalOperator, expected, attributeUpdates, returnOnFailed, condition,
		{name: "UpdateExpression"},
		values, names,
	}
	queryParameters = []parameter{
		selectWhat, indexName, returnCapacity, conditions("QueryFilter"), tableName, conditionalOperator, attributesToGet, limit,
		conditions("KeyConditions"), startKey, consistentRead,
		{name: "ScanIndexForward", form: flagForm},
		{name: "KeyConditionExpression"},
		filter, projection, values, names,
	}
	scanParameters = []parameter{
		selectWhat, indexName,
		{name: "TotalSegments", form: integerForm, min: 1, max: segmentsMax},
		returnCapacity, tableName, conditionalOperator, conditions("ScanFilter"),
		{name: "Segment", form: integerForm, max: segmentsMax - 1},
		limit, attributesToGet, startKey, consistentRead, filter, projection, values, names,
	}
	batchGetParameters = []parameter{
		returnCapacity,
		{name: "RequestItems", form: membersForm, required: true, min: 1, ofTables: true, members: keysAndAttributes, of: "KeysAndAttributes"},
	}
	batchWriteParameters = []parameter{
		returnCapacity, returnMetrics,
		{name: "RequestItems", form: requestsForm, required: true, min: 1, ofTables: true},
	}
)

// complaintsMax is how many mistakes AWS reports at once.
const complaintsMax = 10

// check holds a request against what its operation takes: first the forms, then
// everything else, all mistakes at once.
func check(request item.Node, parameters []parameter) error {
	if err := checkForms(request, parameters); err != nil {
		return err
	}
	return complain(complaintsOf(request, parameters, nil))
}

// checkForms refuses what does not have its form.
func checkForms(n item.Node, parameters []parameter) error {
	for _, p := range parameters {
		if v := n.Get(p.name); v.Exists() {
			if err := p.checkForm(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// complaintsOf appends what is wrong with the parameters in n.
func complaintsOf(n item.Node, parameters []parameter, complaints []string) []string {
	for _, p := range parameters {
		complaints = p.check(n.Get(p.name), complaints)
	}
	return complaints
}

// complain reports complaints, if there are any.
func complain(complaints []string) error {
	if len(complaints) == 0 {
		return nil
	}
	plural := ""
	if len(complaints) > 1 {
		plural = "s"
	}
	shown := complaints[:min(len(complaints), complaintsMax)]
	return invalid("%d validation error%s detected: %s", len(shown), plural, strings.Join(shown, "; "))
}

func (p parameter) checkForm(n item.Node) error {
	var err error
	switch p.form {
	case textForm:
		_, err = item.StringFrom(n)
	case flagForm:
		_, err = item.BoolFrom(n)
	case integerForm:
		_, err = item.IntegerFrom(n)
	case objectForm:
		if n.Form() == item.Array && p.of != "" {
			return wrongShape("Unrecognized collection type class " + structPrefix + p.of)
		}
		if n.Form() != item.Object {
			return shape()
		}
		err = checkForms(n, p.members)
	case listForm:
		element := func(item.Node) error { return nil }
		if p.members != nil {
			element = p.checkStructure
		}
		err = checkListForm(n, element)
	case itemForm:
		if n.Form() != item.Object { // what is inside is looked at when it is read
			err = item.CheckShape(n)
		}
	case stringsForm:
		err = checkMapForm(n, "java.lang.String", func(n item.Node) error { _, err := item.StringFrom(n); return err })
	case valueForm:
		if n.Form() != item.Object && n.Form() != item.Array {
			return shape()
		}
		err = item.CheckValueShape(n)
	case valuesForm:
		err = checkListForm(n, item.CheckValueShape)
	case namesForm:
		err = checkListForm(n, func(n item.Node) error { _, err := item.StringFrom(n); return err })
	case membersForm:
		err = checkMapForm(n, structPrefix+p.of, p.checkStructure)
	case requestsForm:
		err = checkMapForm(n, "java.util.List<"+structPrefix+writeRequest.of+">", func(n item.Node) error { return checkListForm(n, writeRequest.checkStructure) })
	}
	return err
}

// check appends what is wrong with the value.
func (p parameter) check(n item.Node, complaints []string) []string {
	if !n.Exists() {
		if p.required {
			return append(complaints, p.complaint(n, "Member must not be null"))
		}
		return complaints
	}
	if p.isName && !isName(tableFrom(n.Text())) {
		complaints = append(complaints, p.complaint(n, "Member must satisfy regular expression pattern: "+namePattern))
	}
	size, unit := p.measure(n)
	if p.min > 0 && size < p.min {
		complaints = append(complaints, p.complaint(n, fmt.Sprintf("Member must have %s greater than or equal to %d", unit, p.min)))
	}
	if p.form == integerForm && p.min == 0 && size < 0 {
		complaints = append(complaints, p.complaint(n, "Member must have value greater than or equal to 0"))
	}
	if p.max > 0 && size > p.max {
		complaints = append(complaints, p.complaint(n, fmt.Sprintf("Member must have %s less than or equal to %d", unit, p.max)))
	}
	if p.enum != nil && !slices.Contains(p.enum, n.Text()) {
		complaints = append(complaints, p.complaint(n, "Member must satisfy enum value set: ["+strings.Join(p.enum, ", ")+"]"))
	}
	if p.ofTables {
		complaints = p.checkTables(n, complaints)
	}
	if p.form == requestsForm {
		return p.checkRequests(n, complaints)
	}
	return p.checkMembers(n, complaints)
}

func lowerFirst(name string) string { return string(unicode.ToLower(rune(name[0]))) + name[1:] }

func (p parameter) complaint(n item.Node, constraint string) string {
	value := "null"
	if n.Exists() {
		value = "'" + describe(n) + "'"
	}
	return "Value " + value + " at '" + p.at() + "' failed to satisfy constraint: " + constraint
}

// at is where the parameter is in the request, as AWS spells it.
func (p parameter) at() string { return p.path + lowerFirst(p.name) }

// measure is what min and max bound.
func (p parameter) measure(n item.Node) (size int, unit string) {
	switch p.form {
	case integerForm:
		return integer(n), "value"
	case textForm, flagForm:
	default:
		return n.Len(), "length"
	}
	if p.isName {
		return len(tableFrom(n.Text())), "length"
	}
	return len(n.Text()), "length"
}

// integer is a number's value; fractions are cut off and huge numbers clamped,
// as by AWS.
func integer(n item.Node) int {
	f, err := strconv.ParseFloat(n.Text(), 64)
	if err != nil && f == 0 {
		return 0
	}
	return int(max(min(f, 1<<31-1), -1<<31))
}

// describe is a value as complaints show it.
func describe(n item.Node) string {
	switch n.Form() {
	case item.Array:
		var elements []string
		for child, ok := n.First(); ok; child, ok = child.Next() {
			elements = append(elements, describe(child))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	case item.Object:
		var members []string
		for child, ok := n.First(); ok; child, ok = child.Next() {
			members = append(members, child.Key()+"="+describe(child))
		}
		return "{" + strings.Join(members, ", ") + "}"
	}
	return n.Text()
}

func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return s != ""
}

// tableFrom is the table's name, which may be given as an ARN.
func tableFrom(text string) string {
	if !strings.HasPrefix(text, "arn:") {
		return text
	}
	_, name, ok := strings.Cut(text, ":table/")
	if !ok {
		return text
	}
	return name
}

func (c *call) text(name string) string { return c.request.Get(name).Text() }

func (c *call) flag(name string) bool {
	n := c.request.Get(name)
	if !n.Exists() {
		return false
	}
	b, _ := item.BoolFrom(n) // its form is checked
	return b
}
