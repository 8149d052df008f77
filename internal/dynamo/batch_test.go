package dynamo_test

import (
	"strings"
	"testing"
)

func TestD1_BatchesAreCheckedAsAWSDoes(t *testing.T) {
	r := newRegion(t).tables()
	v, s := "ValidationException", "SerializationException"
	constraint := "failed to satisfy constraint: "
	for _, c := range []struct{ operation, items, kind, words string }{
		{"BatchGetItem", `[]`, s, "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.KeysAndAttributes>"},
		{"BatchGetItem", `{"notes":5}`, s, "Unexpected value type in payload"},
		{"BatchGetItem", `{"notes":[]}`, s, "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.KeysAndAttributes"},
		{"BatchGetItem", `{"none":{"Keys":[{"pk":{"S":5}}]}}`, s, "NUMBER_VALUE cannot be converted to String"},
		{"BatchGetItem", `{}`, v, "1 validation error detected: Value '{}' at 'requestItems' " + constraint + "Member must have length greater than or equal to 1"},
		{"BatchGetItem", `{"notes":{}}`, v, "1 validation error detected: Value null at 'requestItems.notes.member.keys' " + constraint + "Member must not be null"},
		{"BatchGetItem", `{"n":{"Keys":[]}}`, v, "2 validation errors detected: Value '{n={Keys=[]}}' at 'requestItems' " + constraint + "Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or equal to 3, Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]; Value '[]' at 'requestItems.n.member.keys' " + constraint},
		{"BatchGetItem", `{"notes":{"Keys":[{"pk":{"S":"a"}}],"AttributesToGet":[]}}`, v, "Value '[]' at 'requestItems.notes.member.attributesToGet' " + constraint + "Member must have length greater than or equal to 1"},
		{"BatchGetItem", `{"notes":{"Keys":[{"pk":{"S":"a"}}],"AttributesToGet":["a","a"]}}`, v, "Duplicate value in attribute name: a"},
		{"BatchGetItem", `{"none":{"Keys":[{"pk":{"S":"a"}},{"pk":{"S":"a"}}]}}`, v, "Provided list of item keys contains duplicates"},
		{"BatchGetItem", `{"none":{"Keys":[{"pk":{"N":"x"}}]}}`, v, "cannot be converted to a numeric value: x"},
		{"BatchGetItem", `{"notes":{"Keys":[{"pk":{"N":"1"}}]}}`, v, "The provided key element does not match the schema"},
		{"BatchGetItem", `{"none":{"Keys":[{"pk":{"S":"a"}}],"AttributesToGet":["a"]},"events":{"Keys":[{"pk":{"S":"a"}}],"ProjectionExpression":"a"}}`, v, "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"},
		{"BatchWriteItem", `[]`, s, "Unrecognized collection type java.util.Map<java.lang.String, java.util.List<com.amazonaws.dynamodb.v20120810.WriteRequest>>"},
		{"BatchWriteItem", `{"notes":{}}`, s, "Start of structure or map found where not expected"},
		{"BatchWriteItem", `{"notes":[5]}`, s, "Unexpected value type in payload"},
		{"BatchWriteItem", `{"none":[{"PutRequest":{"Item":{"pk":{"B":"a"}}}}]}`, s, "Base64 encoded length is expected a multiple of 4 bytes but found: 1"},
		{"BatchWriteItem", `{"notes":[{"PutRequest":{}},{"DeleteRequest":{}}]}`, v, "2 validation errors detected: Value null at 'requestItems.notes.member.1.member.putRequest.item' " + constraint + "Member must not be null; Value null at 'requestItems.notes.member.2.member.deleteRequest.key' " + constraint + "Member must not be null"},
		{"BatchWriteItem", `{"none":[{}]}`, v, "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"},
		{"BatchWriteItem", `{"none":[{"PutRequest":{"Item":{"x":{"S":"` + strings.Repeat("x", 400<<10) + `"}}}}]}`, v, "Item size has exceeded the maximum allowed size"},
		{"BatchWriteItem", `{"notes":[{"PutRequest":{"Item":{}}}]}`, v, "The provided key element does not match the schema"},
		{"BatchWriteItem", `{"notes":[{"PutRequest":{"Item":{"pk":{"N":"1"}}}}]}`, v, "The provided key element does not match the schema"},
		{"BatchWriteItem", `{"notes":[{"PutRequest":{"Item":{"pk":{"S":"a"}}}},{"DeleteRequest":{"Key":{"pk":{"S":"a"}}}}]}`, v, "Provided list of item keys contains duplicates"},
	} {
		r.refuse(c.operation, `{"RequestItems":`+c.items+`}`, c.kind, c.words)
	}
}
