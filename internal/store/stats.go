package store

import "sync/atomic"

// counters count since Open.
type counters struct {
	written, applied, stale, conflicts, expired atomic.Uint64
	frozen                                      atomic.Bool
	listed                                      atomic.Int64 // references of relay lists, since the first Collect
	relayCut, refused                           atomic.Uint64
}

// Stats is what metrics and status show of a store; counts are since Open.
type Stats struct {
	// Written records came from Update, Applied ones from peers; Stale ones came
	// and lost or were known; Conflicts were discarded unseen.
	Written, Applied, Stale, Conflicts uint64
	// Expired records were buried because their time was up.
	Expired uint64
	// LogEntries is how many entries the change log keeps for peers.
	LogEntries uint64
	// Relay is how many references are kept for relays, nearly; RelayCut how many
	// were let go that somebody may need (DATA 13).
	Relay, RelayCut uint64
	// Refused counts writes of removed regions that came later (DATA 13).
	Refused uint64
	// Durable is the watermark; Visible the highest commit, which may be ahead.
	Durable, Visible uint64
	// Frozen says that storage failed and writes are refused (DATA 4).
	Frozen bool
}

// Stats answers a reading of all counters.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	entries := s.ordinal - s.trimmed.Ordinal
	s.mu.Unlock()
	return Stats{
		Written:    s.counters.written.Load(),
		Applied:    s.counters.applied.Load(),
		Stale:      s.counters.stale.Load(),
		Conflicts:  s.counters.conflicts.Load(),
		Expired:    s.counters.expired.Load(),
		LogEntries: entries,
		Relay:      uint64(s.relayLength()),
		RelayCut:   s.counters.relayCut.Load(),
		Refused:    s.counters.refused.Load(),
		Durable:    s.engine.Durable(),
		Visible:    s.sealed.Load(),
		Frozen:     s.counters.frozen.Load(),
	}
}
