package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
)

// legacyItem has an attribute of each type.
const legacyItem = `{"TableName":"notes","Item":{"pk":{"S":"a"},"s":{"S":"hello"},"n":{"N":"5"},"b":{"B":"AQID"},"ss":{"SS":["x","y"]},"ns":{"NS":["1","2"]},
	"l":{"L":[{"N":"1"},{"S":"x"}]},"m":{"M":{"k":{"S":"v"}}},"t":{"BOOL":true},"z":{"NULL":true}}}`

// value is an AttributeValue of text that leaves out quotes: S:x, N:1.
func value(text string) string {
	kind, v, _ := strings.Cut(text, ":")
	if strings.HasPrefix(v, "[") || strings.HasPrefix(v, "{") || v == "true" {
		return fmt.Sprintf(`{%q:%s}`, kind, v)
	}
	return fmt.Sprintf(`{%q:%q}`, kind, v)
}

// legacyCondition is {"attribute":{"ComparisonOperator":…}} of "n GT N:1".
func legacyCondition(text string) string {
	words := strings.Fields(text)
	var list []string
	for _, w := range words[2:] {
		list = append(list, value(w))
	}
	return fmt.Sprintf(`%q:{"ComparisonOperator":%q,"AttributeValueList":[%s]}`, words[0], words[1], strings.Join(list, ","))
}

func TestD1_LegacyConditionsHoldAsTheirOperatorsSay(t *testing.T) {
	r := newRegion(t).tables()
	r.must("PutItem", legacyItem)
	for text, want := range map[string]bool{
		"n EQ N:5.0": true, "n EQ N:6": false, "n EQ S:5": false, "none EQ N:5": false, "ss EQ SS:[\"y\",\"x\"]": true, "l EQ L:[{\"N\":\"1\"},{\"S\":\"x\"}]": true,
		"m EQ M:{\"k\":{\"S\":\"v\"}}": true, "t EQ BOOL:true": true, "z EQ NULL:true": true,
		"n NE N:6": true, "n NE N:5": false, "n NE S:5": true, "none NE N:5": true,
		"n LE N:5": true, "n LE N:4": false, "n LT N:6": true, "n LT N:5": false, "n GE N:5": true, "n GE N:6": false, "n GT N:4": true, "n GT S:4": false, "none GT N:4": false,
		"s GT S:ABC": true, "b GT B:AQIC": true,
		"n BETWEEN N:5 N:7": true, "n BETWEEN N:6 N:7": false, "none BETWEEN N:1 N:7": false,
		"n IN N:1 N:5": true, "n IN N:1 N:2": false, "ss IN S:x": false, "none IN N:1": false,
		"s NOT_NULL": true, "z NOT_NULL": true, "none NOT_NULL": false, "none NULL": true, "z NULL": false,
		"s CONTAINS S:ell": true, "s CONTAINS N:1": false, "ss CONTAINS S:x": true, "ns CONTAINS N:2.0": true, "l CONTAINS S:x": true, "l CONTAINS N:2": false, "none CONTAINS S:x": false,
		"s NOT_CONTAINS S:dog": true, "s NOT_CONTAINS S:ell": false, "l NOT_CONTAINS N:2": true, "none NOT_CONTAINS S:x": false,
		"s BEGINS_WITH S:hel": true, "s BEGINS_WITH S:el": false, "n BEGINS_WITH S:5": false, "b BEGINS_WITH B:AQI=": true,
	} {
		scanned := r.must("Scan", `{"TableName":"notes","Select":"COUNT","ScanFilter":{`+legacyCondition(text)+`}}`)
		if held := strings.HasPrefix(scanned, `{"Count":1`); held != want {
			t.Errorf("ScanFilter %s is %t", text, held)
		}
		queried := r.must("Query", `{"TableName":"notes","Select":"COUNT","KeyConditions":{`+legacyCondition("pk EQ S:a")+`},"QueryFilter":{`+legacyCondition(text)+`}}`)
		if held := strings.HasPrefix(queried, `{"Count":1`); held != want {
			t.Errorf("QueryFilter %s is %t", text, held)
		}
		a := r.send(admin, "DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"Expected":{`+legacyCondition(text)+`,"pk":{"Value":{"S":"a"}}}}`)
		if held := a.status == 200; held != want || !held && a.kind() != "ConditionalCheckFailedException" {
			t.Errorf("Expected %s: %d %s", text, a.status, a.body)
		}
		r.must("PutItem", legacyItem)
	}
}

func TestD1_LegacyConditionsAreJoinedByTheirOperator(t *testing.T) {
	r := newRegion(t).tables()
	r.must("PutItem", legacyItem)
	for more, want := range map[string]string{
		`"n":{"Value":{"N":"5"}},"s":{"Value":{"S":"no"}}`:                                                              "ConditionalCheckFailedException",
		`"n":{"Value":{"N":"5"}},"s":{"Value":{"S":"hello"},"Exists":true},"q":{"Exists":false}`:                        "",
		`"n":{"Value":{"N":"5"}},"n2":{"ComparisonOperator":"EQ","Value":{"S":"no"}}},"ConditionalOperator":"OR","x":{`: "",
		`"n":{"Value":{"N":"6"}},"s":{"Exists":false}},"ConditionalOperator":"OR","x":{`:                                "ConditionalCheckFailedException",
		`"n":{"Value":{"N":"5"}},"s":{"Exists":false}},"ConditionalOperator":"AND","x":{`:                               "ConditionalCheckFailedException",
	} {
		a := r.send(admin, "PutItem", strings.TrimSuffix(legacyItem, "}")+`,"Expected":{`+more+`}}`)
		if a.kind() != want {
			t.Errorf("%s: %d %s", more, a.status, a.body)
		}
	}
	r.expect("Scan", `{"TableName":"notes","ScanFilter":{`+legacyCondition("n EQ N:1")+`,`+legacyCondition("s EQ S:hello")+`},"ConditionalOperator":"OR","AttributesToGet":["n","none"]}`,
		`{"Items":[{"n":{"N":"5"}}],"Count":1,"ScannedCount":1}`)
}

func TestD1_AttributeUpdatesChangeItems(t *testing.T) {
	r := newRegion(t).tables()
	key := `"TableName":"notes","Key":{"pk":{"S":"a"}}`
	update := func(updates, returns string) string {
		return `{` + key + `,"AttributeUpdates":{` + updates + `},"ReturnValues":"` + returns + `"}`
	}
	r.expect("UpdateItem", update(`"gone":{"Action":"DELETE"},"set":{"Action":"DELETE","Value":{"SS":["a"]}}`, "ALL_NEW"), `{}`)
	r.expect("GetItem", `{`+key+`}`, `{}`)
	r.expect("UpdateItem", update(`"n":{"Action":"ADD","Value":{"N":"2"}},"ss":{"Action":"ADD","Value":{"SS":["b","a"]}},"l":{"Action":"ADD","Value":{"L":[{"S":"x"}]}},"s":{"Value":{"S":"t"}}`, "ALL_NEW"),
		`{"Attributes":{"l":{"L":[{"S":"x"}]},"n":{"N":"2"},"pk":{"S":"a"},"s":{"S":"t"},"ss":{"SS":["a","b"]}}}`)
	r.expect("UpdateItem", update(`"n":{"Action":"ADD","Value":{"N":"-0.5"}},"ss":{"Action":"ADD","Value":{"SS":["b","c"]}},"l":{"Action":"ADD","Value":{"L":[{"N":"1"}]}}`, "UPDATED_NEW"),
		`{"Attributes":{"l":{"L":[{"S":"x"},{"N":"1"}]},"n":{"N":"1.5"},"ss":{"SS":["a","b","c"]}}}`)
	r.expect("UpdateItem", update(`"ss":{"Action":"DELETE","Value":{"SS":["a","zz"]}},"l":{"Action":"DELETE"},"n":{"Action":"PUT","Value":{"NULL":true}}`, "UPDATED_OLD"),
		`{"Attributes":{"l":{"L":[{"S":"x"},{"N":"1"}]},"n":{"N":"1.5"},"ss":{"SS":["a","b","c"]}}}`)
	r.expect("UpdateItem", update(`"ss":{"Action":"DELETE","Value":{"SS":["b","c"]}},"a.b":{"Value":{"S":"dots are no paths"}}`, "ALL_NEW"),
		`{"Attributes":{"a.b":{"S":"dots are no paths"},"n":{"NULL":true},"pk":{"S":"a"},"s":{"S":"t"}}}`)
	r.expect("UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"new"}},"AttributeUpdates":{},"ReturnValues":"ALL_NEW"}`, `{"Attributes":{"pk":{"S":"new"}}}`)

	one := "One or more parameter values were invalid: "
	for updates, words := range map[string]string{
		`"a":{"Action":"PUT"}`: one + "Only DELETE action is allowed when no attribute value is specified",
		`"a":{}`:               one + "Only DELETE action is allowed when no attribute value is specified",
		`"a":{"Action":"DELETE","Value":{"N":"1"}}`:                one + "DELETE action with value is not supported for the type N",
		`"a":{"Action":"ADD","Value":{"S":"1"}}`:                   one + "ADD action is not supported for the type S",
		`"a":{"Action":"ADD","Value":{"M":{}}}`:                    one + "ADD action is not supported for the type M",
		`"pk":{"Value":{"S":"b"}}`:                                 one + "Cannot update attribute pk. This attribute is part of the key",
		`"s":{"Action":"ADD","Value":{"N":"1"}}`:                   "Type mismatch for attribute to update",
		`"s":{"Action":"DELETE","Value":{"SS":["1"]}}`:             "Type mismatch for attribute to update",
		`"a":{"Action":"put","Value":{"N":"1"}}`:                   "1 validation error detected: Value 'put' at 'attributeUpdates.a.member.action' failed to satisfy constraint: Member must satisfy enum value set: [ADD, DELETE, PUT]",
		`"a":{"Value":{"N":"x"}}`:                                  "The parameter cannot be converted to a numeric value: x",
		`"a":{"Action":"ADD","Value":{"N":"9e126"}}`:               "Number overflow. Attempting to store a number with magnitude larger than supported range",
		`"":{"Value":{"N":"1"}}`:                                   "Empty attribute name",
		`"` + strings.Repeat("a", 65536) + `":{"Value":{"N":"1"}}`: "Attribute name is too large, must be less than 65536 bytes",
	} {
		r.refuse("UpdateItem", update(updates, "NONE"), "ValidationException", words)
	}
	r.refuse("UpdateItem", update(`"a":5`, "NONE"), "SerializationException", "Unexpected value type in payload")
	r.refuse("UpdateItem", update(`"a":{"Value":{"S":5}}`, "NONE"), "SerializationException", "NUMBER_VALUE cannot be converted to String")
}

func TestD1_KeyConditionsSelectItems(t *testing.T) {
	r := newRegion(t).tables()
	r.fill("1", "2", "3", "4", "5")
	for text, want := range map[string]string{
		"": "1 2 3 4 5", "sk EQ N:3": "3", "sk LT N:3": "1 2", "sk LE N:3": "1 2 3", "sk GT N:3": "4 5", "sk GE N:3.0": "3 4 5", "sk BETWEEN N:2 N:4": "2 3 4",
	} {
		more := ""
		if text != "" {
			more = "," + legacyCondition(text)
		}
		if got, _ := r.find("Query", `{"TableName":"events","KeyConditions":{`+legacyCondition("pk EQ S:p")+more+`}}`); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	query := func(more string) string { return `{"TableName":"events","KeyConditions":{` + more + `}}` }
	pk := legacyCondition("pk EQ S:p")
	for body, words := range map[string]string{
		query(""): "Conditions can be of length 1 or 2 only",
		query(pk + "," + legacyCondition("sk EQ N:1") + "," + legacyCondition("a EQ N:1")): "Conditions can be of length 1 or 2 only",
		query(legacyCondition("sk EQ N:1")):                                                "Query condition missed key schema element: pk",
		query(pk + "," + legacyCondition("a EQ N:1")):                                      "Query condition missed key schema element: sk",
		query(legacyCondition("pk NULL")):                                                  "Attempted conditional constraint is not an indexable operation",
		query(legacyCondition("pk CONTAINS S:x")):                                          "Attempted conditional constraint is not an indexable operation",
		query(pk + "," + legacyCondition("sk NE N:1")):                                     "Attempted conditional constraint is not an indexable operation",
		query(legacyCondition("pk GT S:p")):                                                "Query key condition not supported",
		query(legacyCondition("pk EQ N:1")):                                                "One or more parameter values were invalid: Condition parameter type does not match schema type",
		query(pk + "," + legacyCondition("sk BEGINS_WITH N:1")):                            "One or more parameter values were invalid: ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
		query(`"pk":{}`): "Value null at 'keyConditions.pk.member.comparisonOperator' failed to satisfy constraint: Member must not be null",
		query(`"pk":{"ComparisonOperator":"LIKE"}`):                                                                "Value 'LIKE' at 'keyConditions.pk.member.comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]",
		`{"TableName":"events","ConditionalOperator":"AND"}`:                                                       "ConditionalOperator cannot be used without Filter or Expected",
		`{"TableName":"events","KeyConditions":{` + pk + `},"QueryFilter":{` + legacyCondition("sk EQ N:1") + `}}`: "QueryFilter can only contain non-primary key attributes: Primary key attribute: sk",
	} {
		r.refuse("Query", body, "ValidationException", words)
	}
	// KeyConditions go with expressions.
	r.expect("Query", `{"TableName":"events","KeyConditions":{`+pk+`},"FilterExpression":"sk2 = :a OR i = :a","ExpressionAttributeValues":{":a":{"N":"7"}},"Select":"COUNT"}`, `{"Count":0,"ScannedCount":5}`)
}

func TestD1_LegacyConditionsAreCheckedAsAWSDoes(t *testing.T) {
	r := newRegion(t).tables()
	one := "One or more parameter values were invalid: "
	for text, words := range map[string]string{
		"a EQ":              one + "Invalid number of argument(s) for the EQ ComparisonOperator",
		"a EQ N:1 N:2":      one + "Invalid number of argument(s) for the EQ ComparisonOperator",
		"a NULL N:1":        one + "Invalid number of argument(s) for the NULL ComparisonOperator",
		"a IN":              one + "Invalid number of argument(s) for the IN ComparisonOperator",
		"a BETWEEN N:1":     one + "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
		"a IN N:1 S:1":      one + "AttributeValues inside AttributeValueList must be of same type",
		"a LT SS:[\"a\"]":   one + "ComparisonOperator LT is not valid for SS AttributeValue type",
		"a GE BOOL:true":    one + "ComparisonOperator GE is not valid for BOOL AttributeValue type",
		"a CONTAINS L:[]":   one + "ComparisonOperator CONTAINS is not valid for L AttributeValue type",
		"a BEGINS_WITH N:1": one + "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
		"a BETWEEN N:2 N:1": "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
		"a EQ N:b":          "The parameter cannot be converted to a numeric value: b",
		"a EQ SS:[]":        one + "An string set  may not be empty",
	} {
		r.refuse("Scan", `{"TableName":"notes","ScanFilter":{`+legacyCondition(text)+`}}`, "ValidationException", words)
		r.refuse("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"Expected":{`+legacyCondition(text)+`}}`, "ValidationException", words)
	}
	for condition, words := range map[string]string{
		`{"Value":{"N":"1"},"AttributeValueList":[]}`:        one + "Value and AttributeValueList cannot be used together for Attribute: a",
		`{"Exists":true,"ComparisonOperator":"NULL"}`:        one + "Exists and ComparisonOperator cannot be used together for Attribute: a",
		`{"ComparisonOperator":"EQ"}`:                        one + "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a",
		`{"AttributeValueList":[]}`:                          one + "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
		`{}`:                                                 one + "Value must be provided when Exists is null for Attribute: a",
		`{"Exists":true}`:                                    one + "Value must be provided when Exists is true for Attribute: a",
		`{"Exists":false,"Value":{"N":"1"}}`:                 one + "Value cannot be used when Exists is false for Attribute: a",
		`{"Value":{}}`:                                       "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
		`{"ComparisonOperator":"eq","Value":{"N":"1"}}`:      "Value 'eq' at 'expected.a.member.comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set:",
		`{"ComparisonOperator":"BETWEEN","Value":{"N":"1"}}`: one + "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
	} {
		r.refuse("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"}},"Expected":{"a":`+condition+`}}`, "ValidationException", words)
	}
	for _, c := range []struct{ operation, body, words string }{
		{"PutItem", `"Item":{"pk":{"S":"a"}},"ConditionalOperator":"AND"`, "ConditionalOperator cannot be used without Filter or Expected"},
		{"PutItem", `"Item":{"pk":{"S":"a"}},"ConditionalOperator":"AND","Expected":{"a":{"Exists":false}}`, "ConditionalOperator can only be used when Filter or Expected has two or more elements"},
		{"PutItem", `"Item":{"pk":{"S":"a"}},"ConditionalOperator":"XOR"`, "Value 'XOR' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]"},
		{"Scan", `"ConditionalOperator":"OR","ScanFilter":{}`, "ConditionalOperator cannot be used without Filter or Expected"},
		{"Scan", `"AttributesToGet":[]`, "Value '[]' at 'attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"GetItem", `"Key":{"pk":{"S":"a"}},"AttributesToGet":["a","b","a"]`, one + "Duplicate value in attribute name: a"},
		{"Scan", `"AttributesToGet":["a"],"Select":"COUNT"`, "Cannot specify the AttributesToGet when choosing to get only the Count"},
	} {
		r.refuse(c.operation, `{"TableName":"notes",`+c.body+`}`, "ValidationException", c.words)
	}
}

func TestD1_LegacyParametersAndExpressionsDoNotMix(t *testing.T) {
	r := newRegion(t).tables()
	for _, c := range []struct{ operation, body, old, new string }{
		{"GetItem", `"Key":{"pk":{"S":"a"}},"AttributesToGet":["a"],"ProjectionExpression":"a"`, "AttributesToGet", "ProjectionExpression"},
		{"PutItem", `"Item":{"pk":{"S":"a"}},"Expected":{},"ConditionalOperator":"AND","ConditionExpression":"a = b"`, "Expected, ConditionalOperator", "ConditionExpression"},
		{"DeleteItem", `"Key":{"pk":{"S":"a"}},"Expected":{},"ConditionExpression":"a = b"`, "Expected", "ConditionExpression"},
		{"UpdateItem", `"Key":{"pk":{"S":"a"}},"Expected":{},"AttributeUpdates":{},"ConditionExpression":"a = b","UpdateExpression":"REMOVE a"`, "AttributeUpdates, Expected", "UpdateExpression, ConditionExpression"},
		{"Query", `"KeyConditions":{},"QueryFilter":{},"FilterExpression":"a = b"`, "QueryFilter", "FilterExpression"},
		{
			"Query", `"KeyConditions":{},"QueryFilter":{},"AttributesToGet":["a"],"ConditionalOperator":"OR","FilterExpression":"a = b","ProjectionExpression":"a","KeyConditionExpression":"a"`,
			"AttributesToGet, QueryFilter, ConditionalOperator, KeyConditions", "ProjectionExpression, FilterExpression, KeyConditionExpression",
		},
		{"Scan", `"ScanFilter":{},"ProjectionExpression":"a"`, "ScanFilter", "ProjectionExpression"},
	} {
		r.refuse(c.operation, `{"TableName":"notes",`+c.body+`}`, "ValidationException",
			"Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {"+c.old+"} Expression parameters: {"+c.new+"}")
	}
	r.refuse("BatchGetItem", `{"RequestItems":{"notes":{"Keys":[{"pk":{"S":"a"}}],"AttributesToGet":["a"],"ProjectionExpression":"a"}}}`, "ValidationException", "Non-expression parameters: {AttributesToGet}")
	r.must("PutItem", legacyItem)
	r.expect("BatchGetItem", `{"RequestItems":{"notes":{"Keys":[{"pk":{"S":"a"}}],"AttributesToGet":["s","pk"]}}}`, `{"Responses":{"notes":[{"pk":{"S":"a"},"s":{"S":"hello"}}]},"UnprocessedKeys":{}}`)
	r.expect("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"AttributesToGet":["n"]}`, `{"Item":{"n":{"N":"5"}}}`)
}
