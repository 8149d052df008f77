package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// write is one write of one item: what PutItem, UpdateItem and DeleteItem have
// in common.
type write struct {
	call  *call
	table table.Table
	key   record.Key
	bound bound
	// next makes the new item of the old one; nil is no item. It may set kept.
	next func(old item.Item) (new item.Item, err error)
	// needsOld says that next or the answer need the old item.
	needsOld bool
	// remove deletes instead; updates leaves alone what the update does not name.
	remove, updates bool
	// showOld says that the error of a failed condition has the old item.
	showOld bool
	// inserts says that the condition fails because there is an item.
	inserts bool

	old, new item.Item
	existed  bool
	kept     bool // everything stays as it is
}

// run does the write, and appends the answer to it once it is durable.
func (w *write) run(ctx context.Context) error { return w.runFor(ctx, w.answer) }

// runFor is run with another answer.
func (w *write) runFor(ctx context.Context, answer func() error) error {
	return w.call.update(ctx, []record.Key{w.key}, func(tx *store.Tx) (wrote bool, err error) {
		if w.reads() || w.call.measures() {
			if err := w.load(tx); err != nil {
				return false, err
			}
		}
		if err := w.test(); err != nil {
			return false, err
		}
		err = w.apply(tx)
		return !w.kept, err
	}, answer)
}

// reads reports whether the write depends on what is in the old item.
func (w *write) reads() bool { return w.needsOld || w.bound.condition != nil }

func (w *write) load(tx *store.Tx) error {
	r, found, err := tx.Get(w.key)
	if err != nil || !found {
		return err
	}
	w.existed = true
	w.old, err = item.Decode(r.Value)
	return err
}

// test judges the condition.
func (w *write) test() error {
	if w.bound.condition != nil && !w.bound.condition.Test(w.old) {
		return w.failed()
	}
	return nil
}

func (w *write) failed() error {
	if w.inserts {
		return errDuplicate
	}
	if w.showOld && w.existed {
		return conditionFailed(w.old)
	}
	return conditionFailed(nil)
}

func (w *write) apply(tx *store.Tx) (err error) {
	if w.remove {
		return tx.Delete(w.key)
	}
	if w.new, err = w.next(w.old); err != nil || w.kept {
		return err
	}
	c := w.call
	start := len(c.stored)
	c.stored = item.Encode(c.stored, w.new)
	stored := c.stored[start:]
	var o store.PutOptions
	if w.updates {
		o.Changed = w.change()
	}
	return tx.Put(w.key, stored, o)
}

// begin reads a request that is one write: its item or key under the name of
// parameter, its expressions, its table.
func (c *call) begin(parameter string, takes ...string) (*write, item.Item, error) {
	w, it, err := c.decode(c.request, parameter, takes...)
	if err != nil {
		return nil, nil, err
	}
	w.table, err = c.table()
	return w, it, err
}

// decode reads what of a write does not depend on the table, of n.
func (c *call) decode(n item.Node, parameter string, takes ...string) (*write, item.Item, error) {
	if err := c.checkGiven(n, takes); err != nil {
		return nil, nil, err
	}
	it, err := item.FromJSON(n.Get(parameter))
	if err != nil {
		return nil, nil, err
	}
	if parameter == "Item" {
		if err := c.checkPut(n, it); err != nil {
			return nil, nil, err
		}
	}
	w := &write{call: c, showOld: n.Get(returnOnFailed.name).Text() == "ALL_OLD"}
	if w.bound, err = c.bound(n, takes); err == nil {
		err = c.checkReturns(n)
	}
	return w, it, err
}

// checkPut refuses what AWS looks for in an item before it looks at expressions.
func (c *call) checkPut(n item.Node, it item.Item) error {
	if err := c.checkReturns(n); err != nil {
		return err
	}
	if c.tooLarge(it) {
		return errItemSize
	}
	return nil
}

// checkReturns refuses ReturnValues that only updates have.
func (c *call) checkReturns(n item.Node) error {
	returns := n.Get("ReturnValues").Text()
	if c.operation != "UpdateItem" && returns != "" && returns != "ALL_OLD" && returns != "NONE" {
		return invalid("ReturnValues can only be ALL_OLD or NONE")
	}
	return nil
}

// errItemSize refuses to put an item.
var errItemSize = invalid("Item size has exceeded the maximum allowed size")

// tooLarge reports whether an item of the request is larger than items may be;
// none is larger than its JSON.
func (c *call) tooLarge(it item.Item) bool { return len(c.body) > itemMax && it.Size() > itemMax }

// at says of which item the write is, once its table is known.
func (w *write) at(keyFn func(table.Table, item.Item) (record.Key, error), it item.Item) (err error) {
	if w.key, err = keyFn(w.table, it); err != nil {
		return err
	}
	if err := w.checkUpdated(); err != nil {
		return err
	}
	return w.bound.checkPaths(w.table)
}

// put makes the write one that replaces the item by it.
func (w *write) put(it item.Item) error {
	if err := w.at(w.call.keyOf, it); err != nil {
		return err
	}
	if w.call.tooLarge(it) {
		return errItemSize
	}
	w.next = func(item.Item) (item.Item, error) { return it, nil }
	return checkIndexKeys(w.table, it)
}

// delete makes the write one that deletes the item of a key.
func (w *write) delete(key item.Item) error {
	w.remove = true
	return w.at(w.call.keyFrom, key)
}

// putItem replaces an item.
func putItem(ctx context.Context, c *call) error { return c.replace(ctx, "Item", (*write).put) }

// deleteItem deletes an item; there need not be one.
func deleteItem(ctx context.Context, c *call) error { return c.replace(ctx, "Key", (*write).delete) }

// replace does a write that has nothing to return but the old item.
func (c *call) replace(ctx context.Context, parameter string, as func(*write, item.Item) error) error {
	w, it, err := c.begin(parameter, "ConditionExpression")
	if err != nil {
		return err
	}
	if err := as(w, it); err != nil {
		return err
	}
	w.needsOld = c.text("ReturnValues") == "ALL_OLD"
	return w.run(ctx)
}

// answer appends the attributes that ReturnValues asks for, and the capacity.
func (w *write) answer() error {
	c := w.call
	returns := c.text("ReturnValues")
	c.out = append(c.out, '{')
	var attributes item.Item
	switch returns {
	case "ALL_OLD":
		attributes = w.old
	case "ALL_NEW":
		attributes = w.new
	case "UPDATED_OLD":
		attributes = w.changed(w.old)
	case "UPDATED_NEW":
		attributes = w.changed(w.new)
	}
	if len(attributes) > 0 {
		c.out = attributes.AppendJSON(member(c.out, "Attributes"))
	}
	if c.measures() {
		c.capacity(w.table.Name, w.consumed())
	}
	err := c.collectionMetrics(w.table, w.key)
	c.out = append(c.out, '}')
	return err
}

// consumed is what the write cost; the old item has been loaded.
func (w *write) consumed() (units consumed) {
	new := w.new
	if w.kept {
		new = w.old
	}
	units.addWrite(&w.table, w.old, new)
	return units
}

func (w *write) changed(it item.Item) item.Item {
	if w.bound.update == nil {
		return nil
	}
	return w.bound.update.Changed(it)
}
