package equality

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

const (
	// dueMargin is how long before their time records stop to count: above the
	// skew of two clocks and the time a comparison takes.
	dueMargin = 30 * time.Second
	// listMax is below how many records the keys of a range are listed instead of
	// halving it further.
	listMax = 512
	// fanout is into how many parts a range is cut at once: four halvings for one
	// round trip.
	fanout = 16
	// KeysMax bounds the keys of one look and of one page of a list, so that they fit
	// in one message however long keys are.
	KeysMax = 128
	// differMax bounds the keys of a range that are looked at again: a table that
	// differs everywhere needs no list of everything.
	differMax = 10_000
	// lookEvery and looksMax say how long a key may stay unsettled: until then
	// replication has carried it, or it is behind by more.
	lookEvery = 250 * time.Millisecond
	looksMax  = 40
	// Patience is how long that is in all.
	Patience = looksMax * lookEvery
)

// Side is one region's part in a comparison. What it answers is durable there
// (DATA 3).
type Side interface {
	// Sums answers the digest of each range, and the frontier that the region
	// trims the table to.
	Sums(ctx context.Context, b Basis, ranges []Hashes) ([]Sum, hlc.Time, error)
	// List answers what counts in a range, in the order of the keys, from behind a
	// key on (nil: all), at most KeysMax; more says that it goes on.
	List(ctx context.Context, b Basis, within Hashes, after *record.Key) (held []Held, more bool, err error)
	// Look answers what is held of each key, in their order.
	Look(ctx context.Context, b Basis, keys []record.Key) (Looked, error)
}

// Looked is the answer to a Look.
type Looked struct {
	Held []Held `json:"held"`
	// Frontier is what the region trims the table to.
	Frontier hlc.Time `json:"frontier,string"`
	// Applied is what the region had applied before it looked.
	Applied Applied `json:"applied"`
}

// Comparison compares what two regions hold of one table.
type Comparison struct {
	Table record.TableID
	// TTL is the table's expiry attribute, where it has one.
	TTL  string
	A, B Side
	// Now reads the wall clock.
	Now func() time.Time
	// Pause waits, or answers ctx's error.
	Pause func(ctx context.Context, d time.Duration) error

	frontier hlc.Time // highest that either side told
}

// Result is what a comparison found in a range.
type Result struct {
	// Different are the keys that the two do not hold alike.
	Different []Pair
	// Unsettled are those of which it cannot be said, because one of the two has
	// not applied yet what the other has.
	Unsettled []Pair
	// BehindA and BehindB say which of the two had not applied by then what the
	// other had when it was first looked at.
	BehindA, BehindB bool
	// Cut says that more keys differ than are listed.
	Cut bool
}

// Compare finds what differs in a range.
func (c *Comparison) Compare(ctx context.Context, within Hashes) (Result, error) {
	if c.frontier == 0 {
		// Nothing is summed; the answers bring the frontiers.
		if _, err := c.sums(ctx, nil); err != nil {
			return Result{}, err
		}
	}
	var suspects []record.Key
	var cut bool
	for open := []Hashes{within}; len(open) > 0 && !cut; {
		next, err := c.narrow(ctx, open)
		if err != nil {
			return Result{}, err
		}
		open = open[:0]
		for _, n := range next {
			if n.records > listMax && n.hashes.To-n.hashes.From > 1 {
				open = append(open, n.hashes.Split(fanout)...)
				continue
			}
			keys, err := c.list(ctx, n.hashes)
			if err != nil {
				return Result{}, err
			}
			suspects = append(suspects, keys...)
			if cut = len(suspects) > differMax; cut {
				break
			}
		}
	}
	slices.SortFunc(suspects, compareKeys)
	result, err := c.settle(ctx, suspects)
	result.Cut = cut
	return result, err
}

func (c *Comparison) basis() Basis {
	return Basis{Table: c.Table, TTL: c.TTL, Frontier: c.frontier, Due: c.Now().Add(dueMargin).Unix()}
}

// sums asks both sides at once, so that they read about the same moment.
func (c *Comparison) sums(ctx context.Context, ranges []Hashes) (p struct{ a, b []Sum }, err error) {
	b := c.basis()
	var told [2]hlc.Time
	err = both(func() (err error) { p.a, told[0], err = c.A.Sums(ctx, b, ranges); return },
		func() (err error) { p.b, told[1], err = c.B.Sums(ctx, b, ranges); return })
	c.frontier = max(c.frontier, told[0], told[1])
	if err == nil && (len(p.a) != len(ranges) || len(p.b) != len(ranges)) {
		err = fmt.Errorf("asked for %d sums, got %d and %d", len(ranges), len(p.a), len(p.b))
	}
	return p, err
}

// narrowed is a range that differs.
type narrowed struct {
	hashes  Hashes
	records uint64
}

// narrow answers those of the ranges that differ, and how much is in them.
func (c *Comparison) narrow(ctx context.Context, ranges []Hashes) ([]narrowed, error) {
	var out []narrowed
	for part := range slices.Chunk(ranges, KeysMax) {
		p, err := c.sums(ctx, part)
		if err != nil {
			return nil, err
		}
		for i, r := range part {
			if p.a[i] != p.b[i] {
				out = append(out, narrowed{hashes: r, records: max(p.a[i].Records, p.b[i].Records)})
			}
		}
	}
	return out, nil
}

// list answers the keys of a range that the sides do not hold alike.
func (c *Comparison) list(ctx context.Context, within Hashes) ([]record.Key, error) {
	b := c.basis()
	var here, there []Held
	err := both(func() (err error) { here, err = all(ctx, c.A, b, within); return },
		func() (err error) { there, err = all(ctx, c.B, b, within); return })
	if err != nil {
		return nil, err
	}
	other := make(map[string]Held, len(there))
	for _, h := range there {
		other[keyText(h.Key)] = h
	}
	var keys []record.Key
	for _, h := range here {
		if !h.same(other[keyText(h.Key)]) {
			keys = append(keys, h.Key)
		}
		delete(other, keyText(h.Key))
	}
	for _, h := range other {
		keys = append(keys, h.Key)
	}
	return keys, nil
}

// all reads every page of a list.
func all(ctx context.Context, s Side, b Basis, within Hashes) ([]Held, error) {
	var out []Held
	var after *record.Key
	for {
		page, more, err := s.List(ctx, b, within, after)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		if !more || len(page) == 0 {
			return out, nil
		}
		after = &page[len(page)-1].Key
	}
}

func both(a, b func() error) error {
	done := make(chan error, 1)
	go func() { done <- b() }()
	return cmp.Or(a(), <-done)
}

func keyText(k record.Key) string {
	return fmt.Sprintf("%d:%s%s", len(k.Partition), k.Partition, k.Sort)
}

func compareKeys(a, b record.Key) int {
	return cmp.Or(bytes.Compare(a.Partition, b.Partition), bytes.Compare(a.Sort, b.Sort))
}
