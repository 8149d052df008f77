package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// ErrElsewhere wraps which region takes a table's writes instead of this one.
var ErrElsewhere = errors.New("the table is written in another region")

// term is this region's time as the primary of a table, in one epoch.
type term struct {
	epoch uint32
	// included says, for each life of each origin's log, up to when its writes
	// were applied here when the term began (DATA 20).
	included map[origin]hlc.Time
}

// termKey is where the term of a table stands.
func termKey(id record.TableID) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), spaceMeta, 'p'), uint64(id))
}

// takesWrites refuses tables that another region writes.
func (s *Store) takesWrites(t *table.Table) error {
	if t.Primary == "" || t.PrimaryID() == s.config.Region {
		return nil
	}
	return fmt.Errorf("%w: table %s is written in %s", ErrElsewhere, t.Name, t.Primary)
}

// outdated refuses a write that began in an epoch which is over: it would take
// the epoch of the record that it replaces, and a promotion would not have ended
// it (DATA 2, 19).
func (sl *slot) outdated() error {
	if sl.table.Primary == "" || !sl.found || sl.current.Version.Epoch <= sl.table.Epoch {
		return nil
	}
	return fmt.Errorf("%w: the primary of table %s has moved just now", ErrElsewhere, sl.table.Name)
}

// TakeTerm notes, durably, that this region begins to write tables as their
// primary in an epoch, and what of the epochs before it has: what it has not, it
// will not adopt (DATA 20). Call it when nobody else writes them any more, and
// before the first write here. Taking the same term again begins it anew.
func (s *Store) TakeTerm(ctx context.Context, epoch uint32, ids ...record.TableID) error {
	p, err := s.BeginTakeTerm(epoch, ids...)
	_, err = wait(ctx, p, err)
	return err
}

// BeginTakeTerm is the first half of TakeTerm.
func (s *Store) BeginTakeTerm(epoch uint32, ids ...record.TableID) (*Pending[None], error) {
	next := term{epoch: epoch, included: s.appliedTimes()}
	var ops []kv.Op
	for _, id := range ids {
		ops = append(ops, kv.Op{Kind: kv.Set, Key: termKey(id), Value: next.encode()})
	}
	return s.change(ops, func() {
		for _, id := range ids {
			s.terms.Store(id, next)
		}
	})
}

// appliedTimes is how far each life of each origin's log was applied here.
func (s *Store) appliedTimes() map[origin]hlc.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	times := make(map[origin]hlc.Time, len(s.vector))
	for o, c := range s.vector {
		times[o] = c.Version.Time
	}
	return times
}

// Term answers the epoch of the last term that this region took for a table;
// false if it took none, or has lost its disk since.
func (s *Store) Term(id record.TableID) (epoch uint32, ok bool, err error) {
	t, err := s.term(id)
	return t.epoch, t.included != nil, err
}

func (s *Store) term(id record.TableID) (term, error) {
	if known, ok := s.terms.Load(id); ok {
		return known.(term), nil
	}
	raw, err := s.engine.Get(termKey(id))
	if errors.Is(err, kv.ErrNotFound) {
		s.terms.LoadOrStore(id, term{})
		return term{}, nil
	}
	if err != nil {
		return term{}, s.noteFrozen(err)
	}
	t, err := parseTerm(raw)
	if err != nil {
		return t, fmt.Errorf("the term of table %x is damaged: %w", uint64(id), err)
	}
	s.terms.LoadOrStore(id, t)
	return t, nil
}

func (t term) encode() []byte {
	dst := binary.BigEndian.AppendUint64(nil, uint64(t.epoch))
	for o, at := range t.included {
		dst = binary.BigEndian.AppendUint16(dst, uint16(o.Region))
		dst = binary.BigEndian.AppendUint64(dst, uint64(o.Log))
		dst = binary.BigEndian.AppendUint64(dst, uint64(at))
	}
	return dst
}

func parseTerm(raw []byte) (term, error) {
	p := parser{src: raw}
	t := term{epoch: uint32(p.uint64()), included: map[origin]hlc.Time{}}
	for len(p.src) > 0 && !p.failed {
		o := origin{Region: record.RegionID(p.uint16()), Log: record.LogID(p.uint64())}
		t.included[o] = hlc.Time(p.uint64())
	}
	if p.failed {
		return term{}, fmt.Errorf("%w: %x", errBadKey, raw)
	}
	return t, nil
}

// includes reports whether the promotion that began the term included a write.
// Writes of this region's own that come back were here.
func (t term) includes(r record.Record, self record.RegionID) bool {
	at, known := t.included[origin{r.Version.Region, r.Log}]
	return r.Version.Region == self || known && r.Version.Time <= at
}

// latecomers answers those of a batch that this region, as their table's primary, does
// not adopt: of a lower epoch, and not included in its promotion (DATA 20).
func (s *Store) latecomers(list []incoming) (late []incoming, err error) {
	for _, in := range list {
		if in.kind != record.KindRecord || in.table.Primary == "" || in.record.Version.Epoch >= in.table.Epoch || in.table.PrimaryID() != s.config.Region {
			continue
		}
		t, err := s.term(in.key.Table)
		if err != nil {
			return nil, err
		}
		// Without the term, the disk was lost: all there is comes from the others.
		if t.included != nil && t.epoch == in.table.Epoch && !t.includes(in.record, s.config.Region) {
			late = append(late, in)
		}
	}
	return late, nil
}

// restate answers latecomers, before they are merged, with what the keys hold:
// one entry of this region's log restates it under the table's epoch, with a
// context that covers them, and keeps their receipts. So they lose the merge
// that follows, here and in every region that took them (DATA 20).
func (s *Store) restate(list []incoming, done *burials) error {
	late, err := s.latecomers(list)
	for len(late) > 0 && err == nil {
		n := min(len(late), buryMax)
		err = s.restateSome(late[:n], done)
		late = late[n:]
	}
	return err
}

func (s *Store) restateSome(list []incoming, done *burials) error {
	lockKeys := make([][]byte, len(list))
	for i := range list {
		lockKeys[i] = list[i].data
	}
	var b *burial
	own, err := s.engine.Begin(lockKeys, func(r kv.Reader) (*kv.Batch, error) {
		b = &burial{merger: s.merger(r)}
		b.pending = map[string]record.Record{}
		if err := b.restateAll(list); err != nil || len(b.mentions) == 0 {
			return nil, err
		}
		return &kv.Batch{Ops: b.plan.ops, Seal: b.plan.seal}, nil
	})
	if err != nil {
		return s.noteFrozen(err)
	}
	if b.plan != nil {
		done.add(b, own.Sequence)
	}
	return nil
}

// restateAll plans the batch of one restatement.
func (b *burial) restateAll(list []incoming) error {
	s := b.store
	p := &plan{store: s}
	var deleted [][]byte
	for i := range list {
		if err := b.restate(&list[i]); err != nil {
			return err
		}
		// Above all that came too late: a tombstone may go with the frontier.
		p.floor = max(p.floor, list[i].record.Version.Time)
	}
	for i := range list {
		in := &list[i]
		next, restated := b.pending[string(in.data)]
		if !restated {
			continue
		}
		delete(b.pending, string(in.data)) // named twice, restated once
		current, found, err := load(b.reader, in.data)
		if err != nil {
			return err
		}
		p.floor = max(p.floor, current.Version.Time)
		p.ops = append(p.ops, kv.Op{Key: in.data, Value: encode(next)})
		b.mentions = append(b.mentions, mention{Key: in.key})
		b.epoch = max(b.epoch, next.Version.Epoch)
		if next.Tombstone {
			deleted = append(deleted, in.data)
		}
		change := Change{Table: in.table, Key: in.key, Old: present(current, found), New: present(next, true), Cause: Local, Version: next.Version}
		if err := s.observe(change, &b.writes); err != nil {
			return err
		}
	}
	if len(b.mentions) > 0 {
		b.plan = b.stated(p, deleted)
	}
	return nil
}

// stated makes it an entry of the log, like any write of this region.
func (b *burial) stated(p *plan, deleted [][]byte) *plan {
	p.records = len(b.mentions)
	var tombstones []kv.Op
	for _, data := range deleted {
		tombstones = append(tombstones, kv.Op{Key: tombstoneKey(data, 0)})
	}
	p.log(append(b.mentions, b.made...), b.epoch, tombstones, append(b.places, b.writes.ops...))
	p.image(b.writes)
	return p
}

// restate merges a latecomer into what its key holds, stated anew.
func (b *burial) restate(in *incoming) error {
	s := b.store
	current, found, err := b.current(in.data)
	if err != nil {
		return err
	}
	if found && current.Version.Compare(in.record.Version) >= 0 {
		return nil // it loses as things are, or has come before
	}
	frontier := s.Frontier(in.key.Table)
	next := record.Record{
		Version: record.Version{Epoch: in.table.Epoch, Region: s.config.Region, Node: s.config.Node}, Log: s.log,
		Tombstone: !found || current.Tombstone || current.Expired,
	}
	if found {
		next.Context = record.Overwrite(current, s.config.Region, s.log, frontier)
	}
	if !next.Tombstone {
		next.Value, next.Expires = current.Value, current.Expires
	}
	// The frontier says nothing here: the promotion did not include it.
	out, err := record.Merge(next, in.record, record.Frontiers{})
	if err != nil {
		return err
	}
	for _, receipt := range out.Receipts {
		if err := b.keep(in, receipt, true); err != nil {
			return err
		}
	}
	b.pending[string(in.data)] = out.Record
	return nil
}
