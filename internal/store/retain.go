package store

import (
	"errors"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

const (
	// RetentionBytes and RetentionAge are the defaults of Retention: some 40
	// million entries of one key each, and a day.
	RetentionBytes = 4 << 30
	RetentionAge   = 24 * time.Hour
	// retentionWarns is at which part of a limit a warning is given; retentionKept
	// how much is kept of it when the log is let go.
	retentionWarns = 0.8
	retentionKept  = 0.9
	// entrySample is how many entries of each end of the log are measured.
	entrySample = 128
)

// Retention bounds how much of the log is kept for peers that do not come for it.
// Only the log: tombstones and contexts stay until the frontier passes them.
type Retention struct {
	// Bytes of entries; default 4 GiB. They are estimated from some of them.
	Bytes uint64
	// Age of the oldest entry; default 24 hours.
	Age time.Duration
}

func (r Retention) filled() Retention {
	if r.Bytes == 0 {
		r.Bytes = RetentionBytes
	}
	if r.Age == 0 {
		r.Age = RetentionAge
	}
	return r
}

// Backlog is how much of the log is kept, and for whom.
type Backlog struct {
	// Entries are exact, Bytes an estimate.
	Entries, Bytes uint64
	// Oldest is the age of the oldest entry.
	Oldest time.Duration
	// Used is the part of the limits that is used, the larger of the two: 1 is all.
	Used float64
	// Waiting are the peers that have not applied the oldest entry.
	Waiting []record.RegionID
	// LetGo are the peers that need entries which are not kept any more: they will
	// be sent all records anew.
	LetGo []record.RegionID
}

// Backlog answers how much of the log is kept, and for whom.
func (s *Store) Backlog() (Backlog, error) {
	size, oldest, err := s.sampleLog()
	if err != nil {
		return Backlog{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := Backlog{Entries: s.ordinal - min(s.ordinal, s.trimmed.Ordinal)}
	b.Bytes = b.Entries * size
	if oldest > 0 {
		b.Oldest = max(0, s.config.Wall().Sub(oldest.Wall()))
	}
	keep := s.config.Retention
	b.Used = max(float64(b.Bytes)/float64(keep.Bytes), float64(b.Oldest)/float64(keep.Age))
	for _, id := range s.pullers() {
		has := s.reports[id].Applied[s.config.Region]
		if has < oldest {
			b.Waiting = append(b.Waiting, id)
		}
		if s.letGo > 0 && has < s.letGo {
			b.LetGo = append(b.LetGo, id)
		}
	}
	return b, nil
}

// pullers are the regions that share a table with this one; the caller holds mu.
func (s *Store) pullers() (ids []record.RegionID) {
	for _, t := range *s.tables.Load() {
		for _, r := range t.Holders() {
			if r.ID != s.config.Region && !slices.Contains(ids, r.ID) {
				ids = append(ids, r.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// sampleLog answers the mean size of some entries and the time of the oldest, 0
// if there is none.
func (s *Store) sampleLog() (size uint64, oldest hlc.Time, err error) {
	all := kv.Range{From: []byte{spaceLog}, To: []byte{spaceLog + 1}}
	chain, trimmed := s.history()
	for _, l := range chain { // the lives stand in the order of their ids
		e, found, err := s.firstEntry(l.ID, max(trimmed.Cursor.Sequence, l.Start))
		if err != nil {
			return 0, 0, err
		}
		if found {
			oldest = e.Version.Time
			break
		}
	}
	var sum, n uint64
	for _, reverse := range []bool{false, true} {
		all.Reverse = reverse
		it := s.engine.Scan(all)
		for i := 0; i < entrySample && it.Next(); i++ {
			sum += uint64(len(it.Key()) + len(it.Value()))
			n++
		}
		if err := errors.Join(it.Err(), it.Close()); err != nil {
			return 0, 0, err
		}
	}
	return sum / max(n, 1), oldest, nil
}

// retain warns when the log nears its limits, and lets it go when it is over one:
// a peer that needs what is gone finds its cursor trimmed, and gets a resend.
func (c *collection) retain() error {
	s := c.store
	b, err := s.Backlog()
	if err != nil {
		return err
	}
	warn := b.Used >= retentionWarns && len(b.Waiting) > 0
	if tell := s.config.Events.Retention; tell != nil && warn && (!s.warned || b.Used >= 1) {
		tell(b)
	}
	s.warned = warn
	if b.Used < 1 {
		return nil
	}
	keep := s.config.Retention
	age := hlc.Of(s.config.Wall().Add(-keep.Age))
	drop := uint64(0)
	if kept := uint64(float64(keep.Bytes) * retentionKept); b.Bytes > keep.Bytes {
		drop = b.Entries - b.Entries*kept/b.Bytes
	}
	_, chain, before := s.trimLimit()
	err = c.trim(chain, before, func(e entry) bool {
		return e.Version.Time > age && e.Ordinal > before.Ordinal+drop
	})
	_, after := s.history()
	if after != before {
		s.mu.Lock()
		s.letGo = after.Cursor.Version.Time
		s.mu.Unlock()
	}
	return err
}
