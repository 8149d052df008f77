package dynamo_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/kv/memkv"
)

// shards are the shards' ids, each with its parent.
func shards(d *streamtypes.StreamDescription) (ids, parents []string) {
	for _, s := range d.Shards {
		parent := ""
		if s.ParentShardId != nil {
			parent = *s.ParentShardId
		}
		ids, parents = append(ids, *s.ShardId), append(parents, parent)
	}
	return ids, parents
}

// D1: each start of a region is a new shard, the child of the one before, whose
// range is closed: a consumer goes on from one to the next.
func TestD1_StreamShardsOverRestarts(t *testing.T) {
	s := newStreaming(t)
	arn := s.create("NEW_AND_OLD_IMAGES")
	s.put("a", "1")
	first, _ := shards(s.describe(arn))
	held, err := s.iterator(arn, first[0], streamtypes.ShardIteratorTypeLatest, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.put("a", "2")
	s.restart(t, s.engine)
	s.restart(t, s.engine)
	s.put("a", "3")
	d := s.describe(arn)
	ids, parents := shards(d)
	if len(ids) != 3 || ids[0] != first[0] || !cmp.Equal(parents, []string{"", ids[0], ids[1]}) {
		t.Fatalf("shards %v, parents %v", ids, parents)
	}
	for i, shard := range d.Shards {
		r := shard.SequenceNumberRange
		if (r.EndingSequenceNumber == nil) != (i == 2) || i < 2 && *r.EndingSequenceNumber >= *d.Shards[i+1].SequenceNumberRange.StartingSequenceNumber {
			t.Errorf("shard %d has the range %v", i, r)
		}
	}
	if got, next := s.read(held); !cmp.Equal(told(got), []string{"MODIFY a: 1>2"}) || next != nil {
		t.Errorf("the closed shard has %v, and goes on with %v", told(got), next)
	}
	children, err := s.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{
		StreamArn: &arn, ShardFilter: &streamtypes.ShardFilter{ShardId: &ids[0], Type: streamtypes.ShardFilterTypeChildShards},
	})
	if got, _ := shards(children.StreamDescription); err != nil || !cmp.Equal(got, ids[1:2]) {
		t.Errorf("children %v, %v", got, err)
	}
	page, err := s.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &arn, ExclusiveStartShardId: &ids[0], Limit: aws.Int32(1)})
	if got, _ := shards(page.StreamDescription); err != nil || !cmp.Equal(got, ids[1:2]) || *page.StreamDescription.LastEvaluatedShardId != ids[1] {
		t.Errorf("the page behind the first has %v, %v", got, err)
	}
	if got := told(s.all(arn)); !cmp.Equal(got, []string{"INSERT a: ->1", "MODIFY a: 1>2", "MODIFY a: 2>3"}) {
		t.Errorf("all shards have %v", got)
	}
	s.ahead.Store(int64(25 * time.Hour))
	s.collect()
	s.ahead.Store(int64(50 * time.Hour))
	s.collect()
	var later struct {
		StreamDescription struct{ Shards []struct{ ShardId string } }
	}
	decode(t, s.must("DynamoDBStreams_20120810.DescribeStream", fmt.Sprintf(`{"StreamArn":%q}`, arn)), &later)
	if list := later.StreamDescription.Shards; len(list) != 1 || list[0].ShardId != ids[2] {
		t.Errorf("after two days there are %v", list)
	}
}

// D1, DATA 5: a directory that was restored from a copy has other shards; who had
// read more than the copy has is told so, and reads the new ones.
func TestD1_StreamsOfARestoredDirectory(t *testing.T) {
	s := newStreaming(t)
	arn := s.create("NEW_IMAGE")
	s.put("a", "1")
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	backup := s.engine
	s.open(t, backup.Reopen(memkv.Config{}), s.catalog)
	s.put("a", "lost")
	lost, _ := shards(s.describe(arn))
	ahead, err := s.iterator(arn, lost[1], streamtypes.ShardIteratorTypeLatest, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	s.open(t, backup.Reopen(memkv.Config{}), s.catalog)
	s.put("a", "again")
	now, parents := shards(s.describe(arn))
	if now[0] != lost[0] || now[1] == lost[1] || parents[1] != now[0] {
		t.Errorf("shards %v, before %v", now, lost)
	}
	s.ask("GetRecords", fmt.Sprintf(`{"ShardIterator":%q}`, ahead), "TrimmedDataAccessException")
	if got := told(s.all(arn)); !cmp.Equal(got, []string{"INSERT a: ->1", "MODIFY a: ->again"}) {
		t.Errorf("got %v", got)
	}
}

// D1: iterators are good for 15 minutes, records for a day.
func TestD1_StreamIteratorsAndRecordsGrowOld(t *testing.T) {
	s := newStreaming(t)
	arn := s.create("NEW_IMAGE")
	s.put("a", "1")
	records := s.all(arn)
	ids, _ := shards(s.describe(arn))
	old, err := s.iterator(arn, ids[0], streamtypes.ShardIteratorTypeTrimHorizon, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.ahead.Store(int64(16 * time.Minute))
	s.ask("GetRecords", fmt.Sprintf(`{"ShardIterator":%q}`, old), "ExpiredIteratorException")
	s.put("a", "2")
	s.ahead.Store(int64(24*time.Hour + 10*time.Minute))
	s.collect()
	ask := func(kind, more string) string {
		return fmt.Sprintf(`{"StreamArn":%q,"ShardId":%q,"ShardIteratorType":%q%s}`, arn, ids[0], kind, more)
	}
	sequence := fmt.Sprintf(`,"SequenceNumber":%q`, *records[0].Dynamodb.SequenceNumber)
	s.ask("GetShardIterator", ask("AT_SEQUENCE_NUMBER", sequence), "TrimmedDataAccessException")
	for _, body := range []string{
		ask("AFTER_SEQUENCE_NUMBER", sequence), ask("TRIM_HORIZON", ""),
		ask("AT_TIMESTAMP", fmt.Sprintf(`,"Timestamp":%d`, s.now().Add(-24*time.Hour).Unix())),
	} {
		var it struct{ ShardIterator string }
		decode(t, s.must("DynamoDBStreams_20120810.GetShardIterator", body), &it)
		var got struct{ Records []struct{ EventName string } }
		decode(t, s.must("DynamoDBStreams_20120810.GetRecords", fmt.Sprintf(`{"ShardIterator":%q}`, it.ShardIterator)), &got)
		if len(got.Records) != 1 {
			t.Errorf("%s: %d records", body, len(got.Records))
		}
	}
	for body, kind := range map[string]string{
		ask("AT_SEQUENCE_NUMBER", ""):                                            "ValidationException",
		ask("AT_SEQUENCE_NUMBER", `,"SequenceNumber":"123456789012345678901"`):   "ValidationException",
		ask("AT_TIMESTAMP", fmt.Sprintf(`,"Timestamp":%d`, s.now().Unix()+3600)): "ValidationException",
		ask("NEWEST", ""): "ValidationException",
		fmt.Sprintf(`{"StreamArn":%q,"ShardId":"shardId-00000000000000000000-00000000","ShardIteratorType":"LATEST"}`, arn): "ResourceNotFoundException",
		fmt.Sprintf(`{"StreamArn":%q,"ShardId":%q,"ShardIteratorType":"LATEST"}`, arn+"1", ids[0]):                          "ResourceNotFoundException",
	} {
		s.ask("GetShardIterator", body, kind)
	}
	s.ask("GetRecords", `{"ShardIterator":"what is this"}`, "ValidationException")
	s.ask("Scan", `{"TableName":"notes"}`, "UnknownOperationException")
}

// D2: streams are read by keys that may read the whole table.
func TestD2_StreamsNeedTheRightToRead(t *testing.T) {
	s := newStreaming(t)
	notes := s.create("KEYS_ONLY")
	s.must("CreateTable", `{"TableName":"secret","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],
		"BillingMode":"PAY_PER_REQUEST","StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}}`)
	secret := strings.Replace(notes, "/notes/", "/secret/", 1)
	for arn, want := range map[string]string{notes: "", secret: "AccessDeniedException"} {
		if a := s.send(function, "DynamoDBStreams_20120810.DescribeStream", fmt.Sprintf(`{"StreamArn":%q}`, arn)); a.kind() != want {
			t.Errorf("%s: %s", arn, a.body)
		}
	}
	if a := s.send(function, "DynamoDBStreams_20120810.ListStreams", `{}`); strings.Contains(a.body, "secret") || !strings.Contains(a.body, notes) {
		t.Errorf("the function sees %s", a.body)
	}
}
