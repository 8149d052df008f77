package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// ErrTooOld says that a table's image log does not reach back to a time.
var ErrTooOld = errors.New("the image log does not reach so far back")

const (
	// rewindBytes is how many bytes of images a Moment takes into memory at once
	// to look at the past, and rewindSegmentsMax bounds into how many parts it cuts
	// the table for that.
	rewindBytes       = 32 << 20
	rewindSegmentsMax = 1 << 12
	// imagesAtOnce bounds the images that are decoded together.
	imagesAtOnce = 512
)

// Moment is everything that this region held at one moment, while writes go on:
// nothing in it could be undone by a crash (DATA 3). It holds back compaction
// until it is closed.
type Moment struct {
	// Taken is when it was, by this region's wall clock.
	Taken time.Time

	store    *Store
	snapshot kv.Snapshot
}

// Moment takes the present one. It returns once all of it is durable.
func (s *Store) Moment(ctx context.Context) (*Moment, error) {
	m := &Moment{Taken: s.config.Wall(), store: s, snapshot: s.engine.Snapshot()}
	if err := s.WaitDurable(ctx, m.snapshot.Sequence()); err != nil {
		return nil, errors.Join(err, m.snapshot.Close())
	}
	return m, nil
}

// Close lets the moment go.
func (m *Moment) Close() error { return m.snapshot.Close() }

// Records visits the live records of a table, until fn answers an error. Keys and
// records belong to fn.
func (m *Moment) Records(ctx context.Context, id record.TableID, fn func(record.Key, record.Record) error) error {
	return m.visit(ctx, Scan{Table: id}, m.Taken, fn)
}

func (m *Moment) visit(ctx context.Context, q Scan, now time.Time, fn func(record.Key, record.Record) error) error {
	_, err := visit(ctx, m.snapshot, now, q, func(k record.Key, r record.Record) (bool, error) { return true, fn(k, r) })
	return err
}

// RecordsAt visits the records of a table that were live at an earlier time, in
// the state that they had: each as it is now or, if it has changed since, as it
// was before the first change behind that time. All changes of one commit count
// as before it or behind it. ErrTooOld and ErrNoImages say that this is not
// known.
func (m *Moment) RecordsAt(ctx context.Context, id record.TableID, at time.Time, fn func(record.Key, record.Record) error) error {
	if !at.Before(m.Taken) {
		return m.Records(ctx, id, fn)
	}
	cut, err := m.cut(ctx, id, at)
	if err != nil {
		return err
	}
	for segment := range cut.segments {
		q := Scan{Table: id, Segment: segment, Segments: cut.segments}
		before, err := m.before(ctx, q, cut)
		if err != nil {
			return err
		}
		err = m.visit(ctx, q, at, func(k record.Key, r record.Record) error {
			if _, changed := before[string(dataKey(k))]; changed {
				return nil
			}
			return fn(k, r)
		})
		if err != nil {
			return err
		}
		for _, was := range before {
			if was.Old == nil || !visible(*was.Old, at) {
				continue
			}
			if err := fn(was.Key, *was.Old); err != nil {
				return err
			}
		}
	}
	return nil
}

// Net is what became of one record between two times.
type Net struct {
	Key      record.Key
	Old, New *record.Record // as in an Image
	// Time is that of the last change.
	Time time.Time
}

// Changes visits what became of the records of a table that changed behind one
// time and until another, each once. The errors are those of RecordsAt.
func (m *Moment) Changes(ctx context.Context, id record.TableID, from, to time.Time, fn func(Net) error) error {
	cut, err := m.cut(ctx, id, from)
	if err != nil {
		return err
	}
	for segment := range cut.segments {
		q := Scan{Table: id, Segment: segment, Segments: cut.segments}
		net := map[string]*Net{}
		err := m.images(ctx, q.Table, cut.cursor, func(i Image) (bool, error) {
			if i.Time.After(to) {
				return false, nil
			}
			if !q.holds(i.Key) {
				return true, nil
			}
			n, ok := net[string(dataKey(i.Key))]
			if !ok {
				n = &Net{Key: i.Key, Old: i.Old}
				net[string(dataKey(i.Key))] = n
			}
			n.New, n.Time = i.New, i.Time
			return true, nil
		})
		if err != nil {
			return err
		}
		for _, n := range net {
			if n.Old == nil && n.New == nil {
				continue
			}
			if err := fn(*n); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut is a place in an image log.
type cut struct {
	cursor   ImageCursor // what comes behind it is behind a time
	segments int         // how many parts what comes behind it is looked at in
}

// cut finds the place in the image log where a time ends.
func (m *Moment) cut(ctx context.Context, id record.TableID, at time.Time) (c cut, err error) {
	t, err := m.store.table(id)
	if err != nil {
		return c, err
	}
	mark, found, err := imageMarkOf(m.snapshot, id)
	switch {
	case err != nil:
		return c, err
	case !t.KeepsImages() || !found:
		return c, fmt.Errorf("%w: %s", ErrNoImages, t.Name)
	case at.UnixMilli() < mark.Time:
		return c, fmt.Errorf("%w: table %s since %v", ErrTooOld, t.Name, time.UnixMilli(mark.Time).UTC())
	}
	c.cursor = mark.ImageCursor
	it := m.snapshot.Scan(kv.Range{From: append(imageKey(id, mark.Sequence, mark.Index), 0), To: successor(tableKey(spaceImages, id))})
	defer func() { err = errors.Join(err, it.Close()) }()
	var size uint64
	for it.Next() {
		if err := ctx.Err(); err != nil {
			return c, err
		}
		h, err := parseImageHead(it.Key(), it.Value())
		if err != nil {
			return c, err
		}
		if size == 0 && h.Time <= at.UnixMilli() {
			c.cursor = ImageCursor{Sequence: h.Sequence, Index: h.Index}
			continue
		}
		size += h.size
	}
	c.segments = int(min(1+size/rewindBytes, rewindSegmentsMax))
	return c, it.Err()
}

// before collects the first image behind a cut of each record in a segment.
func (m *Moment) before(ctx context.Context, q Scan, c cut) (map[string]Image, error) {
	first := map[string]Image{}
	return first, m.images(ctx, q.Table, c.cursor, func(i Image) (bool, error) {
		if !q.holds(i.Key) {
			return true, nil
		}
		if _, later := first[string(dataKey(i.Key))]; !later {
			i.New = nil
			first[string(dataKey(i.Key))] = i
		}
		return true, nil
	})
}

// images visits the images of a table behind a place until fn answers false.
func (m *Moment) images(ctx context.Context, id record.TableID, after ImageCursor, fn func(Image) (bool, error)) error {
	end := ImageCursor{Sequence: m.snapshot.Sequence(), Index: lastIndex}
	for {
		b, err := m.store.scanImages(ctx, m.snapshot, id, imageSpan{after, end}, Limit{Entries: imagesAtOnce})
		if err != nil {
			return err
		}
		for _, i := range b.Images {
			if more, err := fn(i); err != nil || !more {
				return err
			}
		}
		if !b.More {
			return nil
		}
		after = b.Next
	}
}
