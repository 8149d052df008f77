package record

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/item"
)

// increment is what one life of one region's log has added to a counter since it
// was last set (DATA 10). Last is the version of the latest increment in it, by
// which copies of it are compared; First is that of the first one: a receipt of
// it keeps that version, however many increments follow.
type increment struct {
	region      RegionID
	log         LogID
	first, last Version
	sum         *item.Sum
}

func compareIncrements(a, b increment) int {
	return cmp.Or(cmp.Compare(a.region, b.region), cmp.Compare(a.log, b.log))
}

// seen is the increment as an entry of a context.
func (n increment) seen(discarded bool) Seen {
	return Seen{Region: n.region, Log: n.log, Version: n.last, Discarded: discarded}
}

// record is the increment as a write that can lose.
func (n increment) record() Record { return Record{Version: n.last, Log: n.log} }

// later is the newer of two copies. Sums differ only between receipts of one
// increment, of which the larger one says more.
func later(a, b increment) increment {
	if order := cmp.Or(a.last.Compare(b.last), a.sum.Cmp(b.sum)); order < 0 {
		a, b = b, a
	}
	if b.first.Compare(a.first) < 0 {
		a.first = b.first
	}
	return a
}

// joinIncrements is the union of two lists, the later copy of each.
func joinIncrements(a, b []increment) []increment {
	if len(a) == 0 {
		return b
	}
	out := make([]increment, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := compareIncrements(a[0], b[0]); {
		case order < 0:
			out, a = append(out, a[0]), a[1:]
		case order > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, later(a[0], b[0])), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// seenIncrements are entries of a context for what was added.
func seenIncrements(adds []increment) []Seen {
	out := make([]Seen, len(adds))
	for i, n := range adds {
		out[i] = n.seen(false)
	}
	return out
}

// counted is the counter's value: base and increments, rounded to what a number
// can hold. An increment of what is no number counts for nothing.
func (c *cell) counted() ([]byte, error) {
	total := &item.Sum{}
	if !c.base.Tombstone {
		v, err := item.DecodeValue(c.base.Value)
		if err != nil {
			return nil, fmt.Errorf("%w: counter %s: %w", ErrMalformed, c.name, err)
		}
		if v.Kind != item.N {
			return c.base.Value, nil
		}
		total.Add(v)
	}
	for _, n := range c.adds {
		total.Plus(n.sum)
	}
	v, _ := total.Value()
	return item.EncodeValue(nil, v), nil
}

// add counts n, in the life of the log that writes version.
func (c *cell) add(n *item.Sum, version Version, log LogID) {
	next := increment{region: version.Region, log: log, first: version, last: version, sum: &item.Sum{}}
	i, known := slices.BinarySearchFunc(c.adds, next, compareIncrements)
	c.adds = slices.Clone(c.adds)
	if known {
		next.first = c.adds[i].first
		next.sum.Plus(c.adds[i].sum)
	} else {
		c.adds = slices.Insert(c.adds, i, next)
	}
	next.sum.Plus(n)
	c.adds[i] = next
}

// lost is what of an increment a new value of the counter replaced unseen: all
// of it, but for what the new value's writer had found and replaced knowingly.
func lost(n increment, taken []increment) increment {
	i, known := slices.BinarySearchFunc(taken, n, compareIncrements)
	if !known || taken[i].last.Compare(n.first) < 0 {
		return n
	}
	sum := &item.Sum{}
	sum.Plus(n.sum)
	sum.Minus(taken[i].sum)
	n.sum = sum
	return n
}
