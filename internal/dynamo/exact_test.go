package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestD1_WrongFormsAreReportedBeforeAnythingElse(t *testing.T) {
	r := newRegion(t).tables()
	for _, c := range []struct{ operation, body, words string }{
		{"GetItem", `{"Key":{"pk":{"S":5}}}`, "NUMBER_VALUE cannot be converted to String"},
		{"GetItem", `{"TableName":"none","Key":{"a":{"N":"x"},"b":{"N":5.5}}}`, "DECIMAL_VALUE cannot be converted to String"},
		{"GetItem", `{"TableName":"n!","Key":{"pk":{"S":"a"}},"ConsistentRead":5}`, "NUMBER_VALUE cannot be converted to Boolean"},
		{"PutItem", `{"TableName":"notes","Item":{"x":{"SS":["a","a"]},"y":{"L":[{"M":{"k":[]}}]}}}`, "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a","N":"x","BS":[5]}}}`, "only base-64-encoded strings are convertible to bytes"},
		{"UpdateItem", `{"TableName":"notes","Key":{},"UpdateExpression":"SET","ExpressionAttributeValues":{":v":{"SS":"a"}}}`, "Unexpected field type"},
		{"UpdateItem", `{"TableName":"notes","Key":{},"AttributeUpdates":[]}`, "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValueUpdate>"},
		{"UpdateItem", `{"TableName":"notes","Key":{},"AttributeUpdates":{"a":{"Value":5}}}`, "Unexpected field type"},
		{"Query", `{"TableName":"none","Limit":"5"}`, "STRING_VALUE cannot be converted to Integer"},
		{"Query", `{"TableName":"none","Limit":true}`, "TRUE_VALUE cannot be converted to Integer"},
		{"Scan", `{"ScanFilter":{"a":{"AttributeValueList":{}}}}`, "Start of structure or map found where not expected"},
		{"Scan", `{"AttributesToGet":["a",5]}`, "NUMBER_VALUE cannot be converted to String"},
		{"Scan", `{"ExpressionAttributeNames":{"#a":false}}`, "FALSE_VALUE cannot be converted to String"},
		{"Scan", `{"ExclusiveStartKey":{"pk":"a"}}`, "Unexpected value type in payload"},
	} {
		r.refuse(c.operation, c.body, "SerializationException", c.words)
	}
}

func TestD1_MistakesAreFoundInAWSsOrder(t *testing.T) {
	r := newRegion(t).tables()
	large := `{"S":"` + strings.Repeat("x", 400<<10) + `"}`
	mixed := `"Expected":{},"ConditionExpression":"a ="`
	for _, c := range []struct{ operation, body, words string }{
		{"PutItem", `{"TableName":"n","Item":{"x":{"N":"x"}},` + mixed + `}`, "Member must have length greater than or equal to 3"},
		{"PutItem", `{"TableName":"none","Item":{"x":{"N":"x"}},` + mixed + `}`, "Can not use both expression and non-expression parameters"},
		{"PutItem", `{"TableName":"none","Item":{"x":{"N":"x"}},"ReturnValues":"ALL_NEW"}`, "cannot be converted to a numeric value"},
		{"PutItem", `{"TableName":"none","Item":{"x":` + large + `},"ReturnValues":"ALL_NEW"}`, "ReturnValues can only be ALL_OLD or NONE"},
		{"PutItem", `{"TableName":"none","Item":{"x":` + large + `},"ConditionExpression":"a ="}`, "Item size has exceeded the maximum allowed size"},
		{"PutItem", `{"TableName":"none","Item":{"x":{"N":"1"}},"ConditionExpression":"a ="}`, "Invalid ConditionExpression: Syntax error"},
		{"DeleteItem", `{"TableName":"none","Key":{},"ReturnValues":"ALL_NEW","ConditionExpression":"a ="}`, "Invalid ConditionExpression: Syntax error"},
		{"DeleteItem", `{"TableName":"none","Key":{},"ReturnValues":"ALL_NEW"}`, "ReturnValues can only be ALL_OLD or NONE"},
		{"UpdateItem", `{"TableName":"notes","Key":{"x":{"S":"a"}},"UpdateExpression":"REMOVE pk"}`, "The provided key element does not match the schema"},
		{"UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"UpdateExpression":"REMOVE pk.a"}`, "Cannot update attribute pk. This attribute is part of the key"},
		{"UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"UpdateExpression":"ADD color :n","ConditionExpression":"attribute_exists(pk)","ExpressionAttributeValues":{":n":{"N":"1"}}}`, "Type mismatch for Index Key color Expected: S Actual: N IndexName: by-color"},
		{"UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"UpdateExpression":"SET extra = :n, color = if_not_exists(color, sk)","ExpressionAttributeValues":{":n":{"N":"1"}}}`, "The update expression attempted to update the secondary index key to unsupported type"},
		{"Query", `{"TableName":"none","ExclusiveStartKey":{"pk":{}}}`, "The provided starting key is invalid: Supplied AttributeValue is empty"},
		{"Query", `{"TableName":"none","ExclusiveStartKey":{"pk":{"N":"x"}}}`, "The parameter cannot be converted to a numeric value: x"},
		{"Query", `{"TableName":"events","KeyConditionExpression":"a = :a AND b = :a AND c = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}`, "Conditions can be of length 1 or 2 only"},
		{"Query", `{"TableName":"none","Select":"COUNT","ProjectionExpression":"a","KeyConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}`, "1 validation error detected: Cannot specify the ProjectionExpression when choosing to get only the Count"},
		{"Query", `{"TableName":"events","IndexName":"colors","ProjectionExpression":"extra, else1","KeyConditionExpression":"color = :a","ExpressionAttributeValues":{":a":{"S":"a"}}}`, "One or more parameter values were invalid: Global secondary index colors does not project [else1]"},
	} {
		r.refuse(c.operation, c.body, "ValidationException", c.words)
	}
}

func TestD1_RemovingFromNothingMakesNothing(t *testing.T) {
	r := newRegion(t).tables()
	key := `"TableName":"notes","Key":{"pk":{"S":"a"}}`
	r.expect("UpdateItem", `{`+key+`,"UpdateExpression":"REMOVE x"}`, `{}`)
	r.refuse("UpdateItem", `{`+key+`,"UpdateExpression":"REMOVE x.y"}`, "ValidationException", "The document path provided in the update expression is invalid for update")
	r.expect("GetItem", `{`+key+`}`, `{}`)
}

func TestD1_LimitsEndPagesEvenAtTheLastItem(t *testing.T) {
	r := newRegion(t).tables()
	r.fill("1", "2", "3")
	base := `{"TableName":"events","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"p"}}`
	for limit, last := range map[int]string{2: `{"pk":{"S":"p"},"sk":{"N":"2"}}`, 3: `{"pk":{"S":"p"},"sk":{"N":"3"}}`, 4: ""} {
		if _, f := r.find("Query", fmt.Sprintf(`%s,"Limit":%d}`, base, limit)); string(f.LastEvaluatedKey) != last {
			t.Errorf("Limit %d ends at %s, want %s", limit, f.LastEvaluatedKey, last)
		}
	}
	if got, f := r.find("Query", base+`,"Limit":2,"ExclusiveStartKey":{"pk":{"S":"p"},"sk":{"N":"3"}}}`); got != "" || f.LastEvaluatedKey != nil {
		t.Errorf("behind the last item: %s %s", got, f.LastEvaluatedKey)
	}
}

func TestD1_StartKeysBelongToTheirSegment(t *testing.T) {
	r := newRegion(t).tables()
	r.fill("1")
	for i := range 8 {
		r.must("PutItem", fmt.Sprintf(`{"TableName":"events","Item":{"pk":{"S":"k%d"},"sk":{"N":"1"},"color":{"S":"c%d"}}}`, i, i))
	}
	for _, index := range []string{"", `,"IndexName":"colors"`} {
		_, f := r.find("Scan", `{"TableName":"events","Segment":0,"TotalSegments":2,"Limit":1`+index+`}`)
		r.must("Scan", `{"TableName":"events","Segment":0,"TotalSegments":2,"ExclusiveStartKey":`+string(f.LastEvaluatedKey)+index+`}`)
		r.refuse("Scan", `{"TableName":"events","Segment":1,"TotalSegments":2,"ExclusiveStartKey":`+string(f.LastEvaluatedKey)+index+`}`, "ValidationException",
			"The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: 2 Segment: 1")
	}
}
