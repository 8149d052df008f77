package dynamo_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func TestItemsThroughTheAWSSDK(t *testing.T) {
	r := newRegion(t).tables()
	db := r.sdk(function)
	ctx := t.Context()
	it := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "1"}, "n": &types.AttributeValueMemberN{Value: "1.50"},
		"b": &types.AttributeValueMemberB{Value: []byte{0, 1, 255}}, "t": &types.AttributeValueMemberBOOL{Value: true}, "z": &types.AttributeValueMemberNULL{Value: true},
		"l":  &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberS{Value: "é\"\n"}}},
		"m":  &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"k": &types.AttributeValueMemberSS{Value: []string{"b", "a"}}}},
		"bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}, {0}}},
	}
	if _, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("notes"), Item: it}); err != nil {
		t.Fatal(err)
	}
	key := map[string]types.AttributeValue{"pk": it["pk"]}
	got, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("notes"), Key: key, ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
	if err != nil {
		t.Fatal(err)
	}
	if n := got.Item["n"].(*types.AttributeValueMemberN).Value; n != "1.5" || len(got.Item) != len(it) {
		t.Errorf("got %v", got.Item)
	}
	if units := aws.ToFloat64(got.ConsumedCapacity.CapacityUnits); units != 1 {
		t.Errorf("a consistent read costs %v", units)
	}
	_, err = db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String("notes"), Item: it, ConditionExpression: aws.String("attribute_not_exists(pk)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) || failed.ErrorMessage() != "The conditional request failed" || len(failed.Item) != len(it) {
		t.Errorf("got %v with %v", err, failed)
	}
	updated, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String("notes"), Key: key, UpdateExpression: aws.String("ADD n :n SET #l = list_append(#l, #l) REMOVE z"), ReturnValues: types.ReturnValueUpdatedNew,
		ExpressionAttributeNames:  map[string]string{"#l": "l"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: "0.5"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := updated.Attributes["n"].(*types.AttributeValueMemberN).Value; n != "2" || len(updated.Attributes) != 2 {
		t.Errorf("updated %v", updated.Attributes)
	}
	deleted, err := db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("notes"), Key: key, ReturnValues: types.ReturnValueAllOld})
	if err != nil || len(deleted.Attributes) != len(it)-1 {
		t.Errorf("deleted %v, %v", deleted, err)
	}
	if got, err := db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("notes"), Key: key}); err != nil || got.Item != nil {
		t.Errorf("after the delete: %v, %v", got, err)
	}
}

func TestWritesAnswerWhatWasAskedFor(t *testing.T) {
	r := newRegion(t).tables()
	r.expect("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"n":{"N":"1"}}}`, `{}`)
	r.expect("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"n":{"N":"2"}},"ReturnValues":"ALL_OLD"}`, `{"Attributes":{"n":{"N":"1"},"pk":{"S":"a"}}}`)
	r.expect("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"new"}},"ReturnValues":"ALL_OLD"}`, `{}`)
	update := `{"TableName":"notes","Key":{"pk":{"S":"a"}},"UpdateExpression":"SET n = n + :one, m = :m","ExpressionAttributeValues":{":one":{"N":"1"},":m":{"M":{"x":{"S":"y"}}}},"ReturnValues":%q}`
	r.expect("UpdateItem", fmt.Sprintf(update, "UPDATED_OLD"), `{"Attributes":{"n":{"N":"2"}}}`)
	r.expect("UpdateItem", fmt.Sprintf(update, "UPDATED_NEW"), `{"Attributes":{"m":{"M":{"x":{"S":"y"}}},"n":{"N":"4"}}}`)
	r.expect("UpdateItem", fmt.Sprintf(update, "ALL_OLD"), `{"Attributes":{"m":{"M":{"x":{"S":"y"}}},"n":{"N":"4"},"pk":{"S":"a"}}}`)
	r.expect("UpdateItem", fmt.Sprintf(update, "ALL_NEW"), `{"Attributes":{"m":{"M":{"x":{"S":"y"}}},"n":{"N":"6"},"pk":{"S":"a"}}}`)
	r.expect("UpdateItem", fmt.Sprintf(update, "NONE"), `{}`)
	r.expect("UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"upsert"}},"ReturnValues":"ALL_NEW"}`, `{"Attributes":{"pk":{"S":"upsert"}}}`)
	r.expect("UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"nothing"}},"UpdateExpression":"REMOVE a","ReturnValues":"ALL_NEW"}`, `{}`)
	r.expect("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"nothing"}}}`, `{}`)
	r.expect("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"upsert"}}}`, `{"Item":{"pk":{"S":"upsert"}}}`)
	r.expect("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"ProjectionExpression":"m.x, #n","ExpressionAttributeNames":{"#n":"n"}}`, `{"Item":{"m":{"M":{"x":{"S":"y"}}},"n":{"N":"7"}}}`)
	r.expect("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"gone"}},"ReturnValues":"ALL_OLD"}`, `{}`)
	r.expect("GetItem", `{"TableName":"arn:aws:dynamodb:eu-west-1:000000000000:table/notes","Key":{"pk":{"S":"new"}},"ReturnConsumedCapacity":"TOTAL"}`,
		`{"Item":{"pk":{"S":"new"}},"ConsumedCapacity":{"TableName":"notes","CapacityUnits":0.5}}`)
	r.expect("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"big"},"x":{"S":"`+strings.Repeat("x", 3000)+`"}},"ReturnConsumedCapacity":"INDEXES"}`,
		`{"ConsumedCapacity":{"TableName":"notes","CapacityUnits":3.0,"Table":{"CapacityUnits":3.0}}}`)
	r.expect("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"big"}},"ReturnConsumedCapacity":"TOTAL"}`, `{"ConsumedCapacity":{"TableName":"notes","CapacityUnits":3.0}}`)
}

func TestConditionsDecide(t *testing.T) {
	r := newRegion(t).tables()
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"n":{"N":"1"}}}`)
	failed := "ConditionalCheckFailedException"
	r.refuse("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"}},"ConditionExpression":"attribute_not_exists(pk)"}`, failed, "The conditional request failed")
	r.refuse("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"ConditionExpression":"n > :n","ExpressionAttributeValues":{":n":{"N":"1"}}}`, failed, "")
	r.refuse("UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"b"}},"UpdateExpression":"SET x = :n","ConditionExpression":"attribute_exists(pk)","ExpressionAttributeValues":{":n":{"N":"1"}}}`, failed, "")
	a := r.send(admin, "DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"ConditionExpression":"n = pk","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`)
	if want := `"Item":{"n":{"N":"1"},"pk":{"S":"a"}}}`; a.status != 400 || !strings.HasSuffix(a.body, want) {
		t.Errorf("got %s, want %s", a.body, want)
	}
	a = r.send(admin, "DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"none"}},"ConditionExpression":"n = pk","ReturnValuesOnConditionCheckFailure":"ALL_OLD"}`)
	if a.status != 400 || strings.Contains(a.body, "Item") {
		t.Errorf("got %s", a.body)
	}
	r.expect("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"ConditionExpression":"n = :n","ExpressionAttributeValues":{":n":{"N":"1.0"}}}`, `{}`)
}

// nestedLists is a value of lists in lists.
func nestedLists(levels int) string {
	return strings.Repeat(`{"L":[`, levels) + strings.Repeat(`]}`, levels)
}

func TestBadRequestsOnItemsAreRefusedInAWSsWords(t *testing.T) {
	r := newRegion(t).tables()
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"full"},"x":{"S":"`+strings.Repeat("x", 409000)+`"}}}`)
	validation, serialization := "ValidationException", "SerializationException"
	key := `"TableName":"notes","Key":{"pk":{"S":"a"}}`
	for _, c := range []struct{ operation, body, kind, words string }{
		{"GetItem", `{"TableName":`, serialization, "unexpected end"},
		{"GetItem", `[]`, serialization, ""},
		{"GetItem", `{"TableName":5}`, serialization, "NUMBER_VALUE cannot be converted to String"},
		{"GetItem", `{"TableName":"notes","Key":[]}`, serialization, ""},
		{"GetItem", `{"TableName":"notes","Key":{"pk":"a"}}`, serialization, "Unexpected value type in payload"},
		{"GetItem", `{}`, validation, "2 validation errors detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null; Value null at 'key' failed to satisfy constraint: Member must not be null"},
		{"GetItem", `{"TableName":"n!","Key":{}}`, validation, "2 validation errors detected: Value 'n!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value 'n!' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3"},
		{"GetItem", `{` + key + `,"ReturnConsumedCapacity":"hi"}`, validation, "1 validation error detected: Value 'hi' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"},
		{"GetItem", `{"TableName":"none","Key":{"pk":{"S":"a"}}}`, "ResourceNotFoundException", "Requested resource not found"},
		{"GetItem", `{"TableName":"notes","Key":{}}`, validation, "The provided key element does not match the schema"},
		{"GetItem", `{"TableName":"notes","Key":{"pk":{"N":"1"}}}`, validation, "The provided key element does not match the schema"},
		{"GetItem", `{"TableName":"notes","Key":{"pk":{"S":"a"},"x":{"S":"a"}}}`, validation, "The provided key element does not match the schema"},
		{"GetItem", `{"TableName":"notes","Key":{"pk":{"S":""}}}`, validation, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
		{"GetItem", `{"TableName":"notes","Key":{"pk":{"S":"` + strings.Repeat("k", 2049) + `"}}}`, validation, "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
		{"GetItem", `{` + key + `,"ProjectionExpression":"pk.x"}`, validation, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk"},
		{"GetItem", `{` + key + `,"ExpressionAttributeNames":{"#a":"b"}}`, validation, "ExpressionAttributeNames can only be specified when using expressions"},
		{"GetItem", `{` + key + `,"ProjectionExpression":"a","ExpressionAttributeNames":{"#a":"b"}}`, validation, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}"},
		{"GetItem", `{` + key + `,"ProjectionExpression":""}`, validation, "Invalid ProjectionExpression: The expression can not be empty;"},
		{"PutItem", `{"TableName":"notes","Item":{"x":{"S":"a"}}}`, validation, "One or more parameter values were invalid: Missing the key pk in the item"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"N":"1"}}}`, validation, "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":""}}}`, validation, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"x":{}}}`, validation, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"x":{"N":"b"}}}`, validation, "The parameter cannot be converted to a numeric value: b"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"x":{"S":"` + strings.Repeat("x", 400<<10) + `"}}}`, validation, "Item size has exceeded the maximum allowed size"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"x":` + nestedLists(33) + `}}`, validation, "Nesting Levels have exceeded supported limits"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"x":` + nestedLists(300) + `}}`, validation, "Nesting Levels have exceeded supported limits"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"},"x":` + nestedLists(1<<16) + `}}`, serialization, "nested too deeply"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"}},"ReturnValues":"ALL_NEW"}`, validation, "ReturnValues can only be ALL_OLD or NONE"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"}},"ExpressionAttributeValues":{":a":{"S":"b"}}}`, validation, "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"}},"ConditionExpression":"x = :a","ExpressionAttributeValues":{":a":{"N":"b"}}}`, validation, "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: b for key :a"},
		{"PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"}},"ConditionExpression":"name = x"}`, validation, "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: name"},
		{"PutItem", `{"TableName":"events","Item":{"pk":{"S":"a"},"sk":{"N":"1"},"color":{"N":"1"}}}`, validation, "One or more parameter values were invalid: Type mismatch for Index Key color Expected: S Actual: N IndexName: by-color"},
		{"PutItem", `{"TableName":"events","Item":{"pk":{"S":"a"},"sk":{"N":"1"},"color":{"S":""}}}`, validation, "A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-color, IndexKey: color"},
		{"UpdateItem", `{` + key + `,"UpdateExpression":"SET pk = :a","ExpressionAttributeValues":{":a":{"S":"b"}}}`, validation, "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"},
		{"UpdateItem", `{` + key + `,"UpdateExpression":"SET a = b"}`, validation, "The provided expression refers to an attribute that does not exist in the item"},
		{"UpdateItem", `{` + key + `,"ExpressionAttributeValues":{":a":{"S":"b"}}}`, validation, "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null"},
		{"UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"full"}},"UpdateExpression":"SET y = x"}`, validation, "Item size to update has exceeded the maximum allowed size"},
		{"UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"UpdateExpression":"SET color = :n","ExpressionAttributeValues":{":n":{"N":"1"}}}`, validation, "Type mismatch for Index Key color Expected: S Actual: N IndexName: by-color"},
		{"UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"UpdateExpression":"SET color = :e","ExpressionAttributeValues":{":e":{"S":""}}}`, validation, emptied},
		{"UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"UpdateExpression":"SET color = :e","ExpressionAttributeValues":{":e":{"S":"` + strings.Repeat("x", 2049) + `"}}}`, validation, "The update expression attempted to update the secondary index key beyond allowed size limits"},
		{"UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"a"},"sk":{"N":"1"}},"UpdateExpression":"SET color.x = :n","ExpressionAttributeValues":{":n":{"N":"1"}}}`, validation, "are not allowed: IndexKey: color"},
		{"DeleteItem", `{` + key + `,"ReturnValues":"ALL_NEW"}`, validation, "ReturnValues can only be ALL_OLD or NONE"},
		{"DeleteItem", `{"TableName":"events","Key":{"pk":{"S":"a"}}}`, validation, "The provided key element does not match the schema"},
		{"Nonsense", `{}`, "UnknownOperationException", ""},
	} {
		r.refuse(c.operation, c.body, c.kind, c.words)
	}
}

func TestUnknownKeysAreToldToRunEnv(t *testing.T) {
	r := newRegion(t).tables()
	other := admin
	other.ID = "AKIAFROMAWS"
	a := r.send(other, "ListTables", `{}`)
	want := "The security token included in the request is invalid. This endpoint is Meridian's, not AWS's: run `meridian env eu-west-1` and use the keys it prints."
	if a.status != 400 || a.kind() != "UnrecognizedClientException" || a.message() != want {
		t.Errorf("got %d %s", a.status, a.body)
	}
	wrong := admin
	wrong.Secret = "wrong"
	if a := r.send(wrong, "ListTables", `{}`); a.kind() != "InvalidSignatureException" {
		t.Errorf("got %s", a.body)
	}
	req, _ := http.NewRequest("POST", r.url, strings.NewReader("{}"))
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	if a := r.do(req); a.status != 400 || a.kind() != "MissingAuthenticationTokenException" {
		t.Errorf("got %d %s", a.status, a.body)
	}
	var gone *types.ResourceNotFoundException
	_, err := r.sdk(admin).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("none")})
	if !errors.As(err, &gone) || gone.ErrorMessage() != "Requested resource not found: Table: none not found" {
		t.Errorf("got %v", err)
	}
}

func TestFunctionsReachTheirTablesOnly(t *testing.T) {
	r := newRegion(t).tables()
	for operation, body := range map[string]string{
		"GetItem":        `{"TableName":"events","Key":{"pk":{"S":"a"},"sk":{"N":"1"}}}`,
		"PutItem":        `{"TableName":"events","Item":{"pk":{"S":"a"},"sk":{"N":"1"}}}`,
		"Scan":           `{"TableName":"events"}`,
		"DescribeTable":  `{"TableName":"events"}`,
		"BatchGetItem":   `{"RequestItems":{"events":{"Keys":[{"pk":{"S":"a"},"sk":{"N":"1"}}]}}}`,
		"BatchWriteItem": `{"RequestItems":{"events":[{"DeleteRequest":{"Key":{"pk":{"S":"a"},"sk":{"N":"1"}}}}]}}`,
		"DeleteTable":    `{"TableName":"notes"}`,
		"UpdateTable":    `{"TableName":"notes","ReplicaUpdates":[{"Create":{"RegionName":"us-east-1"}}]}`,
		"CreateTable":    `{"TableName":"more","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`,
	} {
		a := r.send(function, operation, body)
		if a.status != 400 || a.kind() != "AccessDeniedException" || !strings.Contains(a.message(), "user/api is not authorized to perform: dynamodb:"+operation+" on resource: arn:aws:dynamodb:eu-west-1:000000000000:table/") {
			t.Errorf("%s: %d %s", operation, a.status, a.body)
		}
	}
	if a := r.send(function, "ListTables", `{}`); a.body != `{"TableNames":["notes"]}` {
		t.Errorf("got %s", a.body)
	}
}

func TestAnswersCarryTheirIDAndChecksum(t *testing.T) {
	r := newRegion(t).tables()
	for _, a := range []answer{r.send(admin, "ListTables", `{}`), r.send(admin, "GetItem", `{}`)} {
		sum, _ := strconv.ParseUint(a.header.Get("X-Amz-Crc32"), 10, 32)
		if uint32(sum) != crc32.ChecksumIEEE([]byte(a.body)) {
			t.Errorf("checksum %d of %s", sum, a.body)
		}
		if a.header.Get("X-Amzn-Requestid") == "" || a.header.Get("Content-Type") != "application/x-amz-json-1.0" {
			t.Errorf("headers %v", a.header)
		}
	}
	req, _ := http.NewRequest("GET", r.url, nil)
	if a := r.do(req); a.status != 200 || !strings.HasPrefix(a.body, "healthy: dynamodb.eu-west-1 ") {
		t.Errorf("GET answers %d %s", a.status, a.body)
	}
	req, _ = http.NewRequest("PUT", r.url, nil)
	if a := r.do(req); a.status != 404 {
		t.Errorf("PUT answers %d", a.status)
	}
	req, _ = http.NewRequest("POST", r.url, strings.NewReader(strings.Repeat(" ", 16<<20+1)))
	if a := r.do(req); a.status != 413 {
		t.Errorf("17 MB answer %d", a.status)
	}
}
