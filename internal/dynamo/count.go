package dynamo

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	// countStep bounds the records that one step of counting reads.
	countStep = 4096
	// A table is counted again after countRest times as long as counting it took,
	// within countAgainMin and countAgainMax: AWS counts every six hours.
	countRest     = 1000
	countAgainMin = 10 * time.Second
	countAgainMax = 6 * time.Hour
	gigabyte      = 1 << 30
)

// size is how many items there are, and what they hold, as AWS counts it.
type size struct {
	items, bytes int64
}

func (s *size) add(bytes int) {
	s.items++
	s.bytes += int64(bytes)
}

// counted is the last count of a table here.
type counted struct {
	table   size
	indexes map[string]size // by name
	// collections are the item collections of a gigabyte and more, in gigabytes.
	collections map[string]int64
}

// counting is a count that is under way, and when tables are due for the next.
// Only Count uses it.
type counting struct {
	table *table.Table // nil: none
	due   map[record.TableID]time.Time
	took  time.Duration
	after *record.Key
	counted
	collection size // of the partition of after
}

// Count is one step of counting the items of the tables here, for DescribeTable.
// It reports whether another step is due at once. Call it from one goroutine
// only.
func (s *Server) Count(ctx context.Context) (more bool, err error) {
	c, began := &s.counting, s.config.Now()
	if c.table == nil && !s.beginCount(began) {
		return false, nil
	}
	read := 0
	q := store.Scan{Table: c.table.ID, After: c.after}
	err = s.config.Store.Scan(ctx, q, func(k record.Key, r record.Record) (bool, error) {
		read++
		return read < countStep, c.add(k, r)
	})
	now := s.config.Now()
	c.took += now.Sub(began)
	if err != nil {
		c.end(now)
		return false, err
	}
	if read == countStep {
		return true, nil
	}
	c.endCollection()
	done := c.counted
	s.counts.Store(c.table.ID, &done)
	c.end(now)
	return true, nil
}

// beginCount finds a table that is due, and reports whether there is one.
func (s *Server) beginCount(now time.Time) bool {
	tables, c := s.config.Store.Tables(), &s.counting
	for id, due := range c.due {
		if _, held := tables[id]; !held {
			delete(c.due, id)
			s.counts.Delete(id)
		} else if due.After(now) {
			delete(tables, id)
		}
	}
	for _, t := range tables {
		if t.Memory {
			continue
		}
		c.table = &t
		c.counted = counted{indexes: map[string]size{}, collections: map[string]int64{}}
		c.took, c.after, c.collection = 0, nil, size{}
		return true
	}
	return false
}

// add counts one record.
func (c *counting) add(k record.Key, r record.Record) error {
	bytes, err := item.StoredSize(r.Value)
	if err != nil {
		return err
	}
	c.counted.table.add(bytes)
	c.enter(k)
	c.collection.add(bytes)
	if len(c.table.Indexes) == 0 {
		return nil
	}
	it, err := item.Decode(r.Value)
	if err != nil {
		return err
	}
	for _, x := range c.table.Indexes {
		if indexEntry(c.table, x, it) == nil {
			continue
		}
		n, sum := projected(c.table, x, it).Size(), c.indexes[x.Name]
		sum.add(n)
		c.indexes[x.Name] = sum
		if x.Local {
			c.collection.add(n)
		}
	}
	return nil
}

// enter goes on to a record; they come partition by partition.
func (c *counting) enter(k record.Key) {
	if c.after != nil && !bytes.Equal(c.after.Partition, k.Partition) {
		c.endCollection()
	}
	c.after = &record.Key{Table: k.Table, Partition: slices.Clone(k.Partition), Sort: slices.Clone(k.Sort)}
}

func (c *counting) endCollection() {
	if whole := c.collection.bytes / gigabyte; whole > 0 {
		c.collections[string(c.after.Partition)] = whole
	}
	c.collection = size{}
}

// end says when the table is due again.
func (c *counting) end(now time.Time) {
	if c.due == nil {
		c.due = map[record.TableID]time.Time{}
	}
	c.due[c.table.ID] = now.Add(min(max(countRest*c.took, countAgainMin), countAgainMax))
	c.table = nil
}

// counted is the last count of a table; all is zero before the first.
func (s *Server) counted(id record.TableID) counted {
	if c, ok := s.counts.Load(id); ok {
		return *c.(*counted)
	}
	return counted{}
}
