package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// ErrClosed wraps which origin is refused: it is being removed from the world, or
// was (DATA 13).
var ErrClosed = errors.New("the region is removed")

// Closing says how an origin is closed (DATA 13).
type Closing struct {
	// Agreed says that Ends hold for every region, for ever: writes of the origin
	// above them are refused, wherever they come from. Before, only the origin's
	// own log is.
	Agreed bool
	// Gone says that every region has all up to the ends: nothing waits for the
	// region any more, and what did is freed (Collect).
	Gone bool
	// Ends are the highest writes that any survivor has, per life of the log. A
	// life that is not named ends before its first write.
	Ends []record.End
}

// closing is a Closing as it is looked up.
type closing struct {
	agreed, gone bool
	ends         map[record.LogID]hlc.Time
}

// CloseOrigins says which origins are closed, as the control state has them.
func (s *Store) CloseOrigins(origins map[record.RegionID]Closing) {
	next := make(map[record.RegionID]closing, len(origins))
	for id, c := range origins {
		ends := make(map[record.LogID]hlc.Time, len(c.Ends))
		for _, m := range c.Ends {
			ends[m.Log] = m.Time
		}
		next[id] = closing{agreed: c.Agreed, gone: c.Gone, ends: ends}
	}
	s.closed.Store(&next)
	s.quiesce() // what is being applied has been checked before
}

// OriginClosed reports whether this region takes nothing more of an origin's log.
func (s *Store) OriginClosed(id record.RegionID) bool {
	_, closed := (*s.closed.Load())[id]
	return closed
}

// refuse says whether a write may not come in: its origin is closed below it.
func (c closing) refuse(log record.LogID, t hlc.Time) bool { return c.agreed && t > c.ends[log] }

// closedLog answers an error for what comes from the log of a closed origin.
func (s *Store) closedLog(a Apply) error {
	if _, closed := (*s.closed.Load())[a.Origin]; closed {
		return fmt.Errorf("%w: region %d", ErrClosed, a.Origin)
	}
	return nil
}

// dropClosed leaves out the writes of closed origins above their ends.
func (s *Store) dropClosed(list []incoming) []incoming {
	closed := *s.closed.Load()
	if len(closed) == 0 {
		return list
	}
	return slices.DeleteFunc(list, func(in incoming) bool {
		v := in.record.Version
		drop := closed[v.Region].refuse(in.record.Log, v.Time)
		if drop {
			s.counters.refused.Add(1)
		}
		return drop
	})
}

// Ends answers the highest write of an origin that is here, per life of its log,
// durably: what was pulled, and what came another way. For a removal, ask once
// OriginClosed (DATA 13).
func (s *Store) Ends(ctx context.Context, origin record.RegionID) ([]record.End, error) {
	upto := map[record.LogID]hlc.Time{}
	s.mu.Lock()
	for o, c := range s.vector {
		if o.Region == origin {
			upto[o.Log] = max(upto[o.Log], c.Version.Time)
		}
	}
	s.mu.Unlock()
	for id := range *s.tables.Load() {
		if err := s.listedEnds(id, origin, upto); err != nil {
			return nil, fmt.Errorf("ends of region %d: %w", origin, err)
		}
	}
	var ends []record.End
	for _, m := range marks(upto) {
		if m.Time > 0 {
			ends = append(ends, record.End(m))
		}
	}
	// Ends are told to others: what was seen must not be undone (DATA 3).
	return ends, s.WaitDurable(ctx, s.sealed.Load())
}

// listedEnds raises upto by what a table's relay list has of an origin. A place
// there is the origin's write, or one of its log's entries.
func (s *Store) listedEnds(id record.TableID, origin record.RegionID, upto map[record.LogID]hlc.Time) error {
	prefix := relayOrigin(id, origin)
	for to := successor(prefix); to != nil; {
		it := s.engine.Scan(kv.Range{From: prefix, To: to, Reverse: true})
		to = nil
		if it.Next() {
			ref, err := parseRelayKey(it.Key())
			if err != nil {
				return errors.Join(err, it.Close())
			}
			upto[ref.at.mark.Log] = max(upto[ref.at.mark.Log], ref.at.mark.Time)
			to = bytes.Clone(it.Key()[:offsetRelayTime])
		}
		if err := errors.Join(it.Err(), it.Close()); err != nil {
			return err
		}
	}
	return nil
}
