package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// Get answers a record; false if there is none, a tombstone, or one whose time
// is up. It returns once what it reveals is durable (DATA 3). The record belongs
// to the caller.
func (s *Store) Get(ctx context.Context, key record.Key) (record.Record, bool, error) {
	r, found, err := s.get(key)
	if err == nil {
		err = s.WaitDurable(ctx, r.Sequence)
	}
	if err != nil || !found {
		return record.Record{}, false, err
	}
	return r, true, nil
}

// Reading is what a Get found.
type Reading struct {
	Record record.Record
	Found  bool
}

// BeginGet is the first half of Get.
func (s *Store) BeginGet(key record.Key) (*Pending[Reading], error) {
	r, found, err := s.get(key)
	if err != nil {
		return nil, err
	}
	if !found {
		return answer(s, r.Sequence, Reading{}), nil
	}
	return answer(s, r.Sequence, Reading{Record: r, Found: true}), nil
}

// get reads a record, whose sequence has to be durable before anything is told,
// and whether readers see it.
func (s *Store) get(key record.Key) (r record.Record, seen bool, err error) {
	if _, err := s.table(key.Table); err != nil {
		return r, false, err
	}
	r, found, err := load(s.engine, dataKey(key))
	return r, found && visible(r, s.config.Wall()), err
}

// GetAll answers records as they are at one moment, as Get does each.
func (s *Store) GetAll(ctx context.Context, keys []record.Key) (all []Reading, err error) {
	snapshot := s.engine.Snapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	now, highest := s.config.Wall(), uint64(0)
	all = make([]Reading, len(keys))
	for i, key := range keys {
		if _, err := s.table(key.Table); err != nil {
			return nil, err
		}
		r, found, err := load(snapshot, dataKey(key))
		if err != nil {
			return nil, err
		}
		highest = max(highest, r.Sequence)
		if found && visible(r, now) {
			all[i] = Reading{Record: r, Found: true}
		}
	}
	return all, s.WaitDurable(ctx, highest)
}

// Bound is one end of a range of sort keys.
type Bound struct {
	// Key is the sort key at the end; nil is no bound.
	Key []byte
	// Exclude leaves Key itself out.
	Exclude bool
}

// Scan says which records to visit.
type Scan struct {
	Table record.TableID
	// Partition visits one partition, in the order of its sort keys. Nil visits
	// all partitions, in an order that is fixed but means nothing.
	Partition []byte
	// From and To bound the sort keys; only with Partition.
	From, To Bound
	// Segment of Segments visits a part of all partitions; the parts are
	// disjoint and make up the whole. Zero Segments is the whole.
	Segment, Segments int
	// After goes on behind this key, in the direction of the scan.
	After *record.Key
	// Reverse visits the highest sort key first.
	Reverse bool
}

// Scan visits live records until fn answers false. Keys and records belong to
// fn. Results may be used only once Scan has returned nil: it waits at its end
// until all that it showed is durable (DATA 3).
func (s *Store) Scan(ctx context.Context, q Scan, fn func(record.Key, record.Record) (more bool, err error)) error {
	p, err := s.BeginScan(ctx, q, fn)
	_, err = wait(ctx, p, err)
	return err
}

// BeginScan is the first half of Scan: it has visited all when it returns. ctx
// ends a visit.
func (s *Store) BeginScan(ctx context.Context, q Scan, fn func(record.Key, record.Record) (more bool, err error)) (*Pending[None], error) {
	if _, err := s.table(q.Table); err != nil {
		return nil, err
	}
	if q.Segments < 0 || q.Segments > 1<<16 || (q.Segments > 0 && (q.Segment < 0 || q.Segment >= q.Segments)) {
		return nil, errors.New("scan: segment must be below the number of segments, at most 65536")
	}
	highest, err := visit(ctx, s.engine, s.config.Wall(), q, fn)
	if err != nil {
		return nil, err
	}
	return answer(s, highest, None{}), nil
}

// visit runs the scan and answers the highest sequence among what it passed,
// tombstones too: absence reveals them.
func visit(ctx context.Context, reader kv.Reader, now time.Time, q Scan, fn func(record.Key, record.Record) (bool, error)) (highest uint64, err error) {
	it := reader.Scan(q.keys())
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		r, err := record.Parse(bytes.Clone(it.Value()))
		if err != nil {
			return 0, err
		}
		highest = max(highest, r.Sequence)
		if !visible(r, now) {
			continue
		}
		key, err := parseDataKey(it.Key())
		if err != nil {
			return 0, err
		}
		more, err := fn(key, r)
		if err != nil {
			return 0, err
		}
		if !more {
			return highest, nil
		}
	}
	return highest, it.Err()
}

// keys is the range of data keys that a scan visits.
func (q Scan) keys() kv.Range {
	r := kv.Range{Reverse: q.Reverse}
	switch {
	case q.Partition != nil:
		prefix := partitionKey(q.Table, q.Partition)
		r.From, r.To = prefix, successor(prefix)
		if q.From.Key != nil {
			r.From = edge(prefix, q.From.Key, q.From.Exclude)
		}
		if q.To.Key != nil {
			r.To = edge(prefix, q.To.Key, !q.To.Exclude)
		}
	case q.Segments > 1:
		r.From = segmentKey(q.Table, q.Segment, q.Segments)
		r.To = segmentKey(q.Table, q.Segment+1, q.Segments)
	default:
		r.From = tableKey(spaceData, q.Table)
		r.To = successor(r.From)
	}
	if q.After == nil {
		return r
	}
	after := dataKey(*q.After)
	if q.Reverse {
		if bytes.Compare(after, r.To) < 0 {
			r.To = after
		}
	} else if after = append(after, 0); bytes.Compare(after, r.From) > 0 {
		r.From = after
	}
	if bytes.Compare(r.From, r.To) > 0 {
		r.To = r.From
	}
	return r
}

// Continues reports whether After, if there is one, lies in the segment.
func (q Scan) Continues() bool {
	return q.After == nil || q.holds(*q.After)
}

// holds reports whether a key lies in the segment.
func (q Scan) holds(k record.Key) bool {
	if q.Segments <= 1 {
		return true
	}
	data := dataKey(k)
	return bytes.Compare(data, segmentKey(q.Table, q.Segment, q.Segments)) >= 0 &&
		bytes.Compare(data, segmentKey(q.Table, q.Segment+1, q.Segments)) < 0
}

// edge is the key of a bound: the sort key itself, or just past it.
func edge(prefix, sort []byte, past bool) []byte {
	key := append(bytes.Clone(prefix), sort...)
	if past {
		key = append(key, 0)
	}
	return key
}

// segmentKey is where a segment of a table's hash range begins.
func segmentKey(id record.TableID, segment, segments int) []byte {
	if segment == segments {
		return successor(tableKey(spaceData, id))
	}
	return binary.BigEndian.AppendUint16(tableKey(spaceData, id), uint16(segment*(1<<16)/segments))
}

// View calls fn with a reader of one moment, for index entries that observers
// wrote (IndexKey) and the records they point to (ReadRecord). What fn found may
// be used only once View has returned: it waits until that moment is durable,
// an error of fn too (DATA 3).
func (s *Store) View(ctx context.Context, fn func(kv.Reader) error) error {
	p, err := s.BeginView(fn)
	_, err = wait(ctx, p, err)
	return err
}

// BeginView is the first half of View. An error of fn comes from the second.
func (s *Store) BeginView(fn func(kv.Reader) error) (*Pending[None], error) {
	snapshot := s.engine.Snapshot()
	sequence := snapshot.Sequence()
	found := fn(snapshot)
	if err := snapshot.Close(); err != nil {
		return nil, err
	}
	return await(s, sequence, func() (None, error) { return None{}, found }), nil
}
