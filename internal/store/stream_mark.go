package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// streamMark is where a stream is in its table's image log.
type streamMark struct {
	// Start and End are the commits behind which, and up to which, images belong
	// to the stream; End is 0 while it is enabled.
	Start, End uint64
	// Passed is the last image that is too old.
	Passed ImageCursor
	// Aged: commits up to it, with or without images, are too old. Tick is the next
	// such, of TickTime in Unix milliseconds.
	Aged, Tick uint64
	TickTime   int64
}

const streamMarkSize = 1 + 8 + 8 + 8 + 4 + 8 + 8 + 8

var errBadStream = errors.New("malformed mark of a stream")

func streamKey(id record.TableID, created int64) []byte {
	return binary.BigEndian.AppendUint64(tableKey(spaceStreams, id), uint64(created))
}

func (m streamMark) encode() []byte {
	dst := binary.BigEndian.AppendUint64([]byte{imageFormat}, m.Start)
	dst = binary.BigEndian.AppendUint64(dst, m.End)
	dst = binary.BigEndian.AppendUint64(dst, m.Passed.Sequence)
	dst = binary.BigEndian.AppendUint32(dst, m.Passed.Index)
	dst = binary.BigEndian.AppendUint64(dst, m.Aged)
	dst = binary.BigEndian.AppendUint64(dst, m.Tick)
	return binary.BigEndian.AppendUint64(dst, uint64(m.TickTime))
}

func (s *Store) streamMarkOf(id record.TableID, created int64) (m streamMark, found bool, err error) {
	raw, err := s.engine.Get(streamKey(id, created))
	if errors.Is(err, kv.ErrNotFound) {
		return m, false, nil
	}
	if err != nil {
		return m, false, err
	}
	if len(raw) != streamMarkSize || raw[0] != imageFormat {
		return m, false, fmt.Errorf("%w: %x", errBadStream, raw)
	}
	p := parser{src: raw[1:]}
	m.Start, m.End, m.Passed.Sequence = p.uint64(), p.uint64(), p.uint64()
	m.Passed.Index = binary.BigEndian.Uint32(p.take(4))
	m.Aged, m.Tick, m.TickTime = p.uint64(), p.uint64(), int64(p.uint64())
	return m, true, nil
}

// imaged keeps a table's image log, and its streams, within their bounds.
func (c *collection) imaged(id record.TableID, t *table.Table) error {
	t, err := c.endStreams(id, t)
	if err == nil {
		err = c.images(t)
	}
	if err == nil && t.KeepsImages() {
		err = c.streams(t)
	}
	return err
}

// streams begins, ages and ends the streams of a table that keeps images.
func (c *collection) streams(t *table.Table) error {
	s, now := c.store, c.store.config.Wall()
	var ops []kv.Op
	for _, stream := range t.Streams() {
		mark, found, err := s.streamMarkOf(t.ID, stream.Created)
		if err != nil {
			return err
		}
		next := mark
		if !found || stream.Ended != 0 && mark.End == 0 {
			// Whoever found the table without the stream, or with it, has committed.
			s.quiesce()
		}
		if !found {
			next = newStreamMark(s.sealed.Load(), now)
		}
		if stream.Ended != 0 && next.End == 0 {
			next.End = max(s.sealed.Load(), 1)
		}
		if err := c.age(t.ID, &next, now); err != nil {
			return err
		}
		if next != mark {
			ops = append(ops, kv.Op{Key: streamKey(t.ID, stream.Created), Value: next.encode()})
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return c.commit(nil, func(kv.Reader) ([]kv.Op, error) { return ops, nil })
}

func newStreamMark(sequence uint64, now time.Time) streamMark {
	return streamMark{Start: sequence, Passed: ImageCursor{Sequence: sequence, Index: lastIndex}, Tick: sequence, TickTime: now.UnixMilli()}
}

// age moves a stream's mark behind what is older than a stream is kept.
func (c *collection) age(id record.TableID, m *streamMark, now time.Time) error {
	passed, err := c.passed(id, imageMark{ImageCursor: m.Passed}, func(h imageHead) bool {
		return now.Sub(time.UnixMilli(h.Time)) > table.StreamKeep && (m.End == 0 || h.Sequence <= m.End)
	})
	if err != nil {
		return err
	}
	m.Passed = passed.ImageCursor
	if now.Sub(time.UnixMilli(m.TickTime)) > table.StreamKeep {
		m.Aged = m.Tick
		m.Tick, m.TickTime = c.store.sealed.Load(), now.UnixMilli()
	}
	return nil
}

// endStreams takes the streams that nobody can read any more out of a table as
// this store has it, so that no images are kept for them.
func (c *collection) endStreams(id record.TableID, t *table.Table) (*table.Table, error) {
	s := c.store
	past := func(e table.Stream) bool { return e.Past(s.config.Wall()) }
	if !slices.ContainsFunc(t.EndedStreams, past) {
		return t, nil
	}
	var ops []kv.Op
	for _, e := range t.EndedStreams {
		if past(e) {
			ops = append(ops, kv.Op{Kind: kv.Delete, Key: streamKey(id, e.Created)})
		}
	}
	t = s.replace(id, func(t *table.Table) { t.EndedStreams = slices.DeleteFunc(t.EndedStreams, past) })
	return t, c.commit(nil, func(kv.Reader) ([]kv.Op, error) { return ops, nil })
}

// replace changes a table as this store has it, until the next SetTables.
func (s *Store) replace(id record.TableID, change func(*table.Table)) *table.Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.tables.Load())
	var changed table.Table
	if t, held := next[id]; held {
		changed = t.Clone()
		change(&changed)
		next[id] = &changed
	}
	s.tables.Store(&next)
	return &changed
}

// beginImages begins the image logs, and the streams, of tables that this region
// does not hold yet: as nothing is written to them, nothing can be missed.
func (s *Store) beginImages(tables []table.Table) (ops []kv.Op, err error) {
	now := s.config.Wall()
	for _, t := range tables {
		if !t.KeepsImages() || !holds(t, s.config.Region) {
			continue
		}
		if _, held := s.Table(t.ID); held {
			continue
		}
		given, err := s.isGiven(t)
		if err != nil {
			return nil, err
		}
		begun, err := has(s.engine, imageMarkKey(t.ID))
		if err != nil {
			return nil, err
		}
		at := s.sealed.Load()
		if given || !begun {
			mark := imageMark{ImageCursor: ImageCursor{Sequence: at, Index: lastIndex}, Time: now.UnixMilli()}
			ops = append(ops, kv.Op{Key: imageMarkKey(t.ID), Value: mark.encode()})
		}
		for _, stream := range t.Streams() {
			_, found, err := s.streamMarkOf(t.ID, stream.Created)
			if err != nil {
				return nil, err
			}
			if given || !found {
				ops = append(ops, kv.Op{Key: streamKey(t.ID, stream.Created), Value: newStreamMark(at, now).encode()})
			}
		}
	}
	return ops, nil
}

// isGiven reports whether the region is about to be given a table anew (Renew).
func (s *Store) isGiven(t table.Table) (bool, error) {
	own, _, _ := t.Holder(s.config.Region)
	if own.Since == 0 {
		return false, nil
	}
	known, err := s.Given(t.ID)
	return own.Since > known, err
}
