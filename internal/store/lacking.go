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

// judge says why a record is not here, of a table that this region has held whole:
// only then it can tell (DATA 17). What was applied here and is gone was deleted, and
// its tombstone collected: tombstones above Reached are kept.
//
// A write of this region's own is never late: a directory that was restored from
// a copy has lost it, and while it does not know of that, what it reports of
// itself, and so Reached, is too high.
//
// One that knows that it has lost history takes what it would call late. It also
// does not believe its vector of an origin that does not hold the table any more:
// pulling anew has passed writes to it that were never sent.
func (s *Store) judge(in *incoming, lost bool) lack {
	v := in.record.Version
	switch {
	case s.covers(in.key.Table, v, in.record.Log):
		if _, _, holds := in.table.Holder(v.Region); lost && !holds {
			return notYet
		}
		return superseded
	case !lost && v.Region != s.config.Region && v.Time <= (*s.frontiers.Load())[in.key.Table].Reached:
		return late
	}
	return notYet
}

// holdsWhole reports whether this region has, or once had, all of a table.
func (s *Store) holdsWhole(t *table.Table) (bool, error) {
	own, _, held := t.Holder(s.config.Region)
	if !held || own.Since == 0 {
		return held, nil
	}
	whole, err := s.Whole(t.ID)
	return whole >= own.Since, err
}

// covers reports whether the write of a version to a table, by one life of its
// region's log, was applied here, or made here: pulled, or relayed when its region
// was dead (DATA 13), or given by a peer that had applied it (Apply.Given). Times tell: they rise along a log, versions need not, where
// tables of several epochs share it.
func (s *Store) covers(id record.TableID, v record.Version, log record.LogID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := origin{v.Region, log}
	if v.Time <= s.relayed[tableOrigin{id, o}] {
		return true
	}
	if v.Region != s.config.Region {
		c, known := s.vector[o]
		return known && v.Time <= c.Version.Time // epochs order versions, not logs
	}
	for _, l := range s.chain {
		if l.ID == log {
			return v.Time <= s.endOf(l)
		}
	}
	return false
}

// reconcile judges the records of a resend that are not here, of tables that this
// region has held whole. Outdated ones are
// buried, for they live on where they came from; outdated tombstones have done
// their work, and are not in the list that is answered, which is to be merged.
func (s *Store) reconcile(list []incoming, lost bool, buried *burials) ([]incoming, error) {
	kept, now := list[:0], s.config.Wall()
	var dead, here []incoming
	var about *table.Table // what whole says
	var whole bool
	for i := range list {
		in := &list[i]
		if in.table != about {
			var err error
			if whole, err = s.holdsWhole(in.table); err != nil {
				return nil, err
			}
			about = in.table
		}
		if in.kind != record.KindRecord || !whole {
			kept = append(kept, *in)
			continue
		}
		_, found, err := load(s.engine, in.data)
		if err != nil {
			return nil, err
		}
		if !found {
			in.lack = s.judge(in, lost)
		}
		if found && in.record.ByAttribute {
			here = append(here, *in)
		}
		// What is due dies where it came from, too, and needs no burial (DATA 9).
		gone := !visible(in.record, now)
		if in.lack != notYet && gone {
			continue
		}
		if in.lack != notYet {
			dead = append(dead, *in)
		}
		kept = append(kept, *in)
	}
	if err := s.retire(here, buried); err != nil {
		return nil, fmt.Errorf("retire outdated attributes: %w", err)
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
		b = &burial{merger: s.merger(r)}
		for i := range list {
			if err := b.add(&list[i]); err != nil {
				return nil, err
			}
		}
		if len(b.mentions) == 0 {
			return nil, nil
		}
		b.plan = b.planned()
		return &kv.Batch{Ops: b.plan.ops, Seal: b.plan.seal}, nil
	})
	if err != nil {
		return s.noteFrozen(err)
	}
	if b.plan != nil {
		buried.add(b, own.Sequence)
		buried.records += b.plan.records
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
	b.conflicts += len(one.conflicted)
	one.store.recount(one.conflicted)
}

// settle takes the burials' effects, once durable.
func (b *burials) settle(s *Store) {
	for _, one := range b.list {
		one.plan.entry.settle()
		one.keeper.settle()
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
	mentions []mention
	epoch    uint32
	plan     *plan
}

func (b *burial) add(in *incoming) error {
	// If the key was written meanwhile, Apply merges the two.
	if _, found, err := load(b.reader, in.data); found || err != nil {
		return err
	}
	if in.lack == late {
		receipts, err := record.ReceiptsOf(in.record)
		if err != nil {
			return err
		}
		for _, receipt := range receipts {
			if err := b.keep(in, receipt, true); err != nil {
				return err
			}
		}
	}
	r, err := record.Bury(in.record)
	if err != nil {
		return err
	}
	b.ops = append(b.ops, kv.Op{Key: in.data, Value: encode(r)})
	b.mentions = append(b.mentions, mention{Key: in.key})
	b.own = max(b.own, r.Version.Time)
	b.epoch = max(b.epoch, in.table.Epoch, r.Version.Epoch)
	return nil
}

// planned makes it an entry of the log, with the receipts. The tombstones are to
// be collected when every region has applied the entry, not when they have the
// records' times.
func (b *burial) planned() *plan {
	p := &plan{store: b.merger.store, ops: b.ops, records: len(b.mentions), stamped: true, floor: b.own}
	var tombstones []kv.Op
	for _, op := range b.ops {
		tombstones = append(tombstones, kv.Op{Key: tombstoneKey(op.Key, 0)})
	}
	p.log(append(b.mentions, b.made...), b.epoch, tombstones, b.places)
	return p
}
