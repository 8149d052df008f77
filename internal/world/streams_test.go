package world

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/google/go-cmp/cmp"
)

// streams is a client of the streams of a region.
func (s stage) streams(t *testing.T, region string) *dynamodbstreams.Client {
	t.Helper()
	env, err := s.Region(region).Environment(t.Context(), region)
	if err != nil {
		t.Fatal(err)
	}
	return dynamodbstreams.New(dynamodbstreams.Options{
		BaseEndpoint: &env.TablesURL, Region: region, RetryMaxAttempts: 3,
		Credentials: credentials.NewStaticCredentialsProvider(env.AccessKeyID, env.SecretAccessKey, ""),
	})
}

// replay reads a table's stream in a region, shard by shard, onto an empty map.
// Each record begins where the one before of its item ended.
func (s stage) replay(t *testing.T, region, table string) map[string]string {
	t.Helper()
	client, ctx := s.streams(t, region), t.Context()
	listed, err := client.ListStreams(ctx, &dynamodbstreams.ListStreamsInput{TableName: &table})
	if err != nil || len(listed.Streams) != 1 {
		t.Fatalf("streams of %s in %s: %+v, %v", table, region, listed, err)
	}
	arn := listed.Streams[0].StreamArn
	described, err := client.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	items := map[string]string{}
	for _, shard := range described.StreamDescription.Shards {
		it, err := client.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
			StreamArn: arn, ShardId: shard.ShardId, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		for next, more := it.ShardIterator, true; next != nil && more; {
			out, err := client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: next})
			if err != nil {
				t.Fatal(err)
			}
			next, more = out.NextShardIterator, len(out.Records) > 0
			for _, r := range out.Records {
				pk := streamed(r.Dynamodb.Keys)
				if was := streamed(r.Dynamodb.OldImage); items[pk] != was {
					t.Errorf("%s, record %s: %s goes from %q, the one before went to %q", region, *r.Dynamodb.SequenceNumber, pk, was, items[pk])
				}
				if items[pk] = streamed(r.Dynamodb.NewImage); items[pk] == "" {
					delete(items, pk)
				}
			}
		}
	}
	return items
}

// streamed shows an image as show does an item.
func streamed(image map[string]streamtypes.AttributeValue) string {
	item := attributes{}
	for name, v := range image {
		item[name] = text(v.(*streamtypes.AttributeValueMemberS).Value)
	}
	return show(item)
}

// streamMakesUpTable writes in several regions to a table that begins in one, is
// given to the others, and whose last region loses power.
func (s stage) streamMakesUpTable(t *testing.T) {
	const table = "streamed"
	s.fill(t, us, table)
	spec := &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages}
	eventually(t, 40*time.Second, "the stream is enabled", func() bool { // not during an election
		if _, err := s.db[us].UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: aws.String(table), StreamSpecification: spec}); err != nil {
			t.Log(err)
		}
		out, err := s.db[us].DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(table)})
		return err == nil && out.Table.StreamSpecification != nil
	})
	s.addReplicas(t, table, us, eu, ap)
	for i := range 30 {
		for _, region := range all {
			if err := put(t.Context(), s.db[region], table, "pk", fmt.Sprint(i), "by", region); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.same(t, table, all...)
	stop(t, s.World, ap)
	for _, pk := range []string{"0", "299"} {
		if _, err := s.db[eu].DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(table), Key: attributes{"pk": text(pk)}}); err != nil {
			t.Fatal(err)
		}
	}
	start(t, s.World, ap)
	eventually(t, 40*time.Second, ap+" has the deletes", func() bool {
		items, err := scan(t.Context(), s.db[ap], table)
		return err == nil && len(items) == 298
	})
	items := s.same(t, table, all...)
	for _, region := range []string{eu, ap} { // which have streamed it from the beginning
		if d := cmp.Diff(s.replay(t, region, table), items); d != "" {
			t.Errorf("the stream of %s (-) is not the table (+):\n%s", region, d)
		}
	}
}
