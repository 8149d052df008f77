package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// put is one write of a BatchWriteItem: stored is nil for a delete.
type put struct {
	table   table.Table
	key     record.Key
	item    item.Item
	stored  []byte
	deleted bool
	old     item.Item // what was there, if the answer tells the capacity
}

// batchWriteItem puts and deletes up to 25 items. They commit together, which
// clients must not rely on: AWS does not promise it.
func batchWriteItem(ctx context.Context, c *call) error {
	puts, err := c.readPuts()
	if err != nil {
		return err
	}
	keys := make([]record.Key, len(puts))
	for i, p := range puts {
		keys[i] = p.key
	}
	return c.update(ctx, keys, func(tx *store.Tx) (wrote bool, err error) {
		for i := range puts {
			if err := puts[i].apply(c, tx); err != nil {
				return false, err
			}
		}
		return true, nil
	}, func() error {
		c.out = append(c.out, `{"UnprocessedItems":{}`...)
		if c.wantsCapacity() {
			c.appendPutUnits(puts)
		}
		c.out = append(c.out, '}')
		return nil
	})
}

func (p *put) apply(c *call, tx *store.Tx) error {
	if c.wantsCapacity() {
		r, found, err := tx.Get(p.key)
		if err != nil {
			return err
		}
		if found {
			if p.old, err = item.Decode(r.Value); err != nil {
				return err
			}
		}
	}
	if p.deleted {
		return tx.Delete(p.key)
	}
	return tx.Put(p.key, p.stored, store.PutOptions{Expires: expiry(p.table, p.item, tx.Now)})
}

func (c *call) appendPutUnits(puts []put) {
	c.out = append(member(c.out, "ConsumedCapacity"), '[')
	var units consumed
	shown := 0
	for i, p := range puts {
		units.addWrite(&p.table, p.old, p.item)
		if i+1 == len(puts) || puts[i+1].table.ID != p.table.ID {
			c.out = comma(c.out, shown)
			c.out = c.appendCapacity(c.out, p.table.Name, units)
			units = consumed{}
			shown++
		}
	}
	c.out = append(c.out, ']')
}

// readPuts reads and checks the whole request before anything is written.
func (c *call) readPuts() ([]put, error) {
	var puts []put
	seen := map[string]bool{}
	items := c.request.Get("RequestItems")
	for n, ok := items.First(); ok; n, ok = n.Next() {
		if err := checkBatchName(n.Key()); err != nil {
			return nil, err
		}
		if n.Form() != item.Array {
			return nil, shape()
		}
		if n.Len() == 0 || len(puts)+n.Len() > batchWriteMax {
			return nil, batchLength(n)
		}
		t, err := c.tableNamed(tableFrom(n.Key()))
		if err != nil {
			return nil, err
		}
		for child, ok := n.First(); ok; child, ok = child.Next() {
			p, err := c.readPut(t, child)
			if err != nil {
				return nil, err
			}
			if seen[identity(p.key)] {
				return nil, invalid(duplicateKeys)
			}
			seen[identity(p.key)] = true
			puts = append(puts, p)
		}
	}
	return puts, nil
}

func batchLength(n item.Node) error {
	if n.Len() == 0 {
		return invalid("1 validation error detected: Value '{%s=[]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]", n.Key())
	}
	return invalid("Too many items requested for the BatchWriteItem call")
}

// readPut reads one PutRequest or DeleteRequest.
func (c *call) readPut(t table.Table, n item.Node) (p put, err error) {
	p.table = t
	putRequest, deleteRequest := n.Get("PutRequest"), n.Get("DeleteRequest")
	if putRequest.Exists() == deleteRequest.Exists() {
		return p, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	if deleteRequest.Exists() {
		it, err := item.FromJSON(deleteRequest.Get("Key"))
		if err != nil {
			return p, err
		}
		p.deleted = true
		p.key, err = c.keyFrom(t, it)
		return p, err
	}
	if p.item, err = item.FromJSON(putRequest.Get("Item")); err != nil {
		return p, err
	}
	if p.key, err = c.keyOf(t, p.item); err != nil {
		return p, err
	}
	if p.item.Size() > itemMax {
		return p, invalid("Item size has exceeded the maximum allowed size")
	}
	p.stored = item.Encode(nil, p.item)
	return p, checkIndexKeys(t, p.item)
}
