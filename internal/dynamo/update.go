package dynamo

import (
	"context"
	"slices"

	"github.com/meridian-run/meridian/internal/item"
)

// updateItem changes an item, or makes one of its key and the update.
func updateItem(ctx context.Context, c *call) error {
	w, key, err := c.begin("Key", "UpdateExpression", "ConditionExpression")
	if err != nil {
		return err
	}
	if err := w.update(key); err != nil {
		return err
	}
	return w.run(ctx)
}

// update makes the write one that applies its update expression to the item of a
// key.
func (w *write) update(key item.Item) error {
	if err := w.at(w.call.keyFrom, key); err != nil {
		return err
	}
	w.needsOld, w.updates = true, true
	w.next = func(old item.Item) (item.Item, error) { return w.updated(old, key) }
	return nil
}

// checkUpdated refuses to change key attributes, and to give an index's key a
// value of another type.
func (w *write) checkUpdated() error {
	if w.bound.update == nil {
		return nil
	}
	changed := w.bound.update.Attributes()
	for a := range attributes(w.table) {
		if slices.Contains(changed, a.Name) {
			return invalidValues("Cannot update attribute %s. This attribute is part of the key", a.Name)
		}
	}
	for _, x := range w.table.Indexes {
		for a := range x.Attributes() {
			if kind := w.bound.update.Kind(a.Name); kind != item.None && kind.String() != a.Type {
				return indexType(w.table, a, kind)
			}
		}
	}
	return nil
}

// checkIndexed is checkUpdated of the values that depended on the item. What an
// update leaves alone may have any type: the index may be younger.
func (w *write) checkIndexed(next item.Item) error {
	if len(w.table.Indexes) == 0 {
		return nil
	}
	changed := w.bound.update.Attributes()
	for _, x := range w.table.Indexes {
		for a := range x.Attributes() {
			if !slices.Contains(changed, a.Name) {
				continue
			}
			if err := checkUpdatedKey(x, a, next.Get(a.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// updated is the item after the update.
func (w *write) updated(old, key item.Item) (item.Item, error) {
	u := w.bound.update
	if !w.existed {
		old = key
	}
	if u == nil {
		return old, nil
	}
	next, err := u.Apply(old)
	if err != nil {
		return nil, err
	}
	if !w.existed && !u.Creates() {
		w.kept = true // removing attributes from nothing makes no item
		return nil, nil
	}
	if next.Size() > itemMax {
		return nil, invalid("Item size to update has exceeded the maximum allowed size")
	}
	return next, w.checkIndexed(next)
}
