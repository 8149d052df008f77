package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// Bounds of a sequence number's length, and how long an iterator is good, AWS's.
const (
	sequenceDigitsMin = 21
	sequenceDigitsMax = 40
	iteratorKeep      = 15 * time.Minute
)

var (
	errIterator        = &apiError{status: http.StatusBadRequest, kind: validate + "ValidationException", message: "Invalid ShardIterator"}
	errIteratorExpired = &apiError{status: http.StatusBadRequest, kind: database + "ExpiredIteratorException", message: "The shard iterator has expired: it is good for 15 minutes, get a new one"}
	errTrimmed         = &apiError{status: http.StatusBadRequest, kind: database + "TrimmedDataAccessException", message: "The operation attempted to read past the oldest stream record in a shard"}
)

// sequenceBase makes all sequence numbers equally long, so that they compare as
// texts, too.
var sequenceBase = new(big.Int).Exp(big.NewInt(10), big.NewInt(29), nil)

// sequenceNumber is a place in a shard as a decimal number of 30 digits: the
// commit and the image's place in it. Which life of the store made the commit
// says the shard.
func sequenceNumber(c store.ImageCursor) string {
	n := new(big.Int).SetUint64(c.Sequence)
	n.Lsh(n, 32).Or(n, big.NewInt(int64(c.Index)))
	return n.Add(n, sequenceBase).String()
}

// parseSequenceNumber undoes sequenceNumber.
func parseSequenceNumber(text string) (c store.ImageCursor, ok bool) {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || len(text) != 30 || text[0] != '1' {
		return c, false
	}
	n.Sub(n, sequenceBase)
	index := new(big.Int).And(n, big.NewInt(1<<32-1)).Uint64()
	if n.Rsh(n, 32); !n.IsUint64() {
		return c, false
	}
	return store.ImageCursor{Sequence: n.Uint64(), Index: uint32(index)}, true
}

// iterator is a place in a shard of a stream that a client holds.
type iterator struct {
	arn   string
	after store.ImageCursor
	made  int64 // Unix milliseconds
}

const (
	iteratorSize = 8 + 8 + 4 + 8
	iteratorSum  = 8
	iteratorMark = "|1|" // between the ARN and the rest: the format
)

// String is the iterator as clients get it: opaque to them.
func (i iterator) String() string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(i.after.Log))
	raw = binary.BigEndian.AppendUint64(raw, i.after.Sequence)
	raw = binary.BigEndian.AppendUint32(raw, i.after.Index)
	raw = binary.BigEndian.AppendUint64(raw, uint64(i.made))
	return i.arn + iteratorMark + base64.RawURLEncoding.EncodeToString(append(raw, i.sum(raw)...))
}

// sum tells an iterator from other bytes. It is no secret: what an iterator
// allows, its holder's key has to allow.
func (i iterator) sum(raw []byte) []byte {
	h := sha256.Sum256(append([]byte(i.arn), raw...))
	return h[:iteratorSum]
}

func parseIterator(text string) (i iterator, err error) {
	arn, rest, ok := strings.Cut(text, iteratorMark)
	raw, wrong := base64.RawURLEncoding.DecodeString(rest)
	if !ok || wrong != nil || len(raw) != iteratorSize+iteratorSum {
		return i, errIterator
	}
	i.arn = arn
	if string(i.sum(raw[:iteratorSize])) != string(raw[iteratorSize:]) {
		return i, errIterator
	}
	i.after = store.ImageCursor{
		Log:      record.LogID(binary.BigEndian.Uint64(raw)),
		Sequence: binary.BigEndian.Uint64(raw[8:]), Index: binary.BigEndian.Uint32(raw[16:]),
	}
	i.made = int64(binary.BigEndian.Uint64(raw[20:]))
	return i, nil
}

// getShardIterator answers an iterator for a place in a shard.
func getShardIterator(_ context.Context, c *call) error {
	t, stream, err := c.stream(c.text("StreamArn"))
	if err != nil {
		return err
	}
	log, err := c.server.config.Store.Stream(t.ID, stream.Created)
	if err != nil && !errors.Is(err, store.ErrNoStream) {
		return err
	}
	shard, err := c.shardOf(log.Shards, c.text("ShardId"))
	if err != nil {
		return err
	}
	var after store.ImageCursor
	switch kind := c.text("ShardIteratorType"); kind {
	case "TRIM_HORIZON":
		after = horizon(shard, log)
	case "LATEST":
		after = log.Durable
		if !shard.Open() {
			after = earlier(after, shard.Through)
		}
	case "AT_TIMESTAMP":
		moment, err := c.moment()
		if err != nil {
			return err
		}
		if after, err = c.server.config.Store.ImageAt(t.ID, shard, log.Durable, moment); err != nil {
			return err
		}
		after = later(after, horizon(shard, log))
	default:
		if after, err = c.sequenced(shard, log, kind == "AT_SEQUENCE_NUMBER"); err != nil {
			return err
		}
	}
	after.Log = shard.Log
	c.appendIterator(`{"ShardIterator":`, after)
	c.out = append(c.out, '}')
	return nil
}

// horizon is the place before the oldest image of a shard that can be read.
func horizon(s store.Shard, log store.StreamLog) store.ImageCursor {
	return later(s.After, log.Trimmed)
}

func later(a, b store.ImageCursor) store.ImageCursor {
	if a.Before(b) {
		return b
	}
	return a
}

func earlier(a, b store.ImageCursor) store.ImageCursor {
	if a.Before(b) {
		return a
	}
	return b
}

// sequenced is the place that SequenceNumber names: before it, or behind it.
func (c *call) sequenced(s store.Shard, log store.StreamLog, at bool) (after store.ImageCursor, err error) {
	n := c.request.Get("SequenceNumber")
	if !n.Exists() {
		return after, invalidValues("SequenceNumber is required when ShardIteratorType is %s", c.text("ShardIteratorType"))
	}
	after, ok := parseSequenceNumber(n.Text())
	if !ok || after.Before(store.ImageCursor{Sequence: s.After.Sequence + 1}) {
		return after, invalidValues("Invalid SequenceNumber: %s", n.Text())
	}
	if at {
		after = before(after)
	}
	// A place behind the end of a shard is of a life that was undone: the
	// directory was restored from a copy (DATA 5).
	if after.Before(log.Trimmed) && s.After.Before(log.Trimmed) || !s.Open() && s.Through.Before(after) {
		return after, errTrimmed
	}
	return after, nil
}

// before is the place just before another.
func before(c store.ImageCursor) store.ImageCursor {
	if c.Index > 0 {
		return store.ImageCursor{Sequence: c.Sequence, Index: c.Index - 1}
	}
	return store.ImageCursor{Sequence: c.Sequence - 1, Index: 1<<32 - 1}
}

// moment reads Timestamp, in seconds since 1970.
func (c *call) moment() (time.Time, error) {
	n := c.request.Get("Timestamp")
	seconds, err := strconv.ParseFloat(n.Text(), 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, invalidValues("Timestamp is required, in seconds since 1970, when ShardIteratorType is AT_TIMESTAMP")
	}
	t := time.UnixMilli(int64(seconds*1000 + 0.5))
	if t.After(c.server.config.Now()) {
		return t, invalidValues("Timestamp must not be in the future")
	}
	return t, nil
}

// appendIterator appends an iterator for the stream that the request is about.
func (c *call) appendIterator(name string, after store.ImageCursor) {
	arn, _, _ := strings.Cut(c.text("ShardIterator"), iteratorMark)
	if arn == "" {
		arn = c.text("StreamArn")
	}
	it := iterator{arn: arn, after: after, made: c.server.config.Now().UnixMilli()}
	c.out = append(c.out, name...)
	c.out = append(append(append(c.out, '"'), it.String()...), '"')
}
