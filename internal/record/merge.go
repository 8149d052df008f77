package record

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
)

// Frontiers says what counts as seen although no context names it (DATA 7).
type Frontiers struct {
	// Current is the frontier that the region trims to: the current record has
	// seen everything at or below it.
	Current hlc.Time
	// Incoming is the frontier that the sender trimmed to: the incoming record
	// has seen everything at or below it.
	Incoming hlc.Time
	// Reached is the frontier that the region found itself: what was removed of an
	// item at or below it is forgotten, as tombstones are (DATA 14).
	Reached hlc.Time
}

// Merged is what Merge decided.
type Merged struct {
	// Record is the one to keep: the winner, with the joined context. Its
	// Sequence is the current record's.
	Record Record
	// Replaced says that the incoming record won: observers fire.
	Replaced bool
	// Changed says that Record differs from the current one: it must be stored.
	Changed bool
	// Receipts are what to keep of writes that lost unseen (DATA 8): of the loser,
	// or, where records are merged by attribute, of each write that lost some. One
	// may have to be joined with a receipt that is there already (JoinReceipts).
	Receipts []Record
}

// Merge joins the current record of a key with one that came from a peer. The
// higher version wins, whatever the contexts say; contexts decide only whether
// the loser had been seen (DATA 6). Records that are merged by attribute do so
// attribute by attribute (DATA 10), and Merge fails if their bytes are malformed.
// What remains is the same in whatever order, and however often, a set of
// records is merged.
func Merge(current, incoming Record, f Frontiers) (Merged, error) {
	if current.ByAttribute || incoming.ByAttribute {
		return mergeAttributes(current, incoming, f)
	}
	return mergeWhole(current, incoming, f), nil
}

func mergeWhole(current, incoming Record, f Frontiers) Merged {
	order := current.Version.Compare(incoming.Version)
	if order == 0 {
		return mergeEqual(current, incoming, f)
	}
	winner, loser, frontier := current, incoming, f.Current
	if order < 0 {
		winner, loser, frontier = incoming, current, f.Incoming
	}
	out := Merged{Replaced: order < 0}
	seen := judge(winner, loser, frontier)
	if seen != known && !sameContent(winner, loser) {
		out.Receipts = []Record{*ReceiptOf(loser)}
	}
	out.Record = winner
	out.Record.Sequence = current.Sequence
	own := Seen{Region: loser.Version.Region, Log: loser.Log, Version: loser.Version, Discarded: seen != known}
	context := join(join(winner.Context, loser.Context), []Seen{own})
	out.Record.Context = TrimContext(winner, context, f.Current)
	out.Changed = out.Replaced || !sameContext(out.Record.Context, current, f.Current)
	return out
}

// mergeEqual joins two copies of one write. An expiry bit breaks the tie
// (DATA 9); otherwise only contexts can differ, and observers stay quiet.
func mergeEqual(current, incoming Record, f Frontiers) Merged {
	out := Merged{Record: current}
	if incoming.Expired && !current.Expired {
		out.Record = incoming
		out.Record.Sequence = current.Sequence
		out.Replaced = true
	}
	out.Record.Context = TrimContext(current, join(current.Context, incoming.Context), f.Current)
	out.Changed = out.Replaced || !sameContext(out.Record.Context, current, f.Current)
	return out
}

// Overwrite answers the context of a local write that replaces current: all
// that current had seen, and current itself (DATA 7). region and log are the
// writer's own.
func Overwrite(current Record, region RegionID, log LogID, frontier hlc.Time) []Seen {
	own := Seen{Region: current.Version.Region, Log: current.Log, Version: current.Version}
	next := Record{Version: Version{Time: ^hlc.Time(0), Region: region}, Log: log}
	return TrimContext(next, join(current.Context, []Seen{own}), frontier)
}

// ReceiptOf is what is kept of a write that lost unseen: a pure function of the
// loser, so every region that drops it keeps the same bytes (DATA 8).
func ReceiptOf(loser Record) *Record {
	loser.Context, loser.Sequence, loser.Expired = nil, 0, false
	return &loser
}

// ReceiptsOf is what is kept of all that a record holds, one for each write.
func ReceiptsOf(loser Record) ([]Record, error) {
	if !loser.ByAttribute {
		return []Record{*ReceiptOf(loser)}, nil
	}
	a, err := expand(loser)
	if err != nil {
		return nil, err
	}
	j := joining{}
	for i := range a.cells {
		c := &a.cells[i]
		if !c.base.Tombstone {
			j.lostBase(*c, &a)
		}
		for _, n := range c.adds {
			j.lostAdd(c.name, n)
		}
	}
	return j.collapseReceipts()
}

// verdict says what a winner knew of its loser.
type verdict int

const (
	// unseen: nobody in the winner's history had seen the loser.
	unseen verdict = iota
	// known: the winner's writer had seen it, or something later of its log.
	known
	// discarded: it is in the context because some region dropped it as a
	// conflict; whoever drops it because of that writes the same receipt (DATA 8).
	discarded
)

// judge says whether winner had seen loser. A marked entry speaks before the
// frontier does: the mark outlives the frontier's passing the loser.
func judge(winner, loser Record, frontier hlc.Time) verdict {
	if winner.Version.Region == loser.Version.Region && winner.Log == loser.Log {
		return known
	}
	i, found := slices.BinarySearchFunc(winner.Context,
		Seen{Region: loser.Version.Region, Log: loser.Log}, compareOrigin)
	if found {
		switch order := winner.Context[i].Version.Compare(loser.Version); {
		case order == 0 && winner.Context[i].Discarded:
			return discarded
		case order >= 0: // a later write of a log has seen the earlier ones, and has a receipt itself if it is marked
			return known
		}
	}
	if loser.Version.Time <= frontier {
		return known
	}
	return unseen
}

// sameContext reports whether trimmed equals current's context; what the
// frontier has passed does not count (DATA 7).
func sameContext(trimmed []Seen, current Record, frontier hlc.Time) bool {
	return slices.Equal(trimmed, TrimContext(current, slices.Clone(current.Context), frontier))
}

func sameContent(a, b Record) bool {
	return a.Tombstone == b.Tombstone && bytes.Equal(a.Value, b.Value)
}

// join is the union of two contexts: the highest version for each origin and
// log. At one version an unmarked entry wins, because somebody did see it.
func join(a, b []Seen) []Seen {
	out := make([]Seen, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := compareOrigin(a[0], b[0]); {
		case order < 0:
			out, a = append(out, a[0]), a[1:]
		case order > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, higher(a[0], b[0])), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func higher(a, b Seen) Seen {
	switch order := a.Version.Compare(b.Version); {
	case order > 0:
		return a
	case order < 0:
		return b
	default:
		a.Discarded = a.Discarded && b.Discarded
		return a
	}
}

// TrimContext drops from context, which is changed in place, what needs no
// saying for a record of owner's version and log: entries of its own log, and
// those at or below the frontier (DATA 7). A marked entry stays until the record
// that carries it is below the frontier too: until then some region may yet have
// to learn of the receipt from it (DATA 8).
func TrimContext(owner Record, context []Seen, frontier hlc.Time) []Seen {
	context = slices.DeleteFunc(context, func(s Seen) bool {
		if s.Region == owner.Version.Region && s.Log == owner.Log {
			return true
		}
		if s.Version.Time > frontier {
			return false
		}
		return !s.Discarded || owner.Version.Time <= frontier
	})
	if len(context) == 0 {
		return nil
	}
	return context
}

func compareOrigin(a, b Seen) int {
	return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Log, b.Log))
}
