package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
)

// one is a transaction of the actions.
func one(actions ...string) string {
	return `{"TransactItems":[` + strings.Join(actions, ",") + `]}`
}

const (
	putA    = `{"Put":{"TableName":"notes","Item":{"pk":{"S":"a"},"n":{"N":"1"}}}}`
	putNewA = `{"Put":{"TableName":"notes","Item":{"pk":{"S":"a"},"n":{"N":"9"}},"ConditionExpression":"attribute_not_exists(pk)","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}}`
	deleteB = `{"Delete":{"TableName":"notes","Key":{"pk":{"S":"b"}}}}`
	countC  = `{"Update":{"TableName":"notes","Key":{"pk":{"S":"c"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}}}}`
	checkD  = `{"ConditionCheck":{"TableName":"notes","Key":{"pk":{"S":"d"}},"ConditionExpression":"attribute_not_exists(pk)"}}`
	checkF  = `{"ConditionCheck":{"TableName":"notes","Key":{"pk":{"S":"f"}},"ConditionExpression":"attribute_exists(pk)"}}`
	eventE  = `{"Put":{"TableName":"events","Item":{"pk":{"S":"e"},"sk":{"N":"1"},"color":{"S":"red"},"weight":{"N":"1"}}}}`
	emptied = "One or more parameter values are not valid. The update expression attempted to update a secondary index key to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value."
	getA    = `{"Get":{"TableName":"notes","Key":{"pk":{"S":"a"}}}}`
	getC    = `{"Get":{"TableName":"notes","Key":{"pk":{"S":"c"}},"ProjectionExpression":"n"}}`
	getE    = `{"Get":{"TableName":"events","Key":{"pk":{"S":"e"},"sk":{"N":"1"}},"ProjectionExpression":"#c","ExpressionAttributeNames":{"#c":"color"}}}`
)

func TestD1_TransactionsDoAllOrNothing(t *testing.T) {
	r := newRegion(t).tables()
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"b"}}}`)
	r.expect("TransactWriteItems", one(putA, deleteB, countC, checkD, eventE), `{}`)
	const b = `{"Get":{"TableName":"notes","Key":{"pk":{"S":"b"}}}}`
	const absent = `{"Get":{"TableName":"notes","Key":{"pk":{"S":"x"}},"ProjectionExpression":"zzz"}}`
	want := `{"Responses":[{"Item":{"color":{"S":"red"}}},{"Item":{"n":{"N":"1"},"pk":{"S":"a"}}},{},{"Item":{"n":{"N":"1"}}},{}]}`
	r.expect("TransactGetItems", one(getE, getA, b, getC, absent), want)
	r.expect("Query", `{"TableName":"events","IndexName":"by-color","KeyConditionExpression":"color = :c","ExpressionAttributeValues":{":c":{"S":"red"}},"Select":"COUNT"}`, `{"Count":1,"ScannedCount":1}`)

	a := r.send(admin, "TransactWriteItems", one(countC, putNewA, checkD, checkF))
	want = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"None"},` +
		`{"Code":"ConditionalCheckFailed","Item":{"n":{"N":"1"},"pk":{"S":"a"}},"Message":"The conditional request failed"},{"Code":"None"},` +
		`{"Code":"ConditionalCheckFailed","Message":"The conditional request failed"}],` +
		`"Message":"Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, None, ConditionalCheckFailed]"}`
	if a.status != 400 || a.body != want {
		t.Errorf("a condition that does not hold\n got %d %s\nwant %s", a.status, a.body, want)
	}
	r.expect("TransactGetItems", one(getA, getC), `{"Responses":[{"Item":{"n":{"N":"1"},"pk":{"S":"a"}}},{"Item":{"n":{"N":"1"}}}]}`)
}

// What is wrong is said as AWS says it: of the request as a whole, or of actions.
func TestD1_TransactionsAreRefusedLikeByAWS(t *testing.T) {
	r := newRegion(t).tables()
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"txt":{"S":"x"}}}`)
	const validation, cancelled = "ValidationException", "TransactionCanceledException"
	put := func(item string) string { return `{"Put":{"TableName":"notes","Item":` + item + `}}` }
	event := func(more string) string {
		return `{"Put":{"TableName":"events","Item":{"pk":{"S":"e"},"sk":{"N":"1"},` + more + `}}}`
	}
	update := func(key, expression string) string {
		return `{"Update":{"TableName":"notes","Key":` + key + `,"UpdateExpression":"` + expression + `","ExpressionAttributeValues":{":v":{"N":"1"}}}}`
	}
	many := make([]string, 101)
	for i := range many {
		many[i] = put(fmt.Sprintf(`{"pk":{"S":"many-%d"}}`, i))
	}
	large := put(`{"pk":{"S":"large"},"text":{"S":"` + strings.Repeat("x", 400<<10) + `"}}`)
	for _, c := range []struct{ body, kind, words string }{
		{`{}`, validation, "1 validation error detected: Value null at 'transactItems' failed to satisfy constraint: Member must not be null"},
		{one(), validation, "Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{one(many...), validation, "at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100"},
		{`{"TransactItems":{}}`, "SerializationException", ""},
		{one(`7`), "SerializationException", ""},
		{one(`{"Put":[]}`), "SerializationException", ""},
		{one(`{}`), validation, "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"},
		{one(putA[:len(putA)-1] + `,` + deleteB[1:]), validation, "TransactItems can only contain one of Check, Put, Update or Delete"},
		{one(putA, `{"Update":{"TableName":"bad!name","Key":{"pk":{"S":"b"}},"UpdateExpression":"REMOVE a"}}`), validation, "1 validation error detected: Value 'bad!name' at 'transactItems.2.member.update.tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		{one(`{"Delete":{"TableName":"notes"}}`), validation, "Value null at 'transactItems.1.member.delete.key' failed to satisfy constraint: Member must not be null"},
		{one(`{"Update":{"TableName":"notes","Key":{"pk":{"S":"b"}}}}`), validation, "Value null at 'transactItems.1.member.update.updateExpression' failed"},
		{one(`{"ConditionCheck":{"TableName":"notes","Key":{"pk":{"S":"b"}}}}`), validation, "Value null at 'transactItems.1.member.conditionCheck.conditionExpression' failed"},
		{one(`{"Delete":{"TableName":"notes","Key":{"pk":{"S":"b"}},"ReturnValuesOnConditionCheckFailure":"ALL"}}`), validation, "Value 'ALL' at 'transactItems.1.member.delete.returnValuesOnConditionCheckFailure' failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, NONE]"},
		{`{"ClientRequestToken":"` + strings.Repeat("t", 37) + `","TransactItems":[` + putA + `]}`, validation, "at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to 36"},
		{one(putA, putA), validation, "Transaction request cannot include multiple operations on one item"},
		{one(putA, strings.Replace(putA, "notes", "nowhere", 1)), "ResourceNotFoundException", "Requested resource not found"},
		// An expression is looked at before any table.
		{one(strings.Replace(putA, "notes", "nowhere", 1), `{"ConditionCheck":{"TableName":"notes","Key":{"pk":{"S":"b"}},"ConditionExpression":"attribute_exists("}}`), validation, "Invalid ConditionExpression: Syntax error"},
		{one(update(`{"pk":{"S":"b"}}`, "SET a = a")), validation, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}"},
		// Empty keys are the request's mistake, keys of another form the action's.
		{one(put(`{"pk":{"S":""}}`)), validation, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
		{one(update(`{"pk":{"S":""}}`, "SET a = :v")), validation, "The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
		{one(event(`"color":{"S":""},"weight":{"N":"1"}`)), validation, "A value specified for a secondary index key is not supported."},
		{one(`{"Update":{"TableName":"events","Key":{"pk":{"S":"e"},"sk":{"N":"1"}},"UpdateExpression":"SET color = :v","ExpressionAttributeValues":{":v":{"S":""}}}}`), validation, emptied},
		{one(putA, put(`{"pk":{"N":"5"}}`)), cancelled, "[None, ValidationError]"},
		{one(putA, putA, put(`{"pk":{"N":"5"}}`)), cancelled, "[None, None, ValidationError]"},
		{one(event(`"color":{"N":"1"}`)), cancelled, "[ValidationError]"},
		{one(update(`{"other":{"S":"b"}}`, "SET a = :v")), cancelled, "[ValidationError]"},
		{one(update(`{"pk":{"S":"b"}}`, "SET pk = :v")), cancelled, "[ValidationError]"},
		{one(putA[:8]+strings.Replace(putA[8:], `"a"`, `"z"`, 1), update(`{"pk":{"S":"a"}}`, "ADD txt :v")), cancelled, "[None, ValidationError]"},
		{one(update(`{"pk":{"S":"a"}}`, "SET n = lacking + :v")), cancelled, "[ValidationError]"},
		{one(putA, large), validation, "Item size has exceeded the maximum allowed size"},
	} {
		r.refuse("TransactWriteItems", c.body, c.kind, c.words)
	}
	a := r.send(admin, "TransactWriteItems", one(put(`{"pk":{"N":"5"}}`)))
	if want := `[{"Code":"ValidationError","Message":"One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"}]`; !strings.Contains(a.body, want) {
		t.Errorf("a key of another type: %s, want %s", a.body, want)
	}
	for _, c := range []struct{ body, kind, words string }{
		{one(), validation, "Value '[]' at 'transactItems' failed"},
		{one(getA, `{}`), validation, "1 validation error detected: Value null at 'transactItems.2.member.get' failed to satisfy constraint: Member must not be null"},
		{one(strings.Replace(getA, "notes", "bad!name", 1)), validation, "Value 'bad!name' at 'transactItems.1.member.get.tableName' failed to satisfy constraint: Member must satisfy regular expression pattern"},
		{one(strings.Replace(getC, `"n"`, `"!!!"`, 1)), validation, `Invalid ProjectionExpression: Syntax error; token: "!", near: "!!"`},
		{one(strings.Replace(getA, "notes", "nowhere", 1)), "ResourceNotFoundException", "Requested resource not found"},
		{one(getA, `{"Get":{"TableName":"notes","Key":{}}}`), cancelled, "[None, ValidationError]"},
		{one(getA, getA), validation, "Transaction request cannot include multiple operations on one item"},
	} {
		r.refuse("TransactGetItems", c.body, c.kind, c.words)
	}
	r.expect("Scan", `{"TableName":"notes","Select":"COUNT"}`, `{"Count":1,"ScannedCount":1}`)
}

// 100 items of up to 4 MB in one transaction, and no more.
func TestD1_TransactionsAreBoundedInSize(t *testing.T) {
	r := newRegion(t).tables()
	text := strings.Repeat("x", 350<<10)
	var puts, gets []string
	for i := range 12 {
		puts = append(puts, fmt.Sprintf(`{"Put":{"TableName":"notes","Item":{"pk":{"S":"k%d"},"text":{"S":%q}}}}`, i, text))
		gets = append(gets, fmt.Sprintf(`{"Get":{"TableName":"notes","Key":{"pk":{"S":"k%d"}}}}`, i))
	}
	const tooMuch = "The aggregate size of the items in the transaction exceeded 4 MB"
	r.refuse("TransactWriteItems", one(puts...), "ValidationException", tooMuch)
	r.expect("TransactGetItems", one(gets[:2]...), `{"Responses":[{},{}]}`)
	r.must("TransactWriteItems", one(puts[:11]...))
	r.must("TransactWriteItems", one(puts[11]))
	r.refuse("TransactGetItems", one(gets...), "ValidationException", tooMuch)
	r.must("TransactGetItems", one(gets[:11]...))
	var hundred []string
	for i := range 100 {
		hundred = append(hundred, fmt.Sprintf(`{"Put":{"TableName":"events","Item":{"pk":{"S":"many"},"sk":{"N":"%d"}}}}`, i))
	}
	r.must("TransactWriteItems", one(hundred...))
	r.expect("Scan", `{"TableName":"events","Select":"COUNT"}`, `{"Count":100,"ScannedCount":100}`)
}

// A transaction costs twice what its actions do, by table.
func TestD1_TransactionsTellWhatTheyCost(t *testing.T) {
	r := newRegion(t).tables()
	asked := func(level, token string, actions ...string) string {
		return fmt.Sprintf(`{"ReturnConsumedCapacity":%q,"ClientRequestToken":%q,"TransactItems":[%s]}`, level, token, strings.Join(actions, ","))
	}
	all := []string{eventE, putA, checkD, countC}
	r.expect("TransactWriteItems", asked("TOTAL", "1", all...),
		`{"ConsumedCapacity":[{"TableName":"events","CapacityUnits":6.0,"WriteCapacityUnits":6.0},{"TableName":"notes","CapacityUnits":6.0,"WriteCapacityUnits":6.0}]}`)
	// Done again under its token it only reads.
	r.expect("TransactWriteItems", asked("INDEXES", "1", all...),
		`{"ConsumedCapacity":[{"TableName":"events","CapacityUnits":2.0,"ReadCapacityUnits":2.0,"Table":{"CapacityUnits":2.0,"ReadCapacityUnits":2.0}},`+
			`{"TableName":"notes","CapacityUnits":6.0,"ReadCapacityUnits":6.0,"Table":{"CapacityUnits":6.0,"ReadCapacityUnits":6.0}}]}`)
	r.expect("TransactWriteItems", asked("NONE", "1", all...), `{}`)
	r.expect("TransactGetItems", asked("TOTAL", "", getC),
		`{"Responses":[{"Item":{"n":{"N":"1"}}}],"ConsumedCapacity":[{"TableName":"notes","CapacityUnits":2.0,"ReadCapacityUnits":2.0}]}`)
}
