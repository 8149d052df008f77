package store

import (
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// restoreAttributes writes again what a write to a table that merges by
// attribute lost, as an update of the item.
func (tx *Tx) restoreAttributes(key record.Key, receipt record.Record) error {
	lost, err := record.LossOf(receipt)
	if err != nil {
		return err
	}
	if lost.Deleted {
		return tx.Delete(key)
	}
	sl, err := tx.slot(key)
	if err != nil {
		return err
	}
	current, found, err := tx.Get(key)
	if err != nil {
		return err
	}
	o := PutOptions{Expires: current.Expires, Changed: &record.Change{Adds: lost.Added}}
	it, err := keyAttributes(sl.table, key)
	if found && err == nil {
		it, err = item.Decode(current.Value)
	}
	if err != nil {
		return err
	}
	for _, a := range lost.Set {
		it = it.Set(a.Name, a.Value)
		o.Changed.Attributes = append(o.Changed.Attributes, a.Name)
	}
	for _, name := range lost.Removed {
		it = it.Remove(name)
		o.Changed.Attributes = append(o.Changed.Attributes, name)
	}
	if !found || len(lost.Set) > 0 {
		keys, err := keyAttributes(sl.table, key)
		if err != nil {
			return err
		}
		for _, a := range keys {
			it = it.Set(a.Name, a.Value)
			o.Changed.Attributes = append(o.Changed.Attributes, a.Name)
		}
	}
	return tx.Put(key, item.Encode(nil, it), o)
}

// keyAttributes are the attributes that a record's key stands for.
func keyAttributes(t *table.Table, key record.Key) (item.Item, error) {
	partition, err := item.ParseOrdered(item.KindOf(t.Key.Type), key.Partition)
	if err != nil {
		return nil, err
	}
	it := item.Make(item.Attribute{Name: t.Key.Name, Value: partition})
	if t.Sort == nil {
		return it, nil
	}
	sort, err := item.ParseOrdered(item.KindOf(t.Sort.Type), key.Sort)
	return it.Set(t.Sort.Name, sort), err
}
