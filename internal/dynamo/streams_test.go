package dynamo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/store"
)

// streaming is a region whose clock tests move.
type streaming struct {
	*region
	engine  *memkv.Engine
	ahead   *atomic.Int64 // of the real clock, in ns
	streams *dynamodbstreams.Client
}

func newStreaming(t *testing.T) *streaming {
	t.Helper()
	s := &streaming{ahead: &atomic.Int64{}}
	s.open(t, memkv.New(memkv.Config{}), &catalog{})
	return s
}

// open starts the region over an engine, with the tables that it had.
func (s *streaming) open(t *testing.T, engine *memkv.Engine, c *catalog) {
	t.Helper()
	now := func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	st, err := store.Open(context.Background(), store.Config{
		Engine: engine, World: "test", RegionName: "eu-west-1", Region: 1, Wall: now, Observers: []store.Observer{dynamo.IndexObserver{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.store = st
	if err := c.adopt(); err != nil {
		t.Fatal(err)
	}
	s.engine = engine
	s.region = &region{t: t, store: st, catalog: c, keys: access.NewKeyring(admin, function), now: now}
	server := httptest.NewServer(dynamo.New(dynamo.Config{Store: st, Catalog: c, Keys: s.keys, Region: "eu-west-1", Now: now}))
	s.url, s.client = server.URL, server.Client()
	s.streams = dynamodbstreams.New(dynamodbstreams.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client(), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(admin.ID, admin.Secret, ""),
	})
	t.Cleanup(func() {
		server.Close()
		_ = st.Close() // a test may have closed it
	})
}

// restart closes the store and opens what it had made durable.
func (s *streaming) restart(t *testing.T, engine *memkv.Engine) {
	t.Helper()
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	s.open(t, engine.Reopen(memkv.Config{}), s.catalog)
}

func (s *streaming) collect() {
	s.t.Helper()
	if _, err := s.store.Collect(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// create makes the table notes with a stream.
func (s *streaming) create(view string) (arn string) {
	s.t.Helper()
	out, err := s.sdk(admin).CreateTable(s.t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("notes"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}},
		StreamSpecification:  &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(view)},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return *out.TableDescription.LatestStreamArn
}

func (s *streaming) describe(arn string) *streamtypes.StreamDescription {
	s.t.Helper()
	out, err := s.streams.DescribeStream(s.t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.StreamDescription
}

func (s *streaming) iterator(arn, shard string, kind streamtypes.ShardIteratorType, sequence *string) (string, error) {
	out, err := s.streams.GetShardIterator(s.t.Context(), &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &arn, ShardId: &shard, ShardIteratorType: kind, SequenceNumber: sequence,
	})
	if err != nil {
		return "", err
	}
	return *out.ShardIterator, nil
}

// read follows an iterator until there is nothing, or the shard is over.
func (s *streaming) read(iterator string) (records []streamtypes.Record, next *string) {
	s.t.Helper()
	for next = &iterator; ; {
		out, err := s.streams.GetRecords(s.t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: next, Limit: aws.Int32(2)})
		if err != nil {
			s.t.Fatal(err)
		}
		records, next = append(records, out.Records...), out.NextShardIterator
		if next == nil || len(out.Records) == 0 {
			return records, next
		}
	}
}

// all reads a whole stream, shard by shard.
func (s *streaming) all(arn string) (records []streamtypes.Record) {
	s.t.Helper()
	for _, shard := range s.describe(arn).Shards {
		it, err := s.iterator(arn, *shard.ShardId, streamtypes.ShardIteratorTypeTrimHorizon, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		more, _ := s.read(it)
		records = append(records, more...)
	}
	return records
}

func (s *streaming) put(pk, v string) {
	s.t.Helper()
	s.must("PutItem", fmt.Sprintf(`{"TableName":"notes","Item":{"pk":{"S":%q},"v":{"S":%q}}}`, pk, v))
}

// told are records in short.
func told(records []streamtypes.Record) (out []string) {
	text := func(image map[string]streamtypes.AttributeValue, name string) string {
		if v, ok := image[name].(*streamtypes.AttributeValueMemberS); ok {
			return v.Value
		}
		return "-"
	}
	for _, r := range records {
		by := ""
		if r.UserIdentity != nil {
			by = " by " + *r.UserIdentity.Type + " " + *r.UserIdentity.PrincipalId
		}
		out = append(out, fmt.Sprintf("%s %s: %s>%s%s", r.EventName, text(r.Dynamodb.Keys, "pk"), text(r.Dynamodb.OldImage, "v"), text(r.Dynamodb.NewImage, "v"), by))
	}
	return out
}

// D1: AWS's SDK reads a table's changes; a write that changes nothing is none.
func TestD1_StreamsWithTheSDK(t *testing.T) {
	s := newStreaming(t)
	arn := s.create("NEW_AND_OLD_IMAGES")
	s.put("a", "1")
	s.put("a", "1")
	s.put("a", "2")
	s.put("b", "1")
	s.must("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}}}`)
	s.must("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"none"}}}`)

	listed, err := s.streams.ListStreams(t.Context(), &dynamodbstreams.ListStreamsInput{TableName: aws.String("notes")})
	if err != nil || len(listed.Streams) != 1 || *listed.Streams[0].StreamArn != arn {
		t.Fatalf("%+v, %v; want %s", listed, err, arn)
	}
	d := s.describe(arn)
	if d.StreamStatus != "ENABLED" || *d.TableName != "notes" || !strings.HasSuffix(arn, "/stream/"+*d.StreamLabel) || len(d.Shards) != 1 || len(d.KeySchema) != 1 {
		t.Fatalf("got %+v", d)
	}
	shard := *d.Shards[0].ShardId
	latest, err := s.iterator(arn, shard, streamtypes.ShardIteratorTypeLatest, nil)
	if err != nil {
		t.Fatal(err)
	}
	records := s.all(arn)
	if d := cmp.Diff(told(records), []string{"INSERT a: ->1", "MODIFY a: 1>2", "INSERT b: ->1", "REMOVE a: 2>-"}); d != "" {
		t.Fatalf("got (-), want (+):\n%s", d)
	}
	seen := map[string]bool{}
	for i, r := range records {
		seen[*r.EventID] = true
		if *r.EventVersion != "1.1" || *r.EventSource != "aws:dynamodb" || *r.AwsRegion != "eu-west-1" || r.Dynamodb.StreamViewType != "NEW_AND_OLD_IMAGES" {
			t.Errorf("record %d: %+v", i, r)
		}
		if at := time.Since(*r.Dynamodb.ApproximateCreationDateTime); at < -time.Second || at > time.Hour {
			t.Errorf("record %d was made %v ago", i, at)
		}
		if n := *r.Dynamodb.SequenceNumber; len(n) < 21 || len(n) > 40 || i > 0 && n <= *records[i-1].Dynamodb.SequenceNumber {
			t.Errorf("sequence number %d is %s", i, n)
		}
	}
	if len(seen) != len(records) || *records[1].Dynamodb.SizeBytes != 3+2*(3+2) {
		t.Errorf("%d ids, %d bytes", len(seen), *records[1].Dynamodb.SizeBytes)
	}
	for kind, want := range map[streamtypes.ShardIteratorType]int{"AT_SEQUENCE_NUMBER": 3, "AFTER_SEQUENCE_NUMBER": 2} {
		it, err := s.iterator(arn, shard, kind, records[1].Dynamodb.SequenceNumber)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := s.read(it); len(got) != want {
			t.Errorf("%s: %v", kind, told(got))
		}
	}
	s.put("c", "1")
	if got, next := s.read(latest); len(got) != 1 || next == nil {
		t.Errorf("behind the latest there are %v", told(got))
	}
}

// D1: views show what they are named for.
func TestD1_StreamViews(t *testing.T) {
	for view, want := range map[string][]string{
		"KEYS_ONLY":          {"INSERT a: ->-", "MODIFY a: ->-", "REMOVE a: ->-"},
		"NEW_IMAGE":          {"INSERT a: ->1", "MODIFY a: ->2", "REMOVE a: ->-"},
		"OLD_IMAGE":          {"INSERT a: ->-", "MODIFY a: 1>-", "REMOVE a: 2>-"},
		"NEW_AND_OLD_IMAGES": {"INSERT a: ->1", "MODIFY a: 1>2", "REMOVE a: 2>-"},
	} {
		s := newStreaming(t)
		arn := s.create(view)
		s.put("a", "1")
		s.put("a", "2")
		s.must("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}}}`)
		if d := cmp.Diff(told(s.all(arn)), want); d != "" {
			t.Errorf("%s: got (-), want (+):\n%s", view, d)
		}
	}
}

// D1: an expiry is the service's own delete.
func TestD1_StreamsShowExpiryAsTheService(t *testing.T) {
	s := newStreaming(t)
	arn := s.create("NEW_AND_OLD_IMAGES")
	s.must("UpdateTimeToLive", `{"TableName":"notes","TimeToLiveSpecification":{"AttributeName":"expires","Enabled":true}}`)
	s.must("PutItem", fmt.Sprintf(`{"TableName":"notes","Item":{"pk":{"S":"a"},"v":{"S":"1"},"expires":{"N":"%d"}}}`, s.now().Unix()+60))
	s.ahead.Store(int64(2 * time.Minute))
	if _, err := s.store.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(told(s.all(arn)), []string{"INSERT a: ->1", "REMOVE a: 1>- by Service dynamodb.amazonaws.com"}); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
}

// D1: a stream that is disabled can be read for a day; enabling makes another.
func TestD1_StreamsEndAndBegin(t *testing.T) {
	s := newStreaming(t)
	first := s.create("NEW_IMAGE")
	s.put("a", "1")
	update := `{"TableName":"notes","StreamSpecification":{"StreamEnabled":%t%s}}`
	s.refuse("UpdateTable", fmt.Sprintf(update, true, `,"StreamViewType":"KEYS_ONLY"`), "ValidationException", "Table already has an enabled stream: TableName: notes")
	s.must("UpdateTable", fmt.Sprintf(update, false, ""))
	s.refuse("UpdateTable", fmt.Sprintf(update, false, ""), "ValidationException", "Table has no stream to disable")
	if d := s.describe(first); d.StreamStatus != "DISABLING" {
		t.Errorf("the first stream is %s", d.StreamStatus)
	}
	s.collect()
	s.put("a", "2")
	if d := s.describe(first); d.StreamStatus != "DISABLED" || d.Shards[0].SequenceNumberRange.EndingSequenceNumber == nil {
		t.Errorf("the first stream is %+v", d)
	}
	s.must("UpdateTable", fmt.Sprintf(update, true, `,"StreamViewType":"KEYS_ONLY"`))
	var described struct{ Table map[string]any }
	decode(t, s.must("DescribeTable", `{"TableName":"notes"}`), &described)
	second := fmt.Sprint(described.Table["LatestStreamArn"])
	if described.Table["TableStatus"] != "UPDATING" || s.describe(second).StreamStatus != "ENABLING" || second == first {
		t.Errorf("before the stream has begun: %v", described.Table)
	}
	s.collect()
	s.put("a", "3")
	if got := told(s.all(first)); !cmp.Equal(got, []string{"INSERT a: ->1"}) {
		t.Errorf("the first stream has %v", got)
	}
	if got := told(s.all(second)); !cmp.Equal(got, []string{"MODIFY a: ->-"}) || s.describe(second).StreamStatus != "ENABLED" {
		t.Errorf("the second stream has %v", got)
	}
	s.expectStreams(first, second)
	s.must("UpdateTable", fmt.Sprintf(update, false, ""))
	s.ahead.Store(int64(25 * time.Hour))
	s.collect()
	s.expectStreams()
	s.ask("DescribeStream", fmt.Sprintf(`{"StreamArn":%q}`, first), "ResourceNotFoundException")
	if _, err := s.store.ImageLog(1); !errors.Is(err, store.ErrNoImages) {
		t.Errorf("images are kept for nobody: %v", err)
	}
}

func (s *streaming) expectStreams(want ...string) {
	s.t.Helper()
	var out struct{ Streams []struct{ StreamArn string } }
	decode(s.t, s.must("DynamoDBStreams_20120810.ListStreams", `{}`), &out)
	var got []string
	for _, one := range out.Streams {
		got = append(got, one.StreamArn)
	}
	if d := cmp.Diff(got, want); d != "" {
		s.t.Errorf("got (-), want (+):\n%s", d)
	}
}

func decode(t testing.TB, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// ask wants an error of a kind from the streams API.
func (s *streaming) ask(operation, body, kind string) {
	s.t.Helper()
	s.refuse("DynamoDBStreams_20120810."+operation, body, kind, "")
}
