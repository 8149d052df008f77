package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

var (
	// ErrCursorUnknown wraps why a cursor does not lie on this region's chain of
	// logs: one side lost or invented history, and must reconcile (DATA 5).
	ErrCursorUnknown = errors.New("cursor is not on this region's log")
	// ErrCursorTrimmed wraps a cursor whose next entries are collected: its
	// owner must join anew.
	ErrCursorTrimmed = errors.New("the log no longer reaches back to the cursor")
)

// Limit bounds a batch that ReadLog answers. The first entry is always in it.
type Limit struct {
	// Bytes of keys and records; default 1 MiB.
	Bytes int
	// Entries of the log; default 4096.
	Entries int
}

// Shipped is an item on its way between regions: a current record, a receipt, or
// a table's floor of receipts, by its kind.
type Shipped struct {
	Kind   record.Kind
	Key    record.Key
	Record []byte
}

// Batch is a stretch of the log with the values that its keys hold now.
type Batch struct {
	// From and To enclose the entries; To is the receiver's next cursor.
	From, To Cursor
	// Entries counts the log entries; Records are fewer where keys repeat or
	// hold nothing.
	Entries int
	Records []Shipped
	// Frontiers are those that the records are trimmed to, for the tables in the
	// batch: the receiver counts everything at or below as seen (DATA 7).
	Frontiers map[record.TableID]hlc.Time
	// Sequence is the highest commit that the batch shows: the batch may leave
	// once that is durable (WaitDurable; DATA 3).
	Sequence uint64
	// More says that the log goes on behind To.
	More bool
}

// ReadLog reads the entries behind a cursor and the current values of their
// keys, each key once (DATA 11). tables says which tables the receiver holds
// (DATA 22); nil is all. An empty batch whose To equals From is the log's end.
func (s *Store) ReadLog(ctx context.Context, after Cursor, limit Limit, tables func(record.TableID) bool) (b Batch, err error) {
	if limit.Bytes == 0 {
		limit.Bytes = 1 << 20
	}
	if limit.Entries == 0 {
		limit.Entries = 4096
	}
	snapshot, frontiers := s.snapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	// The trim mark is read after the snapshot: it is raised before entries go,
	// so it covers all that the snapshot misses.
	chain, trimmed := s.history()
	link, start, err := locate(snapshot, chain, trimmed, after)
	if err != nil {
		return Batch{}, err
	}
	r := logReader{
		snapshot: snapshot, frontiers: frontiers, tables: tables, limit: limit,
		shipped: map[string]bool{},
		batch:   Batch{From: after, To: start, Frontiers: map[record.TableID]hlc.Time{}},
	}
	for r.batch.Entries == 0 {
		if err := r.read(ctx); err != nil {
			return Batch{}, err
		}
		if r.batch.Entries > 0 || link+1 == len(chain) {
			break
		}
		link++
		next := chain[link]
		r.batch.To = Cursor{Log: next.ID, Sequence: next.Start, Version: next.StartVersion}
	}
	r.batch.More = r.batch.More || (r.batch.Entries > 0 && link+1 < len(chain))
	return r.batch, nil
}

// BeginReadLog is ReadLog, whose batch may leave when it is finished.
func (s *Store) BeginReadLog(after Cursor, limit Limit, tables func(record.TableID) bool) (*Pending[Batch], error) {
	b, err := s.ReadLog(context.Background(), after, limit, tables)
	if err != nil {
		return nil, err
	}
	return answer(s, b.Sequence, b), nil
}

// snapshot answers a moment and the frontiers that hold in it: records in it are
// trimmed to no more, and have been joined with everything up to them. Seals
// publish raised frontiers before their batch is visible, so frontiers that are
// the same before and after are those of the moment.
func (s *Store) snapshot() (kv.Snapshot, map[record.TableID]frontier) {
	for {
		before := s.frontiers.Load()
		snapshot := s.engine.Snapshot()
		if s.frontiers.Load() == before {
			return snapshot, *before
		}
		_ = snapshot.Close() // nothing was read from it
	}
}

func (s *Store) history() ([]LogLink, trimMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chain, s.trimmed
}

// locate finds the link that a cursor lies on, and the position in it.
func locate(r kv.Reader, chain []LogLink, trimmed trimMark, c Cursor) (link int, start Cursor, err error) {
	if c == (Cursor{}) {
		first := chain[0]
		if first.Start != 0 || trimmed != (trimMark{}) {
			return 0, c, fmt.Errorf("%w: it begins after sequence %d", ErrCursorTrimmed, max(first.Start, trimmed.Cursor.Sequence))
		}
		return 0, Cursor{Log: first.ID}, nil
	}
	link = -1
	for i, l := range chain {
		if l.ID == c.Log {
			link = i
		}
	}
	if link < 0 {
		return 0, c, fmt.Errorf("%w: no log %x here", ErrCursorUnknown, uint64(c.Log))
	}
	l := chain[link]
	if c.Sequence < l.Start || (!l.Open && c.Sequence > l.End) {
		return 0, c, fmt.Errorf("%w: log %x has entries from %d to %d, not %d", ErrCursorUnknown, uint64(c.Log), l.Start, l.End, c.Sequence)
	}
	if c.Sequence < trimmed.Cursor.Sequence {
		return 0, c, fmt.Errorf("%w: %d, entries up to %d are collected", ErrCursorTrimmed, c.Sequence, trimmed.Cursor.Sequence)
	}
	version, err := versionAt(r, l, trimmed, c)
	if err != nil {
		return 0, c, err
	}
	if version != c.Version {
		return 0, c, fmt.Errorf("%w: entry %d has version %v, not %v", ErrCursorUnknown, c.Sequence, version, c.Version)
	}
	return link, c, nil
}

// versionAt answers the version of the entry that a cursor names.
func versionAt(r kv.Reader, l LogLink, trimmed trimMark, c Cursor) (record.Version, error) {
	switch {
	case c.Sequence == l.Start:
		return l.StartVersion, nil
	case c.Log == trimmed.Cursor.Log && c.Sequence == trimmed.Cursor.Sequence:
		return trimmed.Cursor.Version, nil
	}
	raw, err := r.Get(logKey(c.Log, c.Sequence))
	if errors.Is(err, kv.ErrNotFound) {
		return record.Version{}, fmt.Errorf("%w: log %x has no entry %d", ErrCursorUnknown, uint64(c.Log), c.Sequence)
	}
	if err != nil {
		return record.Version{}, err
	}
	e, err := parseEntryHead(raw)
	return e.Version, err
}

// logReader collects one batch from one life of the log.
type logReader struct {
	snapshot  kv.Snapshot
	frontiers map[record.TableID]frontier
	tables    func(record.TableID) bool
	limit     Limit
	shipped   map[string]bool // engine keys of what is in the batch
	bytes     int
	batch     Batch
}

// read goes on from batch.To until its life of the log ends or the limit is met.
func (r *logReader) read(ctx context.Context) (err error) {
	from := logKey(r.batch.To.Log, r.batch.To.Sequence+1)
	it := r.snapshot.Scan(kv.Range{From: from, To: successor(from[:9])})
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		if r.batch.Entries > 0 && (r.batch.Entries >= r.limit.Entries || r.bytes >= r.limit.Bytes) {
			r.batch.More = true
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := parseEntry(it.Value())
		if err != nil {
			return err
		}
		for _, ref := range e.Mentions {
			if err := r.add(ref); err != nil {
				return err
			}
		}
		r.batch.To.Sequence, r.batch.To.Version = logSequence(it.Key()), e.Version
		r.batch.Sequence = max(r.batch.Sequence, r.batch.To.Sequence)
		r.batch.Entries++
	}
	return it.Err()
}

// add puts what a mention names into the batch, as it is now. One that names
// nothing any more ships nothing: it is never read as a delete (DATA 11).
func (r *logReader) add(ref mention) error {
	if r.tables != nil && !r.tables(ref.Key.Table) {
		return nil
	}
	at := ref.at()
	if r.shipped[string(at)] {
		return nil
	}
	raw, err := r.snapshot.Get(at)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if ref.Kind == record.KindRecord {
		sequence, err := record.SequenceOf(raw)
		if err != nil {
			return err
		}
		record.PatchSequence(raw, 0)
		r.batch.Sequence = max(r.batch.Sequence, sequence)
	}
	r.shipped[string(at)] = true
	r.bytes += len(raw) + len(at)
	r.batch.Frontiers[ref.Key.Table] = r.frontiers[ref.Key.Table].Seen
	r.batch.Records = append(r.batch.Records, Shipped{Kind: ref.Kind, Key: cloneKey(ref.Key), Record: raw})
	return nil
}

// cloneKey answers a key that owns its memory.
func cloneKey(k record.Key) record.Key {
	return record.Key{Table: k.Table, Partition: append([]byte{}, k.Partition...), Sort: bytes.Clone(k.Sort)}
}

// Behind counts the entries of this region's log that are behind a cursor. An
// unknown cursor has all that are kept behind it.
func (s *Store) Behind(c Cursor) (entries uint64) {
	s.mu.Lock()
	position, ordinal, trimmed, chain := s.position.Cursor, s.ordinal, s.trimmed, s.chain
	s.mu.Unlock()
	if c == position {
		return 0
	}
	before := trimmed.Ordinal
	if at, err := s.entriesUpTo(chain, c); err == nil {
		before = max(before, at)
	}
	return ordinal - min(before, ordinal)
}

// entriesUpTo is the ordinal of the last entry that a cursor covers. There is
// none at a cursor that stands where a life of the log begins, so the first
// entry behind it tells.
func (s *Store) entriesUpTo(chain []LogLink, c Cursor) (ordinal uint64, err error) {
	link := slices.IndexFunc(chain, func(l LogLink) bool { return l.ID == c.Log })
	if link < 0 {
		return 0, ErrCursorUnknown
	}
	raw, err := s.engine.Get(logKey(c.Log, c.Sequence))
	if err == nil {
		e, err := parseEntryHead(raw)
		return e.Ordinal, err
	}
	for _, l := range chain[link:] {
		e, found, err := s.firstEntry(l.ID, c.Sequence)
		if err != nil {
			return 0, err
		}
		if found {
			return e.Ordinal - 1, nil
		}
	}
	return 0, ErrCursorUnknown
}

// firstEntry reads the head of a log's first entry behind a sequence.
func (s *Store) firstEntry(log record.LogID, after uint64) (e entry, found bool, err error) {
	from := logKey(log, after+1)
	it := s.engine.Scan(kv.Range{From: from, To: successor(from[:9])})
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Next() {
		return entry{}, false, it.Err()
	}
	e, err = parseEntryHead(it.Value())
	return e, err == nil, err
}
