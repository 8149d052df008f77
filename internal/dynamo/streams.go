package dynamo

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// streamsPrefix is that of the targets of DynamoDB Streams, which is an API of
// its own and served on the same port.
const streamsPrefix = "DynamoDBStreams_20120810."

// streamsMax is AWS's page of streams, and of shards.
const streamsMax = 100

var (
	streamARN = parameter{name: "StreamArn", required: true, min: 37, max: 1024}
	shardID   = parameter{name: "ShardId", required: true, min: 28, max: 65}
	pageLimit = parameter{name: "Limit", form: integerForm, min: 1, max: streamsMax}
)

// streamOperations is the API of DynamoDB Streams.
var streamOperations = map[string]operation{
	"ListStreams": {run: listStreams, parameters: []parameter{
		{name: "TableName", min: 3, max: 255, isName: true},
		pageLimit,
		{name: "ExclusiveStartStreamArn", min: 37, max: 1024},
	}},
	"DescribeStream": {run: describeStream, parameters: []parameter{
		streamARN, pageLimit,
		{name: "ExclusiveStartShardId", min: 28, max: 65},
		{name: "ShardFilter", form: objectForm},
	}},
	"GetShardIterator": {run: getShardIterator, parameters: []parameter{
		streamARN, shardID,
		{name: "ShardIteratorType", required: true, enum: []string{"AT_TIMESTAMP", "AFTER_SEQUENCE_NUMBER", "LATEST", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"}},
		{name: "SequenceNumber", min: sequenceDigitsMin, max: sequenceDigitsMax},
	}},
	"GetRecords": {run: getRecords, parameters: []parameter{
		{name: "ShardIterator", required: true, min: 1, max: 2048},
		{name: "Limit", form: integerForm, min: 1, max: recordsMax},
	}},
}

// operationFor finds an operation by a request's target.
func operationFor(target string) (name string, op operation, ok bool) {
	if name, ok = strings.CutPrefix(target, targetPrefix); ok {
		op, ok = operations[name]
		return name, op, ok
	}
	if name, ok = strings.CutPrefix(target, streamsPrefix); ok {
		op, ok = streamOperations[name]
	}
	return name, op, ok
}

// listStreams answers the streams of this region that the key may read, in the
// order of their ARNs.
func listStreams(_ context.Context, c *call) error {
	type listed struct {
		arn, name, label string
	}
	var all []listed
	only := tableFrom(c.text("TableName"))
	for _, t := range c.server.config.Catalog.Tables() {
		if !t.In(c.server.config.Region) || !c.allowed(t.Name) || only != "" && only != t.Name {
			continue
		}
		for _, stream := range t.Streams() {
			if arn := c.server.streamARN(t, stream); arn > c.text("ExclusiveStartStreamArn") && !stream.Past(c.server.config.Now()) {
				all = append(all, listed{arn, t.Name, stream.Label()})
			}
		}
	}
	slices.SortFunc(all, func(a, b listed) int { return strings.Compare(a.arn, b.arn) })
	page, more := firstPage(c, all)
	c.out = append(c.out, `{"Streams":[`...)
	for i, s := range page {
		c.out = append(comma(c.out, i), '{')
		c.out = item.AppendQuoted(member(c.out, "StreamArn"), s.arn)
		c.out = item.AppendQuoted(member(c.out, "TableName"), s.name)
		c.out = append(item.AppendQuoted(member(c.out, "StreamLabel"), s.label), '}')
	}
	c.out = append(c.out, ']')
	if more {
		c.out = item.AppendQuoted(member(c.out, "LastEvaluatedStreamArn"), page[len(page)-1].arn)
	}
	c.out = append(c.out, '}')
	return nil
}

// firstPage cuts a list at the request's Limit.
func firstPage[T any](c *call, all []T) (page []T, more bool) {
	size := streamsMax
	if n := c.request.Get("Limit"); n.Exists() {
		size = integer(n)
	}
	return all[:min(size, len(all))], len(all) > size
}

// describeStream answers a stream's state and its shards: one for each life of
// this region's store that wrote to it, each the child of the one before.
func describeStream(_ context.Context, c *call) error {
	arn := c.text("StreamArn")
	t, stream, err := c.stream(arn)
	if err != nil {
		return err
	}
	log, err := c.server.config.Store.Stream(t.ID, stream.Created)
	if err != nil && !errors.Is(err, store.ErrNoStream) {
		return err
	}
	shards, err := c.listedShards(log.Shards)
	if err != nil {
		return err
	}
	page, more := firstPage(c, shards)
	c.out = append(c.out, `{"StreamDescription":{"StreamArn":`...)
	c.out = item.AppendQuoted(c.out, arn)
	c.out = item.AppendQuoted(member(c.out, "StreamLabel"), stream.Label())
	c.out = item.AppendQuoted(member(c.out, "StreamStatus"), streamStatus(stream, log))
	c.out = item.AppendQuoted(member(c.out, "StreamViewType"), stream.View)
	c.out = strconv.AppendFloat(member(c.out, "CreationRequestDateTime"), float64(stream.Created)/1000, 'f', 3, 64)
	c.out = item.AppendQuoted(member(c.out, "TableName"), t.Name)
	c.out = appendKeySchema(c.out, table.Table{Key: t.Key, Sort: t.Sort})
	c.out = append(member(c.out, "Shards"), '[')
	for i, s := range page {
		c.out = appendShard(comma(c.out, i), s)
	}
	c.out = append(c.out, ']')
	if more {
		c.out = item.AppendQuoted(member(c.out, "LastEvaluatedShardId"), shardName(page[len(page)-1].Log))
	}
	c.out = append(c.out, "}}"...)
	return nil
}

func streamStatus(s table.Stream, log store.StreamLog) string {
	switch n := len(log.Shards); {
	case s.Ended == 0 && n == 0:
		return "ENABLING"
	case s.Ended == 0:
		return "ENABLED"
	case n > 0 && log.Shards[n-1].Open():
		return "DISABLING"
	}
	return "DISABLED"
}

// listedShards are those that the request asks for: of those that may hold
// something to read, the ones behind a shard, or its children.
func (c *call) listedShards(all []store.Shard) ([]store.Shard, error) {
	list := slices.DeleteFunc(slices.Clone(all), func(s store.Shard) bool { return s.Past })
	if f := c.request.Get("ShardFilter"); f.Exists() {
		if f.Get("Type").Text() != "CHILD_SHARDS" {
			return nil, invalid("1 validation error detected: Value '%s' at 'shardFilter.type' failed to satisfy constraint: Member must satisfy enum value set: [CHILD_SHARDS]", f.Get("Type").Text())
		}
		parent, err := c.shardOf(all, f.Get("ShardId").Text())
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(s store.Shard) bool { return s.Parent != parent.Log })
	}
	if name := c.text("ExclusiveStartShardId"); name != "" {
		after, err := c.shardOf(all, name)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(s store.Shard) bool {
			return s.After.Sequence <= after.After.Sequence && s.Log != after.Log || s.Log == after.Log
		})
	}
	return list, nil
}

func (c *call) shardOf(all []store.Shard, name string) (store.Shard, error) {
	i := slices.IndexFunc(all, func(s store.Shard) bool { return shardName(s.Log) == name })
	if i < 0 {
		return store.Shard{}, missing("Requested resource not found: Shard does not exist")
	}
	return all[i], nil
}

func appendShard(dst []byte, s store.Shard) []byte {
	dst = append(dst, '{')
	dst = item.AppendQuoted(member(dst, "ShardId"), shardName(s.Log))
	if s.Parent != 0 {
		dst = item.AppendQuoted(member(dst, "ParentShardId"), shardName(s.Parent))
	}
	dst = append(member(dst, "SequenceNumberRange"), '{')
	first := store.ImageCursor{Sequence: s.After.Sequence + 1}
	dst = item.AppendQuoted(member(dst, "StartingSequenceNumber"), sequenceNumber(first))
	if !s.Open() {
		dst = item.AppendQuoted(member(dst, "EndingSequenceNumber"), sequenceNumber(s.Through))
	}
	return append(dst, "}}"...)
}

// shardName is a shard's id in AWS's form.
func shardName(life record.LogID) string {
	digits := strconv.FormatUint(uint64(life), 10)
	return "shardId-" + strings.Repeat("0", 20-len(digits)) + digits + "-" + strconv.FormatUint(uint64(life)>>32|1<<32, 16)[1:]
}
