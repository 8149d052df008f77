package dynamo_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/google/go-cmp/cmp"
)

// D1: the SDK for Go, with its waiters and paginators, as a team uses it on
// tables.
func TestD1_TheGoSDKOnTables(t *testing.T) {
	goCase(t, "tables are waited for until they are gone", goTableGone)
	goCase(t, "tables are listed by their paginator", goTableList)
	goCase(t, "an index is queried", goIndex)
	goCase(t, "times to live are set", goTimeToLive)
	goCase(t, "tags are added and removed", goTags)
	goCase(t, "a stream has every change", goStream)
	goCase(t, "errors are the SDK's own", goErrors)
}

func goTableGone(t *testing.T, c *goSDK) {
	name := c.made(t, "gone")
	must(c.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &name}))
	waiter := dynamodb.NewTableNotExistsWaiter(c, func(o *dynamodb.TableNotExistsWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, time.Second })
	if err := waiter.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
		t.Error(err)
	}
}

func goTableList(t *testing.T, c *goSDK) {
	var want, got []string
	for n := range 3 {
		want = append(want, c.made(t, fmt.Sprint("list-", n)))
	}
	pages := dynamodb.NewListTablesPaginator(c, &dynamodb.ListTablesInput{Limit: aws.Int32(2)})
	for pages.HasMorePages() {
		got = append(got, must(pages.NextPage(t.Context())).TableNames...)
	}
	if !slices.IsSorted(got) || !slices.Contains(got, want[0]) || !slices.Contains(got, want[2]) {
		t.Errorf("listed %v", got)
	}
}

func goIndex(t *testing.T, c *goSDK) {
	table := c.made(t, "index", func(in *dynamodb.CreateTableInput) {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("text"), AttributeType: types.ScalarAttributeTypeS})
		in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by-text"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
			KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("text"), KeyType: types.KeyTypeHash}},
		}}
	})
	for n := range 6 {
		c.put(t, table, note{PK: "a", SK: n, Text: fmt.Sprint("text ", n%2)})
	}
	built := must(expression.NewBuilder().WithKeyCondition(expression.Key("text").Equal(expression.Value("text 1"))).Build())
	out := must(c.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &table, IndexName: aws.String("by-text"), KeyConditionExpression: built.KeyCondition(),
		ExpressionAttributeNames: built.Names(), ExpressionAttributeValues: built.Values(), ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
	}))
	if out.Count != 3 || out.ConsumedCapacity.GlobalSecondaryIndexes["by-text"].CapacityUnits == nil {
		t.Errorf("found %d, for %+v", out.Count, out.ConsumedCapacity)
	}
	must(c.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &table, GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{
		{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: aws.String("by-text")}},
	}}))
}

func goTimeToLive(t *testing.T, c *goSDK) {
	table := c.made(t, "ttl")
	must(c.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{Enabled: aws.Bool(true), AttributeName: aws.String("due")},
	}))
	out := must(c.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &table}))
	if got := aws.ToString(out.TimeToLiveDescription.AttributeName); got != "due" {
		t.Errorf("by attribute %q", got)
	}
}

func goTags(t *testing.T, c *goSDK) {
	table := c.made(t, "tags")
	arn := must(c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})).Table.TableArn
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	must(c.TagResource(t.Context(), &dynamodb.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{tag("a", "1"), tag("b", "2")}}))
	must(c.UntagResource(t.Context(), &dynamodb.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}))
	out := must(c.ListTagsOfResource(t.Context(), &dynamodb.ListTagsOfResourceInput{ResourceArn: arn}))
	if len(out.Tags) != 1 || aws.ToString(out.Tags[0].Value) != "2" {
		t.Errorf("tags %v", out.Tags)
	}
}

func goStream(t *testing.T, c *goSDK) {
	table := c.made(t, "stream", func(in *dynamodb.CreateTableInput) {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage}
	})
	c.put(t, table, note{PK: "1"})
	c.put(t, table, note{PK: "1", Text: "new"})
	arn := must(c.streams.ListStreams(t.Context(), &dynamodbstreams.ListStreamsInput{TableName: &table})).Streams[0].StreamArn
	shards := must(c.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: arn})).StreamDescription.Shards
	at := must(c.streams.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
		StreamArn: arn, ShardId: shards[0].ShardId, ShardIteratorType: streams.ShardIteratorTypeTrimHorizon,
	})).ShardIterator
	var got []streams.OperationType
	for range 1000 { // a record may come a moment after its write was answered
		out := must(c.streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: at}))
		for _, r := range out.Records {
			got = append(got, r.EventName)
		}
		if at = out.NextShardIterator; len(got) >= 2 {
			break
		}
	}
	if diff := cmp.Diff(got, []streams.OperationType{streams.OperationTypeInsert, streams.OperationTypeModify}); diff != "" {
		t.Error(diff)
	}
}

func goErrors(t *testing.T, c *goSDK) {
	table := c.made(t, "errors")
	_, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("go-none"), Key: key("1", 0)})
	if missing := new(types.ResourceNotFoundException); !errors.As(err, &missing) {
		t.Errorf("without a table: %v", err)
	}
	_, err = c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	})
	if there := new(types.ResourceInUseException); !errors.As(err, &there) {
		t.Errorf("created twice: %v", err)
	}
}
