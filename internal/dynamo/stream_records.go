package dynamo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// Bounds of one answer of GetRecords, AWS's.
const (
	recordsMax      = 1000
	recordsBytesMax = 1 << 20
)

// getRecords answers the changes behind an iterator, at once: none, if there are
// none yet.
func getRecords(ctx context.Context, c *call) error {
	it, err := parseIterator(c.text("ShardIterator"))
	if err != nil {
		return err
	}
	t, stream, err := c.stream(it.arn)
	if err != nil {
		return err
	}
	if c.server.config.Now().Sub(time.UnixMilli(it.made)) > iteratorKeep {
		return errIteratorExpired
	}
	limit := store.Limit{Entries: recordsMax, Bytes: recordsBytesMax}
	if n := c.request.Get("Limit"); n.Exists() {
		limit.Entries = integer(n)
	}
	b, over, err := c.server.config.Store.StreamImages(ctx, t.ID, stream.Created, it.after, limit)
	switch {
	case errors.Is(err, store.ErrCursorTrimmed), errors.Is(err, store.ErrCursorUnknown):
		return errTrimmed
	case errors.Is(err, store.ErrNoStream), errors.Is(err, store.ErrNoImages):
		return missing("Requested resource not found: Stream: %s not found", it.arn)
	case err != nil:
		return err
	}
	c.out = append(c.out, `{"Records":[`...)
	n := 0
	for _, i := range b.Images {
		if unchanged(i) {
			continue
		}
		if c.out, err = c.server.appendRecord(comma(c.out, n), t, stream, i); err != nil {
			return err
		}
		n++
	}
	c.out = append(c.out, ']')
	if !over {
		c.appendIterator(`,"NextShardIterator":`, b.Next)
	}
	c.out = append(c.out, '}')
	return nil
}

// unchanged reports whether an item was written as it was, which is no change to
// a stream. Equal items are stored as equal bytes.
func unchanged(i store.Image) bool {
	return i.Old != nil && i.New != nil && bytes.Equal(i.Old.Value, i.New.Value)
}

// appendRecord appends a stream's record of a change.
func (s *Server) appendRecord(dst []byte, t table.Table, stream table.Stream, i store.Image) ([]byte, error) {
	keys, err := keysOf(t, i)
	if err != nil {
		return dst, err
	}
	dst = append(dst, `{"eventVersion":"1.1","eventSource":"aws:dynamodb"`...)
	dst = item.AppendQuoted(member(dst, "eventID"), s.eventID(t, i.Cursor))
	dst = item.AppendQuoted(member(dst, "eventName"), eventName(i))
	dst = item.AppendQuoted(member(dst, "awsRegion"), s.config.Region)
	if i.Cause == store.Expired {
		dst = append(member(dst, "userIdentity"), `{"Type":"Service","PrincipalId":"dynamodb.amazonaws.com"}`...)
	}
	dst = append(member(dst, "dynamodb"), '{')
	dst = strconv.AppendFloat(member(dst, "ApproximateCreationDateTime"), float64(i.Time.UnixMilli())/1000, 'f', 3, 64)
	dst = keys.AppendJSON(member(dst, "Keys"))
	size := keys.Size()
	for _, image := range []struct {
		name   string
		record *record.Record
		shown  bool
	}{
		{"NewImage", i.New, stream.View == table.ViewNew || stream.View == table.ViewNewOld},
		{"OldImage", i.Old, stream.View == table.ViewOld || stream.View == table.ViewNewOld},
	} {
		if image.record == nil || !image.shown {
			continue
		}
		bytes, err := item.StoredSize(image.record.Value)
		if err != nil {
			return dst, err
		}
		if dst, err = item.AppendStoredJSON(member(dst, image.name), image.record.Value); err != nil {
			return dst, err
		}
		size += bytes
	}
	dst = item.AppendQuoted(member(dst, "SequenceNumber"), sequenceNumber(i.Cursor))
	dst = strconv.AppendInt(member(dst, "SizeBytes"), int64(size), 10)
	dst = item.AppendQuoted(member(dst, "StreamViewType"), stream.View)
	return append(dst, "}}"...), nil
}

func eventName(i store.Image) string {
	switch {
	case i.Old == nil:
		return "INSERT"
	case i.New == nil:
		return "REMOVE"
	}
	return "MODIFY"
}

// keysOf are the key attributes of what changed.
func keysOf(t table.Table, i store.Image) (item.Item, error) {
	r := i.New
	if r == nil {
		r = i.Old
	}
	it, err := item.Decode(r.Value)
	if err != nil {
		return nil, err
	}
	return it.Pick(pageAttributes(t, nil)...), nil
}

// eventID is the same whenever a record is read, and no other record's.
func (s *Server) eventID(t table.Table, c store.ImageCursor) string {
	raw := binary.BigEndian.AppendUint64([]byte(s.config.Region), uint64(t.ID))
	raw = binary.BigEndian.AppendUint64(raw, uint64(c.Log))
	raw = binary.BigEndian.AppendUint64(raw, c.Sequence)
	h := sha256.Sum256(binary.BigEndian.AppendUint32(raw, c.Index))
	return hex.EncodeToString(h[:16])
}
