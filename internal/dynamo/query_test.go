package dynamo_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// fill puts events with the sort keys under one partition key, plus one in each
// neighbouring partition.
func (r *region) fill(sorts ...string) {
	r.t.Helper()
	for i, sk := range sorts {
		r.must("PutItem", fmt.Sprintf(`{"TableName":"events","Item":{"pk":{"S":"p"},"sk":{"N":%q},"i":{"N":"%d"}}}`, sk, i))
	}
	for _, pk := range []string{"o", "p\u0000", "pp", "q"} {
		b, _ := json.Marshal(pk)
		r.must("PutItem", fmt.Sprintf(`{"TableName":"events","Item":{"pk":{"S":%s},"sk":{"N":"1"}}}`, b))
	}
}

// found is the answer of a Query or Scan, by its sort keys.
type found struct {
	Items []struct {
		PK struct{ S string }
		SK struct{ N string }
	}
	Count, ScannedCount int
	LastEvaluatedKey    json.RawMessage
	NextToken           string
}

func (r *region) find(operation, body string) (string, found) {
	r.t.Helper()
	var f found
	if err := json.Unmarshal([]byte(r.must(operation, body)), &f); err != nil {
		r.t.Fatal(err)
	}
	var sorts []string
	for _, it := range f.Items {
		sorts = append(sorts, it.SK.N)
	}
	return strings.Join(sorts, " "), f
}

func TestQueriesFollowTheirKeyCondition(t *testing.T) {
	r := newRegion(t).tables()
	r.fill("-10.5", "-10", "-1", "0", "0.5", "2", "10", "100")
	values := `"ExpressionAttributeValues":{":p":{"S":"p"}`
	for _, c := range []struct{ condition, values, want string }{
		{"pk = :p", "", "-10.5 -10 -1 0 0.5 2 10 100"},
		{"pk = :p AND sk = :a", `,":a":{"N":"2.0"}`, "2"},
		{"pk = :p AND sk < :a", `,":a":{"N":"0"}`, "-10.5 -10 -1"},
		{"pk = :p AND sk <= :a", `,":a":{"N":"0"}`, "-10.5 -10 -1 0"},
		{"pk = :p AND :a < sk", `,":a":{"N":"2"}`, "10 100"},
		{"sk >= :a AND pk = :p", `,":a":{"N":"2"}`, "2 10 100"},
		{"pk = :p AND sk BETWEEN :a AND :b", `,":a":{"N":"-10"},":b":{"N":"0.5"}`, "-10 -1 0 0.5"},
		{"pk = :p AND sk > :a", `,":a":{"N":"100"}`, ""},
	} {
		request := `{"TableName":"events","KeyConditionExpression":"` + c.condition + `",` + values + c.values + `}`
		if got, _ := r.find("Query", request+`}`); got != c.want {
			t.Errorf("%s: got %s, want %s", c.condition, got, c.want)
		}
		back := strings.Fields(c.want)
		slices.Reverse(back)
		if got, _ := r.find("Query", request+`,"ScanIndexForward":false}`); got != strings.Join(back, " ") {
			t.Errorf("%s backwards: got %s, want %s", c.condition, got, back)
		}
	}
}

func TestStringSortKeysBeginWithAndCompareByByte(t *testing.T) {
	r := newRegion(t)
	r.must("CreateTable", `{"TableName":"files","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"N"},{"AttributeName":"sk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],"BillingMode":"PAY_PER_REQUEST"}`)
	for _, sk := range []string{"a", "a/1", "a/10", "a/2", "a0", "b", "ÿ"} {
		r.must("PutItem", `{"TableName":"files","Item":{"pk":{"N":"1"},"sk":{"S":"`+sk+`"}}}`)
	}
	got := r.must("Query", `{"TableName":"files","KeyConditionExpression":"pk = :p AND begins_with(sk, :s)","ExpressionAttributeValues":{":p":{"N":"1.0"},":s":{"S":"a/"}},"ProjectionExpression":"sk"}`)
	if want := `{"Items":[{"sk":{"S":"a/1"}},{"sk":{"S":"a/10"}},{"sk":{"S":"a/2"}}],"Count":3,"ScannedCount":3}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got = r.must("Query", `{"TableName":"files","KeyConditionExpression":"pk = :p AND sk > :s","ExpressionAttributeValues":{":p":{"N":"1"},":s":{"S":"a/2"}},"Select":"COUNT"}`)
	if want := `{"Count":3,"ScannedCount":3}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPagesEndAtTheLastItemLookedAt(t *testing.T) {
	r := newRegion(t).tables()
	r.fill("1", "2", "3", "4", "5")
	base := `{"TableName":"events","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"p"},":i":{"N":"1"}},"FilterExpression":"i <> :i","Limit":2`
	got, f := r.find("Query", base+`}`)
	if got != "1" || f.Count != 1 || f.ScannedCount != 2 || string(f.LastEvaluatedKey) != `{"pk":{"S":"p"},"sk":{"N":"2"}}` {
		t.Errorf("first page %s %+v", got, f)
	}
	for _, c := range []struct{ more, want string }{
		{"", "3 4"}, {`,"ScanIndexForward":false`, "1"},
	} {
		if got, _ := r.find("Query", base+c.more+`,"ExclusiveStartKey":`+string(f.LastEvaluatedKey)+`}`); got != c.want {
			t.Errorf("page after %s%s: %s, want %s", f.LastEvaluatedKey, c.more, got, c.want)
		}
	}
	// A start key need not exist.
	if got, f := r.find("Query", base+`,"ExclusiveStartKey":{"pk":{"S":"p"},"sk":{"N":"3.5"}}}`); got != "4 5" || f.LastEvaluatedKey == nil {
		t.Errorf("got %s %s", got, f.LastEvaluatedKey)
	}
	if got, f := r.find("Query", base+`,"ExclusiveStartKey":{"pk":{"S":"p"},"sk":{"N":"4"}}}`); got != "5" || f.LastEvaluatedKey != nil {
		t.Errorf("got %s %s", got, f.LastEvaluatedKey)
	}
}

func TestPagesHoldOneMegabyte(t *testing.T) {
	r := newRegion(t).tables()
	for i := range 30 {
		r.must("PutItem", fmt.Sprintf(`{"TableName":"events","Item":{"pk":{"S":"p"},"sk":{"N":"%d"},"x":{"S":%q}}}`, i, strings.Repeat("x", 100_000)))
	}
	var got, pages int
	paginator := dynamodb.NewQueryPaginator(r.sdk(admin), &dynamodb.QueryInput{
		TableName: aws.String("events"), KeyConditionExpression: aws.String("pk = :p"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: "p"}},
	})
	for paginator.HasMorePages() {
		page, err := paginator.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if pages++; pages == 1 && page.Count != 11 {
			t.Errorf("the first page has %d items of 100 KB", page.Count)
		}
		got += int(page.Count)
	}
	if got != 30 || pages != 3 {
		t.Errorf("%d items on %d pages", got, pages)
	}
}

func TestScansSeeEverythingOnce(t *testing.T) {
	r := newRegion(t).tables()
	var want []string
	for i := range 200 {
		pk := fmt.Sprintf("k%03d", i)
		want = append(want, pk)
		r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"`+pk+`"},"even":{"BOOL":`+fmt.Sprint(i%2 == 0)+`}}}`)
	}
	for _, segments := range []int{1, 3, 7} {
		var got []string
		for segment := range segments {
			paginator := dynamodb.NewScanPaginator(r.sdk(function), &dynamodb.ScanInput{
				TableName: aws.String("notes"), Limit: aws.Int32(9), Segment: aws.Int32(int32(segment)), TotalSegments: aws.Int32(int32(segments)),
			})
			for paginator.HasMorePages() {
				page, err := paginator.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, it := range page.Items {
					got = append(got, it["pk"].(*types.AttributeValueMemberS).Value)
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%d segments: %d items: %v", segments, len(got), got)
		}
	}
	out := r.must("Scan", `{"TableName":"notes","FilterExpression":"even = :t","ExpressionAttributeValues":{":t":{"BOOL":true}},"Select":"COUNT","ReturnConsumedCapacity":"TOTAL"}`)
	if out != `{"Count":100,"ScannedCount":200,"ConsumedCapacity":{"TableName":"notes","CapacityUnits":0.5}}` {
		t.Errorf("got %s", out)
	}
}

func TestBadQueriesAreRefusedInAWSsWords(t *testing.T) {
	r := newRegion(t).tables()
	query := func(condition, values, more string) string {
		return `{"TableName":"events","KeyConditionExpression":"` + condition + `","ExpressionAttributeValues":{` + values + `}` + more + `}`
	}
	p, n := `":p":{"S":"p"}`, `":p":{"S":"p"},":n":{"N":"1"}`
	for _, c := range []struct{ operation, body, words string }{
		{"Query", `{"TableName":"events"}`, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."},
		{"Query", query("sk = :n", `":n":{"N":"1"}`, ""), "Query condition missed key schema element: pk"},
		{"Query", query("pk = :p AND x = :n", n, ""), "Query condition missed key schema element: sk"},
		{"Query", query("pk > :p", p, ""), "Query key condition not supported"},
		{"Query", query("pk = :p", `":p":{"N":"1"}`, ""), "One or more parameter values were invalid: Condition parameter type does not match schema type"},
		{"Query", query("pk = :p OR sk = :n", n, ""), "Invalid operator used in KeyConditionExpression: OR"},
		{"Query", query("pk = :p AND begins_with(sk, :n)", n, ""), "operand type: N"},
		{"Query", query("pk = :p", n, `,"FilterExpression":"sk = :n"`), "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"},
		{"Query", query("pk = :p", p, `,"Limit":0`), "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"Query", query("pk = :p", p, `,"IndexName":"none"`), "The table does not have the specified index: none"},
		{"Query", query("color = :p", p, `,"IndexName":"colors","ConsistentRead":true`), "Consistent reads are not supported on global secondary indexes"},
		{"Query", query("color = :p", p, `,"IndexName":"colors","Select":"ALL_ATTRIBUTES"`), "Select type ALL_ATTRIBUTES is not supported for global secondary index colors because its projection type is not ALL"},
		{"Query", query("pk = :p", p, `,"Select":"ALL_PROJECTED_ATTRIBUTES"`), "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"},
		{"Query", query("pk = :p", p, `,"Select":"COUNT","ProjectionExpression":"a"`), "Cannot specify the ProjectionExpression when choosing to get only the Count"},
		{"Query", query("pk = :p", p, `,"ExclusiveStartKey":{"pk":{"S":"p"}}`), "The provided starting key is invalid"},
		{"Query", query("pk = :p", p, `,"ExclusiveStartKey":{"pk":{"S":"q"},"sk":{"N":"1"}}`), "The provided starting key is outside query boundaries based on provided conditions"},
		{"Query", query("pk = :p AND sk > :n", n, `,"ExclusiveStartKey":{"pk":{"S":"p"},"sk":{"N":"1"}}`), "The provided starting key does not match the range key predicate"},
		{"Scan", `{"TableName":"events","Segment":1}`, "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"},
		{"Scan", `{"TableName":"events","TotalSegments":1}`, "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"},
		{"Scan", `{"TableName":"events","TotalSegments":2,"Segment":2}`, "Segment: 2 is not less than TotalSegments: 2"},
		{"Scan", `{"TableName":"events","Select":"SPECIFIC_ATTRIBUTES"}`, "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"},
		{"Scan", `{"TableName":"events","ExclusiveStartKey":{"pk":{"S":"p"},"sk":{"S":"1"}}}`, "The provided starting key is invalid"},
	} {
		r.refuse(c.operation, c.body, "ValidationException", c.words)
	}
}

func TestBatches(t *testing.T) {
	r := newRegion(t).tables()
	r.expect("BatchWriteItem", `{"RequestItems":{"notes":[{"PutRequest":{"Item":{"pk":{"S":"a"},"x":{"N":"1"}}}},{"PutRequest":{"Item":{"pk":{"S":"b"}}}}],
		"events":[{"PutRequest":{"Item":{"pk":{"S":"p"},"sk":{"N":"1"}}}}]},"ReturnConsumedCapacity":"TOTAL"}`,
		`{"UnprocessedItems":{},"ConsumedCapacity":[{"TableName":"notes","CapacityUnits":2.0},{"TableName":"events","CapacityUnits":1.0}]}`)
	r.expect("BatchGetItem", `{"RequestItems":{"notes":{"Keys":[{"pk":{"S":"a"}},{"pk":{"S":"none"}},{"pk":{"S":"b"}}],"ProjectionExpression":"x"},"events":{"Keys":[{"pk":{"S":"p"},"sk":{"N":"1"}}],"ConsistentRead":true}},"ReturnConsumedCapacity":"TOTAL"}`,
		`{"Responses":{"notes":[{"x":{"N":"1"}},{}],"events":[{"pk":{"S":"p"},"sk":{"N":"1"}}]},"UnprocessedKeys":{},"ConsumedCapacity":[{"TableName":"notes","CapacityUnits":1.5},{"TableName":"events","CapacityUnits":1.0}]}`)
	r.expect("BatchWriteItem", `{"RequestItems":{"notes":[{"DeleteRequest":{"Key":{"pk":{"S":"a"}}}}]}}`, `{"UnprocessedItems":{}}`)
	r.expect("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}}}`, `{}`)

	many := func(n int, each string) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(each, i))
		}
		return strings.Join(list, ",")
	}
	v := "ValidationException"
	r.refuse("BatchWriteItem", `{"RequestItems":{"notes":[`+many(26, `{"DeleteRequest":{"Key":{"pk":{"S":"%d"}}}}`)+`]}}`, v, "at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]")
	r.refuse("BatchWriteItem", `{"RequestItems":{"notes":[`+many(20, `{"DeleteRequest":{"Key":{"pk":{"S":"%d"}}}}`)+`],"events":[`+many(6, `{"DeleteRequest":{"Key":{"pk":{"S":"%d"}}}}`)+`]}}`, v, "Too many items requested for the BatchWriteItem call")
	r.refuse("BatchWriteItem", `{"RequestItems":{"notes":[]}}`, v, "Member must have length greater than or equal to 1")
	r.refuse("BatchWriteItem", `{"RequestItems":{}}`, v, "at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	r.refuse("BatchWriteItem", `{"RequestItems":{"notes":[{}]}}`, v, "Supplied AttributeValue has more than one datatypes set")
	r.refuse("BatchWriteItem", `{"RequestItems":{"notes":[{"DeleteRequest":{"Key":{"pk":{"S":"a"}}}},{"PutRequest":{"Item":{"pk":{"S":"a"}}}}]}}`, v, "Provided list of item keys contains duplicates")
	r.refuse("BatchWriteItem", `{"RequestItems":{"none":[{"DeleteRequest":{"Key":{"pk":{"S":"a"}}}}]}}`, "ResourceNotFoundException", "Requested resource not found")
	r.refuse("BatchGetItem", `{"RequestItems":{"notes":{"Keys":[`+many(101, `{"pk":{"S":"%d"}}`)+`]}}}`, v, "at 'requestItems.notes.member.keys' failed to satisfy constraint: Member must have length less than or equal to 100")
	r.refuse("BatchGetItem", `{"RequestItems":{"notes":{"Keys":[`+many(60, `{"pk":{"S":"%d"}}`)+`]},"events":{"Keys":[`+many(41, `{"pk":{"S":"%d"}}`)+`]}}}`, v, "Too many items requested for the BatchGetItem call")
	r.refuse("BatchGetItem", `{"RequestItems":{"notes":{"Keys":[{"pk":{"S":"a"}},{"pk":{"S":"a"}}]}}}`, v, "Provided list of item keys contains duplicates")
	r.refuse("BatchGetItem", `{"RequestItems":{"n":{"Keys":[]}}}`, v, "Map keys must satisfy constraint")
	r.refuse("BatchGetItem", `{"RequestItems":{"notes":{"Keys":[]}}}`, v, "at 'requestItems.notes.member.keys'")
}

func TestBatchGetStopsAtSixteenMegabytes(t *testing.T) {
	r := newRegion(t).tables()
	keys := []map[string]types.AttributeValue{}
	for i := range 60 {
		pk := fmt.Sprint("k", i)
		r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"`+pk+`"},"x":{"S":"`+strings.Repeat("x", 380<<10)+`"}}}`)
		keys = append(keys, map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}})
	}
	request := map[string]types.KeysAndAttributes{"notes": {Keys: keys, ProjectionExpression: aws.String("#p"), ExpressionAttributeNames: map[string]string{"#p": "pk"}, ConsistentRead: aws.Bool(true)}}
	got, rounds := 0, 0
	for len(request) > 0 {
		out, err := r.sdk(admin).BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: request})
		if err != nil {
			t.Fatal(err)
		}
		got += len(out.Responses["notes"])
		request = out.UnprocessedKeys
		rounds++
	}
	if got != 60 || rounds != 2 {
		t.Errorf("%d items in %d rounds", got, rounds)
	}
}
