package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// A relay list has the references that came from one life of one origin's log,
// by time, per table (DATA 13): keyspace 'a', then table, origin, log, time, kind
// and the rest of the data key; a receipt's reference ends with the loser's
// version. Values are empty.
const (
	offsetRelayOrigin = 1 + 8
	offsetRelayLog    = offsetRelayOrigin + 2
	offsetRelayTime   = offsetRelayLog + 8
	offsetRelayKind   = offsetRelayTime + 8

	relayRecord  = 0
	relayReceipt = 1
)

// Mark is a place in one life of an origin's log, by time: everything up to and
// with Time. Times order a log as versions do not: an epoch can come before.
type Mark struct {
	Log  record.LogID
	Time hlc.Time
}

// place is where in an origin's log a batch stands, for the lists.
type place struct {
	origin record.RegionID
	mark   Mark
}

// listing says where the records of an Apply are listed.
func (a Apply) listing() place {
	switch {
	case a.Relayed.Origin != 0:
		return place{a.Relayed.Origin, a.Relayed.Last}
	case a.Cursor != (Cursor{}):
		return place{a.Origin, Mark{a.Cursor.Log, a.Cursor.Version.Time}}
	}
	return place{}
}

// relayKey is where a reference is listed; data is the record's data key.
func relayKey(data []byte, at place, kind byte) []byte {
	dst := make([]byte, 0, len(data)+offsetRelayKind+1+record.VersionSize)
	dst = append(append(dst, spaceRelay), data[1:9]...)
	dst = appendPlace(dst, at)
	return append(append(dst, kind), data[9:]...)
}

func appendPlace(dst []byte, at place) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(at.origin))
	dst = binary.BigEndian.AppendUint64(dst, uint64(at.mark.Log))
	return binary.BigEndian.AppendUint64(dst, uint64(at.mark.Time))
}

// relayFrom is below every key of a table's list of an origin at or above a
// mark; relayOrigin is the prefix that they share.
func relayFrom(id record.TableID, at place) []byte {
	return appendPlace(tableKey(spaceRelay, id), at)
}

func relayOrigin(id record.TableID, origin record.RegionID) []byte {
	return binary.BigEndian.AppendUint16(tableKey(spaceRelay, id), uint16(origin))
}

// reference is a decoded key of a list.
type reference struct {
	table record.TableID
	at    place
	data  []byte // the record's data key
	loser []byte // of a receipt: the encoded version
}

func parseRelayKey(key []byte) (reference, error) {
	bad := fmt.Errorf("%w: %x", errBadKey, key)
	if len(key) < offsetRelayKind+1+4 || key[0] != spaceRelay {
		return reference{}, bad
	}
	p := parser{src: key[1:]}
	r := reference{table: record.TableID(p.uint64())}
	r.at.origin = record.RegionID(p.uint16())
	r.at.mark = Mark{Log: record.LogID(p.uint64()), Time: hlc.Time(p.uint64())}
	rest := key[offsetRelayKind+1:]
	switch kind := key[offsetRelayKind]; {
	case kind == relayReceipt && len(rest) > record.VersionSize:
		cut := len(rest) - record.VersionSize
		rest, r.loser = rest[:cut], rest[cut:]
	case kind != relayRecord:
		return reference{}, bad
	}
	r.data = append(append([]byte{spaceData}, key[1:9]...), rest...)
	return r, nil
}

// list notes where an incoming record came from, whether or not it won. A write
// of the origin itself stands in the list at its own time, which is its entry's.
// The write of another region stands at the batch's place, for what the origin
// knew of it, and at its own place too: if that region dies, only this one may
// have it. What every region has is not listed; of a copy the
// donor's frontier says that. Nor is what the log of an origin brings, up to the
// batch's place, while no third region holds the table: one that is given it later is
// known to this region before its copy begins, and has all that was here by then from
// the copy (DATA 16).
func (m *merger) list(in *incoming, current record.Record, found bool) {
	v, s, at := in.record.Version, m.store, m.from
	reached := max((*s.frontiers.Load())[in.key.Table].Reached, m.everywhere[in.key.Table])
	own := place{v.Region, Mark{in.record.Log, v.Time}}
	if at.origin != 0 && at.origin != v.Region {
		m.relay(relayKey(in.data, at, relayRecord), kv.Set)
	}
	passed := at.origin == v.Region && at.mark.Log == in.record.Log && v.Time <= at.mark.Time
	if v.Region == s.config.Region || v.Time <= reached || passed && !s.thirds(in.table, v.Region) {
		return
	}
	// The place of the write that it follows says nothing that this one does not.
	if c := current.Version; found && c.Region == v.Region && current.Log == in.record.Log && reached < c.Time && c.Time < v.Time {
		m.relay(relayKey(in.data, place{c.Region, Mark{current.Log, c.Time}}, relayRecord), kv.Delete)
	}
	m.relay(relayKey(in.data, own, relayRecord), kv.Set)
}

// thirds reports whether a region beside this one and an origin holds a table.
func (s *Store) thirds(t *table.Table, origin record.RegionID) bool {
	third := func(r table.Replica) bool { return r.ID != s.config.Region && r.ID != origin }
	return slices.ContainsFunc(t.Replicas, third) || slices.ContainsFunc(t.Leaving, third)
}

// listReceipt notes where a receipt came from.
func (m *merger) listReceipt(in *incoming) {
	if m.from.origin == 0 || in.record.Version.Time <= (*m.store.floors.Load())[in.key.Table] {
		return
	}
	var loser [record.VersionSize]byte
	in.record.Version.Put(loser[:])
	m.relay(append(relayKey(in.data, m.from, relayReceipt), loser[:]...), kv.Set)
}

func (m *merger) relay(key []byte, kind kv.OpKind) {
	m.extra = append(m.extra, kv.Op{Kind: kind, Key: key})
	if kind == kv.Set {
		m.listed++
	} else {
		m.listed--
	}
}

// Relayed is how far a batch of a relay stands in the tail of a dead origin.
type Relayed struct {
	Origin record.RegionID
	Table  record.TableID
	// Last is the place of the last reference in the batch.
	Last Mark
	// Upto is up to where, per life of the log, the relayer has sent all there is;
	// it is noted with the batch.
	Upto []Mark
}

// Tail is a stretch of what a region holds of an origin for one table.
type Tail struct {
	Records []Shipped
	// Last is the place of the last reference; up to Done there are no others.
	Last, Done Mark
	// Next goes on behind it; nil at the end.
	Next []byte
	// Frontier is what the records are trimmed to (DATA 7).
	Frontier hlc.Time
	// Gap says that the list no longer reaches back to where it was asked for: it
	// was too long to keep, and only a resend has all.
	Gap bool
}

// TailQuery asks for the tail of an origin.
type TailQuery struct {
	Origin record.RegionID
	Table  record.TableID
	// After is what the asker has of it: per life of the log.
	After []Mark
	// From is Next of the stretch before.
	From []byte
	// Bytes bounds the stretch; at least one record is in it.
	Bytes int
}

// BeginReadTail reads the current records of what came from an origin behind the
// asker's marks, one life of its log at a time (DATA 13).
func (s *Store) BeginReadTail(q TailQuery) (*Pending[Tail], error) {
	if _, err := s.table(q.Table); err != nil {
		return nil, err
	}
	snapshot, frontiers := s.snapshot()
	r := tailReader{reader: snapshot, after: map[record.LogID]hlc.Time{}, seen: map[string]bool{}, tail: Tail{Frontier: frontiers[q.Table].Seen}}
	for _, m := range q.After {
		r.after[m.Log] = m.Time
	}
	err := r.read(q)
	if err == nil && q.From == nil {
		r.tail.Gap, err = s.gap(snapshot, q, r.after)
	}
	sequence := snapshot.Sequence()
	if err = errors.Join(err, snapshot.Close()); err != nil {
		return nil, fmt.Errorf("read the tail of region %d: %w", q.Origin, err)
	}
	return answer(s, sequence, r.tail), nil
}

// tailReader collects one stretch.
type tailReader struct {
	reader kv.Reader
	after  map[record.LogID]hlc.Time
	seen   map[string]bool
	tail   Tail
	bytes  int
}

func (r *tailReader) read(q TailQuery) error {
	prefix := relayOrigin(q.Table, q.Origin)
	from := prefix
	if bytes.HasPrefix(q.From, prefix) {
		from = q.From
	}
	for from != nil {
		var err error
		if from, err = r.stretch(kv.Range{From: from, To: successor(prefix)}, q.Bytes); err != nil {
			return err
		}
		if r.tail.Next != nil {
			return nil
		}
	}
	return nil
}

// stretch reads on until it is full, ends, or finds a place that the asker is
// past: then it answers where to go on.
func (r *tailReader) stretch(within kv.Range, limit int) (skip []byte, err error) {
	it := r.reader.Scan(within)
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.Next() {
		ref, err := parseRelayKey(it.Key())
		if err != nil {
			return nil, err
		}
		if has := r.after[ref.at.mark.Log]; ref.at.mark.Time <= has {
			return relayFrom(ref.table, place{ref.at.origin, Mark{ref.at.mark.Log, has + 1}}), nil
		}
		if len(r.tail.Records) > 0 && (r.bytes >= limit || r.tail.Last.Log != ref.at.mark.Log) {
			r.tail.Next = bytes.Clone(it.Key())
			if ref.at.mark == r.tail.Done {
				r.tail.Done.Time--
			}
			return nil, nil
		}
		if err := r.add(ref); err != nil {
			return nil, err
		}
	}
	return nil, it.Err()
}

// add puts what a reference names into the stretch, once; it may be gone.
func (r *tailReader) add(ref reference) error {
	key := ref.data
	if ref.loser != nil {
		key = receiptKey(ref.data, record.ParseVersion(ref.loser))
	}
	if r.seen[string(key)] {
		r.tail.Last, r.tail.Done = ref.at.mark, ref.at.mark
		return nil
	}
	raw, err := r.reader.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	own, err := parseDataKey(ref.data)
	if err != nil {
		return err
	}
	if len(raw) < record.HeaderSize {
		return record.ErrMalformed
	}
	record.PatchSequence(raw, 0)
	r.seen[string(key)] = true
	r.bytes += len(raw) + len(key)
	r.tail.Last, r.tail.Done = ref.at.mark, ref.at.mark
	kind := record.KindRecord
	if ref.loser != nil {
		kind = record.KindReceipt
	}
	r.tail.Records = append(r.tail.Records, Shipped{Kind: kind, Key: own, Record: raw})
	return nil
}

// Has answers, per life of an origin's log, up to where this region holds all of
// it for a table: what it pulled, and what was relayed. A table that is still
// being copied answers nothing: false.
func (s *Store) Has(origin record.RegionID, id record.TableID) ([]Mark, bool) {
	t, held := s.Table(id)
	if !held {
		return nil, false
	}
	if whole, err := s.holdsWhole(&t); err != nil || !whole {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	upto := map[record.LogID]hlc.Time{}
	for o, c := range s.vector {
		if o.Region == origin {
			upto[o.Log] = c.Version.Time
		}
	}
	for o, t := range s.relayed {
		if o.Table == id && o.Region == origin {
			upto[o.Log] = max(upto[o.Log], t)
		}
	}
	return marks(upto), true
}

// marks lists what a map says, in a fixed order.
func marks(upto map[record.LogID]hlc.Time) []Mark {
	list := make([]Mark, 0, len(upto))
	for _, log := range slices.Sorted(maps.Keys(upto)) {
		list = append(list, Mark{log, upto[log]})
	}
	return list
}

// tableOrigin is one life of an origin's log, for one table.
type tableOrigin struct {
	Table record.TableID
	origin
}

// relayedKey is where it stands how far an origin's log was relayed for a table.
func relayedKey(o tableOrigin) []byte {
	dst := binary.BigEndian.AppendUint64([]byte{spaceMeta, 'r'}, uint64(o.Table))
	dst = binary.BigEndian.AppendUint16(dst, uint16(o.Region))
	return binary.BigEndian.AppendUint64(dst, uint64(o.Log))
}

// ops note progress with a batch of a relay.
func (r Relayed) ops() []kv.Op {
	ops := make([]kv.Op, len(r.Upto))
	for i, m := range r.Upto {
		key := relayedKey(tableOrigin{r.Table, origin{r.Origin, m.Log}})
		ops[i] = kv.Op{Key: key, Value: binary.BigEndian.AppendUint64(nil, uint64(m.Time))}
	}
	return ops
}

// settleRelayed takes over, once durable, how far a relay has come; the caller
// holds mu.
func (s *Store) settleRelayed(r Relayed) {
	for _, m := range r.Upto {
		o := tableOrigin{r.Table, origin{r.Origin, m.Log}}
		s.relayed[o] = max(s.relayed[o], m.Time)
	}
}

// forgetRelayed removes what is noted of a table's relays.
func forgetRelayed(id record.TableID) []kv.Op {
	var ops []kv.Op
	for _, note := range []byte{'r', 'a'} {
		from := binary.BigEndian.AppendUint64([]byte{spaceMeta, note}, uint64(id))
		ops = append(ops, kv.Op{Kind: kv.DeleteRange, Key: from, Value: successor(from)})
	}
	return ops
}

func (s *Store) loadRelayed() error {
	prefix := []byte{spaceMeta, 'r'}
	it := s.engine.Scan(kv.Range{From: prefix, To: successor(prefix)})
	for it.Next() {
		k, v := parser{src: it.Key()[len(prefix):]}, parser{src: it.Value()}
		o := tableOrigin{record.TableID(k.uint64()), origin{record.RegionID(k.uint16()), record.LogID(k.uint64())}}
		s.relayed[o] = hlc.Time(v.uint64())
		if k.failed || v.failed || len(k.src)+len(v.src) != 0 {
			return errors.Join(fmt.Errorf("relay mark %x is damaged: %x", it.Key(), it.Value()), it.Close())
		}
	}
	return errors.Join(it.Err(), it.Close())
}
