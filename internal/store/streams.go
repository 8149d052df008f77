package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// ErrNoStream says that a table has no such stream here, or not yet.
var ErrNoStream = errors.New("the stream has not begun here")

// lastIndex is behind every image of a commit.
const lastIndex = 1<<32 - 1

// Shard is the part of a stream that one life of the store wrote (DATA 5). A
// directory that was restored from a copy may use a sequence again; its life is
// another one, and so is the shard.
type Shard struct {
	// Log is the life, Parent the one before it; 0 if the stream began in Log.
	Log, Parent record.LogID
	// After and Through bound the shard's images: those behind After, up to and
	// with Through, which is zero while the shard is open.
	After, Through ImageCursor
	// Past says that all its images are older than a stream is kept.
	Past bool
}

// Open reports whether the shard can get more images.
func (s Shard) Open() bool { return s.Through == ImageCursor{} }

// StreamLog is a stream of a table as it is in this region: a stretch of the
// table's image log.
type StreamLog struct {
	// Shards are its parts, the oldest first; each is the child of the one before.
	Shards []Shard
	// Trimmed is the last image of the stream that is too old to be read.
	Trimmed ImageCursor
	// Durable is behind the newest image that may be shown.
	Durable ImageCursor
}

// Shard finds a part of the stream by its life.
func (l StreamLog) Shard(life record.LogID) (Shard, bool) {
	i := slices.IndexFunc(l.Shards, func(s Shard) bool { return s.Log == life })
	if i < 0 {
		return Shard{}, false
	}
	return l.Shards[i], true
}

// Stream answers where the stream of a table that was enabled at created, in Unix
// milliseconds, is in the table's image log. ErrNoStream: it has not begun here,
// which it does within a second of SetTables, or is over.
func (s *Store) Stream(id record.TableID, created int64) (l StreamLog, err error) {
	if _, err := s.table(id); err != nil {
		return l, err
	}
	durable := s.engine.Durable()
	mark, found, err := imageMarkOf(s.engine, id)
	if err != nil {
		return l, err
	}
	stream, begun, err := s.streamMarkOf(id, created)
	if err != nil {
		return l, err
	}
	if !found || !begun || stream.Start > durable { // a place that a crash could undo (DATA 3)
		return l, fmt.Errorf("%w: table id %x", ErrNoStream, uint64(id))
	}
	chain, _ := s.history()
	l.Trimmed, l.Durable = stream.Passed, ImageCursor{Sequence: durable, Index: lastIndex}
	if l.Trimmed.Before(mark.ImageCursor) {
		l.Trimmed = mark.ImageCursor
	}
	l.Trimmed.Log, l.Durable.Log = lifeOf(chain, l.Trimmed.Sequence), lifeOf(chain, durable)
	l.Shards = stream.shards(chain, l.Trimmed)
	return l, nil
}

// shards cuts a stream where a life of the store ended.
func (m streamMark) shards(chain []LogLink, trimmed ImageCursor) (list []Shard) {
	for i, link := range chain {
		after, through := max(link.Start, m.Start), m.End
		if i+1 < len(chain) && (m.End == 0 || chain[i+1].Start < m.End) {
			through = chain[i+1].Start
		}
		if m.End != 0 && link.Start >= m.End && len(list) > 0 || i+1 < len(chain) && through < m.Start {
			continue
		}
		s := Shard{Log: link.ID, After: ImageCursor{Log: link.ID, Sequence: after, Index: lastIndex}}
		if n := len(list); n > 0 {
			s.Parent = list[n-1].Log
		}
		if through != 0 || i+1 < len(chain) {
			s.Through = ImageCursor{Log: link.ID, Sequence: max(through, after), Index: lastIndex}
			s.Past = !trimmed.Before(s.Through) || s.Through.Sequence <= m.Aged
		}
		list = append(list, s)
	}
	return list
}

// StreamImages reads images of one shard of a stream behind a cursor, as Images
// does; Next may be behind images that are not there, so that it never grows old.
// over says that the shard is closed and has no more. ErrCursorTrimmed says that
// images behind the cursor are gone, ErrCursorUnknown that the cursor is not of
// the shard.
func (s *Store) StreamImages(ctx context.Context, id record.TableID, created int64, after ImageCursor, limit Limit) (b ImageBatch, over bool, err error) {
	l, err := s.Stream(id, created)
	if err != nil {
		return b, false, err
	}
	shard, found := l.Shard(after.Log)
	through := l.Durable
	if found && !shard.Open() && shard.Through.Before(l.Durable) {
		through = shard.Through
	}
	switch {
	case !found || !shard.Open() && shard.Through.Before(after):
		return b, false, fmt.Errorf("%w: image %v", ErrCursorUnknown, after)
	case after.Before(shard.After):
		after = shard.After
	}
	if after.Before(l.Trimmed) {
		return b, false, fmt.Errorf("%w: image %v, those up to %v are gone", ErrCursorTrimmed, after, l.Trimmed)
	}
	if through.Before(after) {
		through = after
	}
	if b, err = s.imagesUpTo(ctx, id, imageSpan{after, through}, limit); err != nil || b.More {
		return b, false, err
	}
	b.Next = ImageCursor{Log: shard.Log, Sequence: through.Sequence, Index: through.Index}
	return b, !shard.Open() && !b.Next.Before(shard.Through), nil
}

// ImageAt answers the place before the first image of a shard that took effect at
// or after a time, by the wall clock of then; the shard's end if there is none.
func (s *Store) ImageAt(id record.TableID, shard Shard, durable ImageCursor, t time.Time) (ImageCursor, error) {
	low, high := shard.After.Sequence+1, durable.Sequence+1
	if !shard.Open() {
		high = min(high, shard.Through.Sequence+1)
	}
	for low < high { // the first commit at or above which no image is before t
		middle := low + (high-low)/2
		h, found, err := s.imageFrom(id, middle)
		if err != nil {
			return ImageCursor{}, err
		}
		if !found || h.Sequence >= high || h.Time >= t.UnixMilli() {
			high = middle
		} else {
			low = h.Sequence + 1
		}
	}
	return ImageCursor{Log: shard.Log, Sequence: low - 1, Index: lastIndex}, nil
}

// imageFrom answers the first image of a table of a commit or a later one.
func (s *Store) imageFrom(id record.TableID, sequence uint64) (h imageHead, found bool, err error) {
	it := s.engine.Scan(kv.Range{From: imageKey(id, max(sequence, 1), 0), To: successor(tableKey(spaceImages, id))})
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Next() {
		return h, false, it.Err()
	}
	h, err = parseImageHead(it.Key(), it.Value())
	return h, err == nil, err
}
