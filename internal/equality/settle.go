package equality

import (
	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// Pair is what the two sides hold of one key.
type Pair struct {
	A, B Held
}

// verdict says what two looks at a key tell.
type verdict int

const (
	// equal: both hold the same, or what differed has arrived and something newer
	// is on its way.
	equal verdict = iota
	// unsettled: it may still be on its way, look again.
	unsettled
	// different: what one side had at the first look is still not at the other,
	// or they keep unequal bytes of one version.
	different
)

// settle judges a key that differed at one look by a later one. Records only
// rise, so a side that has reached the highest version of the look before lacks
// nothing of then. caughtUp says that each side has, by now, applied all that
// the other had applied before the first look.
func settle(before, now Pair, caughtUp bool) verdict {
	switch {
	case now.A.same(now.B):
		return equal
	case !caughtUp:
		return unsettled
	case now.A.Version == now.B.Version:
		if now.A.same(before.A) && now.B.same(before.B) {
			return different
		}
		return unsettled
	case lower(now).Compare(higher(before)) >= 0:
		return equal
	}
	return different
}

func higher(p Pair) record.Version {
	if p.A.Version.Compare(p.B.Version) >= 0 {
		return p.A.Version
	}
	return p.B.Version
}

func lower(p Pair) record.Version {
	if p.A.Version.Compare(p.B.Version) >= 0 {
		return p.B.Version
	}
	return p.A.Version
}

// Applied is what a region has applied of each origin's log (DATA 14).
type Applied map[record.RegionID]hlc.Time

// covers reports whether a has all that b has.
func (a Applied) covers(b Applied) bool {
	for origin, t := range b {
		if a[origin] < t {
			return false
		}
	}
	return true
}
