package dynamo_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// D1: a table is throttled only if it asks for it, and an SDK knows the error as
// one to try again.
func TestD1_ATableIsThrottledIfItAsksForIt(t *testing.T) {
	r := newRegion(t)
	var passed atomic.Int64 // seconds
	began := time.Now()
	r.now = func() time.Time { return began.Add(time.Duration(passed.Load()) * time.Second) }
	one := `,"ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1}`
	put := func(table string, i int) string {
		return fmt.Sprintf(`{"TableName":"%s","Item":{"pk":{"S":"%d"}}}`, table, i)
	}
	const burst = 300 // seconds
	r.must("CreateTable", creation("free", one))
	r.must("CreateTable", creation("tight", one+`,"Tags":[{"Key":"meridian:throttle","Value":"true"}]`))
	for i := range burst {
		r.must("PutItem", put("free", i))
		r.must("PutItem", put("tight", i))
	}
	r.must("PutItem", put("free", 0))
	kind, words := "ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
	r.refuse("PutItem", put("tight", 0), kind, words)
	r.refuse("BatchWriteItem", `{"RequestItems":{"tight":[{"DeleteRequest":{"Key":{"pk":{"S":"1"}}}}]}}`, kind, words)
	r.refuse("TransactWriteItems", `{"TransactItems":[{"Delete":{"TableName":"tight","Key":{"pk":{"S":"1"}}}}]}`, "TransactionCanceledException", "[ProvisionedThroughputExceeded]")
	r.must("GetItem", `{"TableName":"tight","Key":{"pk":{"S":"1"}}}`) // reads have their own

	_, err := r.sdk(admin).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("tight"), Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "1"}}})
	if exceeded := (*types.ProvisionedThroughputExceededException)(nil); !errors.As(err, &exceeded) {
		t.Errorf("error %v", err)
	}
	passed.Add(2)
	r.must("PutItem", put("tight", 0))
	r.must("BatchWriteItem", `{"RequestItems":{"tight":[{"PutRequest":{"Item":{"pk":{"S":"1"}}}},{"PutRequest":{"Item":{"pk":{"S":"2"}}}},{"PutRequest":{"Item":{"pk":{"S":"3"}}}}]}}`)
	passed.Add(1)
	r.refuse("UpdateItem", `{"TableName":"tight","Key":{"pk":{"S":"1"}}}`, kind, words) // still overdrawn
	passed.Add(2)
	r.must("PutItem", put("tight", 0)) // each item was charged once

	for range burst / 50 { // half a unit for each item
		r.must("BatchGetItem", `{"RequestItems":{"tight":{"Keys":[`+keys(100)+`]}}}`)
	}
	r.refuse("Scan", `{"TableName":"tight"}`, kind, words)
	r.refuse("Query", `{"TableName":"tight","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"1"}}}`, kind, words)
	r.expectEmpty("UntagResource", `{"ResourceArn":"arn:aws:dynamodb:eu-west-1:000000000000:table/tight","TagKeys":["meridian:throttle"]}`)
	r.must("Scan", `{"TableName":"tight"}`)
}

// keys are n keys of items.
func keys(n int) (list string) {
	for i := range n {
		list += fmt.Sprintf(`,{"pk":{"S":"%d"}}`, i)
	}
	return list[1:]
}

// D1: a table that is billed by request can be throttled at its bounds.
func TestD1_OnDemandBoundsAreThrottledIfTheTableAsksForIt(t *testing.T) {
	r := newRegion(t)
	r.must("CreateTable", creation("bound", byRequest+`,"OnDemandThroughput":{"MaxWriteRequestUnits":1},"Tags":[{"Key":"meridian:throttle","Value":"true"}]`))
	big := fmt.Sprintf(`{"TableName":"bound","Item":{"pk":{"S":"a"},"x":{"S":"%0307200d"}}}`, 0) // 301 units
	r.must("PutItem", big)
	r.refuse("PutItem", big, "ThrottlingException", "Throughput exceeds the maximum OnDemandThroughput configured on table or index")
	r.must("GetItem", `{"TableName":"bound","Key":{"pk":{"S":"a"}}}`) // they have no bound
}
