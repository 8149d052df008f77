package record

import "slices"

// Retire is current, a record that is merged by attribute, with derived
// tombstones (DATA 9) of the attributes that incoming still has, although the
// writes of all that they hold were applied here and are gone since: they were
// removed, and that was forgotten (DATA 18). A derived tombstone takes the place
// of exactly that value. The record is one of next's version, whose time is still
// to be stamped; it is false if there is nothing to retire.
func Retire(current, incoming, next Record, gone func(Version, LogID) bool) (Record, bool, error) {
	a, err := expand(current)
	if err != nil {
		return Record{}, false, err
	}
	b, err := expand(incoming)
	if err != nil {
		return Record{}, false, err
	}
	retired := false
	for i := range b.cells {
		c := &b.cells[i]
		if _, held := a.find(c.name); held || !c.live() || !c.gone(gone) {
			continue
		}
		dead, context := c.newest(), seenIncrements(c.adds)
		if dead.Version.Compare(a.floor.Version) <= 0 {
			continue // it loses as things are
		}
		dead.Context = TrimContext(dead, context, 0)
		dead.Tombstone, dead.Expired = true, true
		a.set(cell{name: c.name, base: dead})
		retired = true
	}
	if !retired {
		return Record{}, false, nil
	}
	out, err := a.collapse(Record{Version: next.Version, Log: next.Log})
	return out, true, err
}

// gone reports whether all that the cell holds is gone elsewhere.
func (c *cell) gone(gone func(Version, LogID) bool) bool {
	if !c.base.Tombstone && !gone(c.base.Version, c.base.Log) {
		return false
	}
	return !slices.ContainsFunc(c.adds, func(n increment) bool { return !gone(n.last, n.log) })
}

// newest is version and log of the latest write in the cell.
func (c *cell) newest() Record {
	r := Record{Version: c.base.Version, Log: c.base.Log}
	for _, n := range c.adds {
		if r.Version.Compare(n.last) < 0 {
			r.Version, r.Log = n.last, n.log
		}
	}
	return r
}
