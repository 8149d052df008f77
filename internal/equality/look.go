package equality

import (
	"context"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/record"
)

// suspect is a key that differed when it was first looked at.
type suspect struct {
	key    record.Key
	before Pair
	now    Pair
}

// settle looks at keys again and again, until each one is found equal or
// different, or has had its time. A side that was behind all that time is not
// waited for again: the keys that are left stay unsettled.
func (c *Comparison) settle(ctx context.Context, keys []record.Key) (result Result, err error) {
	for part := range slices.Chunk(keys, KeysMax) {
		if result.BehindA || result.BehindB {
			for _, k := range part {
				result.Unsettled = append(result.Unsettled, Pair{A: Held{Key: k}, B: Held{Key: k}})
			}
			continue
		}
		if err := c.settlePart(ctx, part, &result); err != nil {
			return result, err
		}
	}
	return result, nil
}

// settlePart adds to a result what becomes of some keys.
func (c *Comparison) settlePart(ctx context.Context, keys []record.Key, result *Result) error {
	list := make([]suspect, len(keys))
	for i, k := range keys {
		list[i].key = k
	}
	var hadA, hadB Applied // before the first look
	var behindA, behindB bool
	for look := range looksMax {
		if look > 0 {
			if err := c.Pause(ctx, lookEvery); err != nil {
				return err
			}
		}
		a, b, err := c.look(ctx, list)
		if err != nil {
			return err
		}
		if look == 0 {
			hadA, hadB = a.Applied, b.Applied
			list = slices.DeleteFunc(list, func(s suspect) bool { return s.now.A.same(s.now.B) })
			for i := range list {
				list[i].before = list[i].now
			}
			continue
		}
		behindA, behindB = !a.Applied.covers(hadB), !b.Applied.covers(hadA)
		if list, result.Different = judge(list, !behindA && !behindB, result.Different); len(list) == 0 {
			return nil
		}
	}
	result.BehindA, result.BehindB = behindA, behindB
	for _, s := range list {
		result.Unsettled = append(result.Unsettled, s.now)
	}
	return nil
}

// judge answers the suspects that stay, and those that were found different with
// what was found before.
func judge(list []suspect, caughtUp bool, found []Pair) (stay []suspect, _ []Pair) {
	for _, s := range list {
		switch settle(s.before, s.now, caughtUp) {
		case different:
			found = append(found, s.now)
		case unsettled:
			if caughtUp { // it changes: what it is now counts from here
				s.before = s.now
			}
			stay = append(stay, s)
		}
	}
	return stay, found
}

// look reads what both sides hold of the suspects now. A side that has trimmed
// further than it was asked to compare is asked again.
func (c *Comparison) look(ctx context.Context, list []suspect) (a, b Looked, err error) {
	keys := make([]record.Key, len(list))
	for i, s := range list {
		keys[i] = s.key
	}
	for range looksMax {
		basis := c.basis()
		err = both(func() (err error) { a, err = c.A.Look(ctx, basis, keys); return },
			func() (err error) { b, err = c.B.Look(ctx, basis, keys); return })
		if err != nil {
			return a, b, err
		}
		if len(a.Held) != len(keys) || len(b.Held) != len(keys) {
			return a, b, fmt.Errorf("asked for %d keys, got %d and %d", len(keys), len(a.Held), len(b.Held))
		}
		c.frontier = max(c.frontier, a.Frontier, b.Frontier)
		if c.frontier == basis.Frontier {
			break
		}
	}
	for i := range list {
		list[i].now = Pair{A: a.Held[i], B: b.Held[i]}
	}
	return a, b, nil
}
