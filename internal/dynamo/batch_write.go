package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// put is one write of a BatchWriteItem.
type put struct {
	name    string       // as the request names the table
	table   *table.Table // shared by all that write it
	key     record.Key
	item    item.Item
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
		if c.measures() {
			c.appendCost(putCost(puts))
		}
		var writes []written
		for _, p := range puts {
			if c.asksCollections() {
				writes = append(writes, written{*p.table, p.key})
			}
		}
		err := c.collectionsMetrics(writes)
		c.out = append(c.out, '}')
		return err
	})
}

func (p *put) apply(c *call, tx *store.Tx) error {
	if c.measures() {
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
	start := len(c.stored)
	c.stored = item.Encode(c.stored, p.item)
	return tx.Put(p.key, c.stored[start:], store.PutOptions{})
}

// putCost is what puts consume, by table.
func putCost(puts []put) (c cost) {
	for _, p := range puts {
		c.of(p.table, "").addWrite(p.table, p.old, p.item)
	}
	return c
}

// readPuts reads and checks the whole request before anything is written: first
// what does not depend on tables.
func (c *call) readPuts() ([]put, error) {
	puts := make([]put, 0, batchWriteMax)
	items := c.request.Get("RequestItems")
	for list, ok := items.First(); ok; list, ok = list.Next() {
		for child, ok := list.First(); ok; child, ok = child.Next() {
			p, err := c.readPut(child)
			if err != nil {
				return nil, err
			}
			p.name = list.Key()
			if puts = append(puts, p); len(puts) > batchWriteMax {
				return nil, invalid("Too many items requested for the BatchWriteItem call")
			}
		}
	}
	seen := make(map[string]bool, len(puts))
	for i := range puts {
		p := &puts[i]
		if i > 0 && puts[i-1].name == p.name {
			p.table = puts[i-1].table
		}
		if err := p.locate(c); err != nil {
			return nil, err
		}
		id := identity(p.key)
		if seen[id] {
			return nil, invalid(duplicateKeys)
		}
		seen[id] = true
	}
	return puts, nil
}

// readPut reads one PutRequest or DeleteRequest.
func (c *call) readPut(n item.Node) (p put, err error) {
	putRequest, deleteRequest := n.Get("PutRequest"), n.Get("DeleteRequest")
	if putRequest.Exists() == deleteRequest.Exists() {
		return p, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	if deleteRequest.Exists() {
		p.deleted = true
		p.item, err = item.FromJSON(deleteRequest.Get("Key"))
		return p, err
	}
	p.item, err = item.FromJSON(putRequest.Get("Item"))
	if err == nil && c.tooLarge(p.item) {
		err = errItemSize
	}
	return p, err
}

// locate finds the table, if there is none yet, and where in it the item is.
func (p *put) locate(c *call) (err error) {
	if p.table == nil {
		t, err := c.tableNamed(tableFrom(p.name))
		if err != nil {
			return err
		}
		p.table = &t
	}
	if p.deleted {
		p.key, err = c.keyFrom(*p.table, p.item)
		p.item = nil
		return err
	}
	if err = schemaKeys(*p.table, p.item); err != nil {
		return err
	}
	if p.key, err = c.keyOf(*p.table, p.item); err != nil {
		return err
	}
	return checkIndexKeys(*p.table, p.item)
}
