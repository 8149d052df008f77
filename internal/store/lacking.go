package store

import (
	"fmt"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// lack says why this region does not hold a record that a peer holds (DATA 18).
type lack int

const (
	// notYet: it has not been here, and is applied like any other.
	notYet lack = iota
	// superseded: it was applied here, and is gone since.
	superseded
	// late: it was not applied here, while everything of its time was, in all
	// regions. It may have been deleted, and the delete forgotten.
	late
)

// judge says why a record is not here. What was applied here and is gone was
// deleted, and its tombstone collected: tombstones above Reached are kept. Only a
// region that has held the table whole can tell (DATA 17).
//
// A write of this region's own is never late: a directory that was restored from
// a copy has lost it, and while it does not know of that, what it reports of
// itself, and so Reached, is too high.
func (s *Store) judge(in *incoming) (lack, error) {
	if whole, err := s.holdsWhole(in.table); err != nil || !whole {
		return notYet, err
	}
	v := in.record.Version
	switch {
	case s.covers(v, in.record.Log):
		return superseded, nil
	case v.Region != s.config.Region && v.Time <= (*s.frontiers.Load())[in.key.Table].Reached:
		return late, nil
	}
	return notYet, nil
}

// holdsWhole reports whether this region has, or once had, all of a table.
func (s *Store) holdsWhole(t table.Table) (bool, error) {
	own, _, held := t.Holder(s.config.Region)
	if !held || own.Since == 0 {
		return held, nil
	}
	whole, err := s.Whole(t.ID)
	return whole >= own.Since, err
}

// covers reports whether the write of a version, by one life of its region's log,
// was applied here, or made here.
func (s *Store) covers(v record.Version, log record.LogID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Region != s.config.Region {
		c, known := s.vector[origin{v.Region, log}]
		return known && v.Time <= c.Version.Time // epochs order versions, not logs
	}
	for _, l := range s.chain {
		if l.ID != log {
			continue
		}
		end := l.EndVersion
		if l.Open {
			end = s.position.Cursor.Version
		}
		return v.Time <= end.Time
	}
	return false
}

// reconcile judges the records of a resend that are not here. Outdated ones are
// buried, for they live on where they came from; outdated tombstones have done
// their work, and are not in the list that is answered, which is to be merged.
func (s *Store) reconcile(list []incoming, buried *burials) ([]incoming, error) {
	kept := list[:0]
	var dead []incoming
	for i := range list {
		in := &list[i]
		_, found, err := load(s.engine, in.data)
		if err != nil {
			return nil, err
		}
		if !found {
			if in.lack, err = s.judge(in); err != nil {
				return nil, err
			}
		}
		gone := in.record.Tombstone || in.record.Expired
		if in.lack != notYet && gone {
			continue
		}
		if in.lack != notYet {
			dead = append(dead, *in)
		}
		kept = append(kept, *in)
	}
	for len(dead) > 0 {
		n := min(len(dead), buryMax)
		if err := s.bury(dead[:n], buried); err != nil {
			return nil, fmt.Errorf("bury outdated records: %w", err)
		}
		dead = dead[n:]
	}
	return kept, nil
}

// buryMax bounds the records of one entry of the log.
const buryMax = 256

// bury writes derived tombstones (DATA 9) of outdated records, as an entry of
// this region's log, so that they go wherever the records still are: a derived
// tombstone takes the place of exactly the version that it is made of, and loses
// to every later write. A late record leaves its receipt (DATA 8).
func (s *Store) bury(list []incoming, buried *burials) error {
	lockKeys := make([][]byte, len(list))
	for i := range list {
		lockKeys[i] = list[i].data
	}
	var b *burial
	own, err := s.engine.Begin(lockKeys, func(r kv.Reader) (*kv.Batch, error) {
		b = &burial{merger: merger{store: s, reader: r}}
		for i := range list {
			if err := b.add(&list[i]); err != nil {
				return nil, err
			}
		}
		if len(b.keys) == 0 {
			return nil, nil
		}
		b.plan = b.logged()
		return &kv.Batch{Ops: b.plan.ops, Seal: b.plan.seal}, nil
	})
	if err != nil {
		return s.noteFrozen(err)
	}
	if b.plan != nil {
		buried.add(b, own.Sequence)
		buried.records += len(b.keys)
	}
	return nil
}

// burials is what one Apply has buried, not yet durable.
type burials struct {
	list               []*burial
	sequence           uint64 // of the last one
	records, conflicts int
}

func (b *burials) add(one *burial, sequence uint64) {
	b.list = append(b.list, one)
	b.sequence = sequence
	b.conflicts += one.result.Conflicts
}

// settle takes the burials' effects, once durable.
func (b *burials) settle(s *Store) {
	for _, one := range b.list {
		s.logged(one.plan)
		s.noteConflicts(one.conflicted)
	}
}

// failed is an Apply that ends with err behind its burials, which stay.
func (b *burials) failed(s *Store, err error) (*Pending[ApplyResult], error) {
	if len(b.list) == 0 {
		return nil, err
	}
	return await(s, b.sequence, func() (ApplyResult, error) { b.settle(s); return ApplyResult{}, err }), nil
}

// burial builds the batch of one bury.
type burial struct {
	merger
	keys    []record.Key
	version record.Version
	plan    *plan
}

func (b *burial) add(in *incoming) error {
	// If the key was written meanwhile, Apply merges the two.
	if _, found, err := load(b.reader, in.data); found || err != nil {
		return err
	}
	if in.lack == late {
		if err := b.receipt(in, *record.ReceiptOf(in.record)); err != nil {
			return err
		}
	}
	r := in.record
	r.Context, r.Sequence, r.Expired = nil, 0, true
	b.ops = append(b.ops, kv.Op{Key: in.data, Value: encode(r)})
	b.keys = append(b.keys, in.key)
	b.own = max(b.own, r.Version.Time)
	b.version.Epoch = max(b.version.Epoch, in.table.Epoch, r.Version.Epoch)
	return nil
}

// logged makes it an entry of the log. The tombstones are to be collected when
// every region has applied the entry, not when they have the records' times.
func (b *burial) logged() *plan {
	s := b.store
	b.version.Region, b.version.Node = s.config.Region, s.config.Node
	p := &plan{
		store: s, ops: b.ops, records: len(b.keys), stamped: true, floor: b.own,
		cursor: Cursor{Log: s.log, Version: b.version},
	}
	p.ops = append(p.ops,
		kv.Op{Key: logKey(s.log, 0), Value: appendEntry(nil, entry{Version: b.version, Keys: b.keys})},
		stateOp(),
	)
	for _, op := range b.ops {
		p.tombstones = append(p.tombstones, len(p.ops))
		p.ops = append(p.ops, kv.Op{Key: tombstoneKey(op.Key, 0)})
	}
	p.ops = append(p.ops, b.extra...)
	return p
}
