package record

import (
	"slices"
	"strconv"
	"time"

	"github.com/meridian-run/meridian/internal/item"
)

// expiryMax is how long ago an item may have died when it was written for its
// time to live to count at all: AWS takes older times for mistakes.
const expiryMax = 5 * 365 * 24 * time.Hour

// ExpiryOf is when an item dies that was written at a time and says so in an
// attribute, in Unix seconds; 0 is never. It depends on nothing else, so that all
// regions find the same.
func ExpiryOf(stored []byte, attribute string, written time.Time) int64 {
	parts, err := item.Split(stored)
	if err != nil {
		return 0
	}
	i, found := item.FindPart(parts, attribute)
	if !found {
		return 0
	}
	return expiryOf(parts[i].Value, written)
}

func expiryOf(value []byte, written time.Time) int64 {
	v, err := item.DecodeValue(value)
	if err != nil || v.Kind != item.N {
		return 0
	}
	seconds, err := strconv.ParseInt(v.Text, 10, 64)
	if err != nil || seconds <= 0 || seconds < written.Add(-expiryMax).Unix() {
		return 0
	}
	return seconds
}

// Timed is r with the expiry that it would have if its writer had known that an
// attribute holds it, and whether r had another. The version stays: it is the same
// write, and its expiry a pure function of it. An expiry that the writer gave it
// stays, too.
func Timed(r Record, attribute string) (timed Record, changed bool) {
	if r.ByAttribute && r.Cells != nil {
		return timedCells(r, attribute)
	}
	if r.Tombstone || r.Expires != 0 {
		return r, false
	}
	r.Expires = ExpiryOf(r.Value, attribute, r.Version.Time.Wall())
	return r, r.Expires != 0
}

func timedCells(r Record, attribute string) (Record, bool) {
	a, err := expand(r)
	if err != nil || !a.follow(attribute) {
		return r, false
	}
	timed, err := a.collapse(r)
	if err != nil {
		return r, false
	}
	return timed, true
}

// follow makes the register of the time to live that of the attribute which holds
// it, as writes do that know of it: of the same version and context. It answers
// whether it was not.
func (a *attributes) follow(attribute string) bool {
	c, before := a.cell(attribute), a.timer()
	order := before.Version.Compare(c.base.Version)
	if order > 0 {
		return false
	}
	next := Record{Version: c.base.Version, Log: c.base.Log, Context: c.base.Context}
	switch {
	case c.base.Tombstone:
	case order == 0 && before.Expires != 0:
		next.Expires = before.Expires
	default:
		next.Expires = expiryOf(c.base.Value, c.base.Version.Time.Wall())
	}
	next.Tombstone = next.Expires == 0
	next.Expired = order == 0 && before.Expired
	if next.Tombstone && !next.Expired && (c.onFloor || a.isFloor(next)) {
		changed := a.timed
		a.timed, a.expires = false, Record{}
		return changed
	}
	same := a.timed && order == 0 && a.expires.Expires == next.Expires && a.expires.Log == next.Log &&
		slices.Equal(a.expires.Context, next.Context)
	a.timed, a.expires = true, next
	return !same
}
