package primary

import "time"

// TTLMin is the shortest lease: an etcd member may miss a few renewals, and a
// busy machine be slow.
const TTLMin = 5 * time.Second

// Terms are how long a lease lasts. All regions count with the same.
type Terms struct {
	// TTL is how long others wait after a renewal may have been taken.
	TTL time.Duration
	// Skew is how much earlier the holder stops: what clocks of different speed
	// make of one TTL. A fifth allows for a ninth of difference.
	Skew time.Duration
	// Every is the time from one renewal to the next.
	Every time.Duration
}

// TermsFor answers the terms for control whose elections take this long: a lease
// lives through one.
func TermsFor(election time.Duration) Terms {
	ttl := max(TTLMin, 3*election)
	return Terms{TTL: ttl, Skew: ttl / 5, Every: ttl / 5}
}

// Start is how a region's turn begins.
type Start struct {
	// Epoch is the table's, which control raises with each promotion.
	Epoch uint32
	// Now is when the region learned of it.
	Now time.Duration
	// Handed says that nobody can hold the table any more: its primary gave it
	// up, or there was none.
	Handed bool
	// Held says that this region has held the table in this epoch before: it has
	// waited then.
	Held  bool
	Terms Terms
}

// Turn is one region's time as the primary of one table in one epoch. The zero
// Turn holds nothing, ever.
type Turn struct {
	epoch    uint32
	terms    Terms
	free     time.Duration // when the one before has stopped for sure
	renewed  bool
	sent     time.Duration // of the last renewal that control took
	released bool
}

// Begin answers a turn that holds nothing yet.
func Begin(s Start) Turn {
	t := Turn{epoch: s.Epoch, terms: s.Terms, free: s.Now}
	if !s.Handed && !s.Held {
		t.free += s.Terms.TTL
	}
	return t
}

// Epoch is the epoch of the turn.
func (t *Turn) Epoch() uint32 { return t.epoch }

// Free reports whether the table may be claimed at now: nobody else holds it.
func (t *Turn) Free(now time.Duration) bool {
	return t.terms.TTL > 0 && !t.released && now >= t.free
}

// Wait is how long it takes until the table is free.
func (t *Turn) Wait(now time.Duration) time.Duration { return max(0, t.free-now) }

// Renewed notes that control took a renewal, which was sent at sent.
func (t *Turn) Renewed(sent time.Duration) {
	if t.Free(sent) {
		t.renewed, t.sent = true, max(t.sent, sent)
	}
}

// Release ends the turn for good: the table is being handed over.
func (t *Turn) Release() { t.released = true }

// Resume takes a Release back: control has said that no handover took place.
// What was renewed before does not count any more.
func (t *Turn) Resume() { t.released, t.renewed = false, false }

// Left is how long the region holds the table from now on; zero or less is that
// it does not.
func (t *Turn) Left(now time.Duration) time.Duration {
	if !t.renewed || t.released {
		return 0
	}
	return t.sent + t.terms.TTL - t.terms.Skew - now
}

// Holds reports whether the region may act as the primary at now.
func (t *Turn) Holds(now time.Duration) bool { return t.Left(now) > 0 }
