package dynamo

import (
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
)

// change says what an update changed of an item of a table that merges by
// attribute (DATA 10): the attributes that its expression names, as a whole where
// it reaches inside of one, and what it added to counters. An update that leaves
// any of them set says that the item is there, so its keys are among them; one
// that only removes says nothing of that, nor do increments of an item that is
// there: a delete at the same time wins over them.
func (w *write) change() *record.Change {
	if !w.table.MergesAttributes() {
		return nil
	}
	c := &record.Change{}
	there := !w.existed
	if u := w.bound.update; u != nil {
		for _, name := range u.Attributes() {
			if n, ok := u.Increment(name, w.old); ok && w.table.IsCounter(name) {
				sum := &item.Sum{}
				sum.Add(n)
				c.Adds = append(c.Adds, record.Add{Attribute: name, Amount: sum})
				continue
			}
			c.Attributes = append(c.Attributes, name)
			there = there || w.new.Get(name).Exists()
		}
	}
	if there {
		for a := range attributes(w.table) {
			c.Attributes = append(c.Attributes, a.Name)
		}
	}
	return c
}
