package store

import (
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// retire looks through the records of a resend that are here, too, in tables that
// merge by attribute, for attributes that were removed here so long ago that it
// is forgotten (DATA 18). Their derived tombstones are an entry of this region's
// log, so that they go wherever the attributes still are.
func (s *Store) retire(list []incoming, buried *burials) error {
	for len(list) > 0 {
		n := min(len(list), buryMax)
		if err := s.retireSome(list[:n], buried); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func (s *Store) retireSome(list []incoming, buried *burials) error {
	lockKeys := make([][]byte, len(list))
	for i := range list {
		lockKeys[i] = list[i].data
	}
	var b *burial
	own, err := s.engine.Begin(lockKeys, func(r kv.Reader) (*kv.Batch, error) {
		b = &burial{merger: s.merger(r)}
		p := &plan{store: s}
		var places [][]byte
		for i := range list {
			gone, err := b.retire(p, &list[i])
			if err != nil {
				return nil, err
			}
			if gone {
				places = append(places, list[i].data)
			}
		}
		if len(b.mentions) == 0 {
			return nil, nil
		}
		b.plan = b.stated(p, places)
		return &kv.Batch{Ops: b.plan.ops, Seal: b.plan.seal}, nil
	})
	if err != nil {
		return s.noteFrozen(err)
	}
	if b.plan != nil {
		buried.add(b, own.Sequence)
	}
	return nil
}

// retire plans the derived tombstones of one record; gone says that the record is
// a tombstone itself. Readers see no change: the attributes are not here.
func (b *burial) retire(p *plan, in *incoming) (gone bool, err error) {
	s := b.store
	if whole, err := s.holdsWhole(in.table); err != nil || !whole {
		return false, err // only who held it whole can tell (DATA 17)
	}
	current, found, err := load(b.reader, in.data)
	if err != nil || !found {
		return false, err
	}
	next := record.Record{Log: s.log, Version: record.Version{
		Epoch: max(in.table.Epoch, current.Version.Epoch), Region: s.config.Region, Node: s.config.Node,
	}}
	covered := func(v record.Version, log record.LogID) bool { return s.covers(in.key.Table, v, log) }
	next, retired, err := record.Retire(current, in.record, next, covered)
	if err != nil || !retired {
		return false, err
	}
	p.floor = max(p.floor, current.Version.Time)
	p.ops = append(p.ops, kv.Op{Key: in.data, Value: encode(next)})
	b.mentions = append(b.mentions, mention{Key: in.key})
	b.epoch = max(b.epoch, next.Version.Epoch)
	return next.Tombstone || next.Expired, nil
}
