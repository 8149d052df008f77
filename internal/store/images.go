package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// ErrNoImages says that a table keeps no image log, or does not yet.
var ErrNoImages = errors.New("the table keeps no image log")

// imagesTrimMax bounds the images that one Collect removes of one table.
const imagesTrimMax = 16384

// ImageCursor is a position in a table's image log: everything up to and with
// the image that it names. The zero cursor is before the oldest image that is
// kept.
type ImageCursor struct {
	// Log is the life of the store that made the commit (DATA 5).
	Log record.LogID
	// Sequence is the commit's, Index the image's place in it.
	Sequence uint64
	Index    uint32
}

// String is the cursor as text, for commands and other programs.
func (c ImageCursor) String() string {
	return fmt.Sprintf("%016x-%d-%d", uint64(c.Log), c.Sequence, c.Index)
}

// ParseImageCursor undoes String; empty text is the zero cursor.
func ParseImageCursor(text string) (ImageCursor, error) {
	if text == "" {
		return ImageCursor{}, nil
	}
	parts := strings.Split(text, "-")
	if len(parts) != 3 {
		return ImageCursor{}, fmt.Errorf("%q is not a position in an image log", text)
	}
	log, err1 := strconv.ParseUint(parts[0], 16, 64)
	sequence, err2 := strconv.ParseUint(parts[1], 10, 64)
	index, err3 := strconv.ParseUint(parts[2], 10, 32)
	if err := errors.Join(err1, err2, err3); err != nil {
		return ImageCursor{}, fmt.Errorf("%q is not a position in an image log", text)
	}
	return ImageCursor{Log: record.LogID(log), Sequence: sequence, Index: uint32(index)}, nil
}

// Before reports whether c is before d in the same life, or of an earlier one.
func (c ImageCursor) Before(d ImageCursor) bool {
	return c.Sequence < d.Sequence || c.Sequence == d.Sequence && c.Index < d.Index
}

// ImageBatch is a stretch of a table's image log.
type ImageBatch struct {
	Images []Image
	// Next is where the following batch begins.
	Next ImageCursor
	// More says that the log goes on behind it.
	More bool
}

// Images reads a table's image log behind a cursor: every state of every record
// that took effect here, once, in the order in which they did; nothing that a
// crash could undo (DATA 3). Limit.Entries bounds the images, Limit.Bytes their
// size. A batch without images is the end of what is durable.
//
// ErrCursorTrimmed says that images behind the cursor are gone, ErrCursorUnknown
// that the cursor is not of this region's history (DATA 5), ErrNoImages that the
// table keeps none.
func (s *Store) Images(ctx context.Context, id record.TableID, after ImageCursor, limit Limit) (b ImageBatch, err error) {
	t, err := s.table(id)
	if err != nil {
		return b, err
	}
	durable := s.engine.Durable()
	snapshot := s.engine.Snapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	mark, found, err := imageMarkOf(snapshot, id)
	if err != nil {
		return b, err
	}
	if !t.KeepsImages() || !found || mark.Sequence > durable { // a place that a crash could undo (DATA 3)
		return b, fmt.Errorf("%w: %s", ErrNoImages, t.Name)
	}
	chain, _ := s.history()
	if after != (ImageCursor{}) {
		if err := onChain(chain, after); err != nil {
			return b, err
		}
		if after.Before(mark.ImageCursor) {
			return b, fmt.Errorf("%w: image %v, those up to %v are gone", ErrCursorTrimmed, after, mark.ImageCursor)
		}
	} else {
		after = mark.ImageCursor
		after.Log = lifeOf(chain, after.Sequence)
	}
	return s.scanImages(ctx, snapshot, id, imageSpan{after, ImageCursor{Sequence: durable, Index: lastIndex}}, limit)
}

// imagesUpTo reads images behind one place up to and with another, both of which
// are known to be good.
func (s *Store) imagesUpTo(ctx context.Context, id record.TableID, span imageSpan, limit Limit) (b ImageBatch, err error) {
	snapshot := s.engine.Snapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	mark, _, err := imageMarkOf(snapshot, id)
	if err == nil && span.after.Before(mark.ImageCursor) { // since it was looked at
		err = fmt.Errorf("%w: image %v, those up to %v are gone", ErrCursorTrimmed, span.after, mark.ImageCursor)
	}
	if err != nil {
		return b, err
	}
	return s.scanImages(ctx, snapshot, id, span, limit)
}

// imageSpan is a stretch of an image log.
type imageSpan struct{ after, through ImageCursor }

func (s *Store) scanImages(ctx context.Context, r kv.Reader, id record.TableID, span imageSpan, limit Limit) (b ImageBatch, err error) {
	if limit.Bytes == 0 {
		limit.Bytes = 1 << 20
	}
	if limit.Entries == 0 {
		limit.Entries = 4096
	}
	chain, _ := s.history()
	b.Next = span.after
	it := r.Scan(kv.Range{
		From: append(imageKey(id, span.after.Sequence, span.after.Index), 0),
		To:   append(imageKey(id, span.through.Sequence, span.through.Index), 0),
	})
	defer func() { err = errors.Join(err, it.Close()) }()
	for size := 0; it.Next(); size += len(it.Value()) {
		if len(b.Images) > 0 && (len(b.Images) >= limit.Entries || size >= limit.Bytes) {
			b.More = true
			return b, nil
		}
		if err := ctx.Err(); err != nil {
			return b, err
		}
		image, err := parseImage(id, it.Key(), it.Value())
		if err != nil {
			return b, err
		}
		image.Cursor.Log = lifeOf(chain, image.Cursor.Sequence)
		b.Images, b.Next = append(b.Images, image), image.Cursor
	}
	return b, it.Err()
}

// onChain checks that a cursor is of a commit that this store's history has: a
// directory that was restored from a copy may use its sequence again (DATA 5).
func onChain(chain []LogLink, c ImageCursor) error {
	for i, l := range chain {
		if l.ID != c.Log {
			continue
		}
		if c.Sequence < l.Start || i+1 < len(chain) && c.Sequence > chain[i+1].Start {
			break
		}
		return nil
	}
	return fmt.Errorf("%w: image %v", ErrCursorUnknown, c)
}

// lifeOf answers which life of the store made a commit.
func lifeOf(chain []LogLink, sequence uint64) record.LogID {
	for i := len(chain) - 1; i > 0; i-- {
		if sequence > chain[i].Start {
			return chain[i].ID
		}
	}
	return chain[0].ID
}

// ImageLog says what is kept of a table's images.
type ImageLog struct {
	// Since is when the log begins: every change after it is kept.
	Since time.Time
	// Number and Bytes are how many images are kept, and their size.
	Number, Bytes uint64
}

// ImageLog answers what is kept of a table's images; ErrNoImages if none are.
func (s *Store) ImageLog(id record.TableID) (ImageLog, error) {
	t, err := s.table(id)
	if err != nil {
		return ImageLog{}, err
	}
	mark, found, err := imageMarkOf(s.engine, id)
	if err != nil {
		return ImageLog{}, err
	}
	if !t.KeepsImages() || !found {
		return ImageLog{}, fmt.Errorf("%w: %s", ErrNoImages, t.Name)
	}
	out := ImageLog{Since: time.UnixMilli(mark.Time)}
	oldest, found, err := edgeImage(s.engine, id, false)
	if err != nil || !found {
		return out, err
	}
	newest, found, err := edgeImage(s.engine, id, true)
	if err != nil || !found {
		return out, err
	}
	out.Number = newest.Number - oldest.Number + 1
	out.Bytes = newest.Bytes - oldest.Bytes + oldest.size
	return out, nil
}

// imageMark is behind what is gone of a table's images: the last one and when it
// was, or where the log began.
type imageMark struct {
	ImageCursor
	Time int64 // Unix milliseconds
}

const imageMarkSize = 1 + 8 + 4 + 8

// imageMarkKey is below every image of its table.
func imageMarkKey(id record.TableID) []byte { return tableKey(spaceImages, id) }

func (m imageMark) encode() []byte {
	dst := binary.BigEndian.AppendUint64([]byte{imageFormat}, m.Sequence)
	dst = binary.BigEndian.AppendUint32(dst, m.Index)
	return binary.BigEndian.AppendUint64(dst, uint64(m.Time))
}

func imageMarkOf(r kv.Reader, id record.TableID) (m imageMark, found bool, err error) {
	raw, err := r.Get(imageMarkKey(id))
	if errors.Is(err, kv.ErrNotFound) {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	if len(raw) != imageMarkSize || raw[0] != imageFormat {
		return m, false, fmt.Errorf("%w: mark %x", errBadImage, raw)
	}
	m.Sequence = binary.BigEndian.Uint64(raw[1:])
	m.Index = binary.BigEndian.Uint32(raw[9:])
	m.Time = int64(binary.BigEndian.Uint64(raw[13:]))
	return m, true, nil
}

// images begins, trims or ends a table's image log. This is the one thing that
// goes by age, and by size: nothing in other regions depends on it.
func (c *collection) images(t *table.Table) error {
	s := c.store
	mark, found, err := imageMarkOf(s.engine, t.ID)
	if err != nil {
		return err
	}
	switch {
	case !t.KeepsImages() && !found:
		return nil
	case !t.KeepsImages():
		return c.commit(nil, func(kv.Reader) ([]kv.Op, error) { return endImages(t.ID), nil })
	case !found:
		// Whoever found the table without a log has committed: from here on every
		// change has its image. What is there already is of no use, it may lack some.
		s.quiesce()
		mark = imageMark{ImageCursor: ImageCursor{Sequence: s.sealed.Load(), Index: lastIndex}, Time: s.config.Wall().UnixMilli()}
	default:
		next, err := c.passedImages(t, mark)
		if err != nil || next == mark {
			return err
		}
		mark = next
	}
	return c.commit(nil, func(kv.Reader) ([]kv.Op, error) {
		first, end := append(imageMarkKey(t.ID), 0), append(imageKey(t.ID, mark.Sequence, mark.Index), 0)
		return []kv.Op{
			{Kind: kv.DeleteRange, Key: first, Value: end},
			{Key: imageMarkKey(t.ID), Value: mark.encode()},
		}, nil
	})
}

// passedImages finds the last image that is too old, or too much.
func (c *collection) passedImages(t *table.Table, mark imageMark) (imageMark, error) {
	newest, found, err := edgeImage(c.store.engine, t.ID, true)
	if err != nil || !found {
		return mark, err
	}
	keeping, now := t.Keeping(), c.store.config.Wall()
	return c.passed(t.ID, mark, func(h imageHead) bool {
		return keeping.Lets(now.Sub(time.UnixMilli(h.Time)), newest.Bytes-h.Bytes+h.size)
	})
}

// passed moves a mark behind the images that may go, a bounded number of them.
func (c *collection) passed(id record.TableID, mark imageMark, goes func(imageHead) bool) (_ imageMark, err error) {
	from := append(imageKey(id, mark.Sequence, mark.Index), 0)
	it := c.store.engine.Scan(kv.Range{From: from, To: successor(tableKey(spaceImages, id))})
	defer func() { err = errors.Join(err, it.Close()) }()
	for n := 0; it.Next(); n++ {
		if n == imagesTrimMax {
			c.More = true
			break
		}
		h, err := parseImageHead(it.Key(), it.Value())
		if err != nil {
			return mark, err
		}
		if !goes(h) {
			break
		}
		mark = imageMark{ImageCursor: ImageCursor{Sequence: h.Sequence, Index: h.Index}, Time: h.Time}
	}
	return mark, it.Err()
}

// staleImages removes the image logs of tables that keep none any more: what
// happens from now on would be missing if they kept one again.
func (s *Store) staleImages(tables []table.Table) (ops []kv.Op, err error) {
	for _, t := range tables {
		if t.KeepsImages() || !holds(t, s.config.Region) {
			continue
		}
		all := tableKey(spaceImages, t.ID)
		id, found, err := firstTable(s.engine, all)
		if err != nil {
			return nil, err
		}
		if found && id == t.ID {
			ops = append(ops, endImages(t.ID)...)
		}
	}
	return ops, nil
}

// endImages removes a table's image log, and where its streams are in it.
func endImages(id record.TableID) (ops []kv.Op) {
	for _, space := range []byte{spaceImages, spaceStreams} {
		all := tableKey(space, id)
		ops = append(ops, kv.Op{Kind: kv.DeleteRange, Key: all, Value: successor(all)})
	}
	return ops
}
