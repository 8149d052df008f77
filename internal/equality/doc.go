// Package equality says whether two regions hold the same of a table, and which
// keys differ if they do not, while writes go on.
//
// Regions compare sums over ranges of partition hashes; where sums differ, the
// range is halved until it is small enough to list its keys. What differs may
// just be on its way, so keys that differ are looked at again: a key counts as
// different only when the side that is behind has not moved up to what the other
// had before, or both hold unequal bytes of one version and go on doing so.
//
// What regions may forget at different times is left out on both sides
// (DATA 7, 9, 14): context entries and tombstones at or below the frontier, and
// records whose time is up.
//
//	c := equality.Comparison{Table: t.ID, A: here, B: there, Now: time.Now, Pause: pause}
//	different, err := c.Compare(ctx, equality.All)
//
// The package reads nothing itself: the sides are interfaces, time is given.
package equality
