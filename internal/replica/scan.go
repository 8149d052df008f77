package replica

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// scan walks through all tables shared with a peer, for a resend.
type scan struct {
	started bool
	tables  []record.TableID // those not finished; the first is under way
	from    []byte
}

func (s *scan) finish() { s.tables, s.from = s.tables[1:], nil }

// readTable reads the next chunk of a resend. A table that is dropped meanwhile is
// skipped.
func (s *sender) readTable(now time.Time, id record.RegionID) (Out, error) {
	shared := s.replica.sharedWith(id)
	s.shared = shared
	if !s.scan.started {
		s.scan.started = true
		s.scan.tables = slices.Sorted(maps.Keys(shared))
	}
	if len(s.scan.tables) == 0 {
		return s.scanned(&replicate.Frame{}, now), nil
	}
	t := s.scan.tables[0]
	if _, still := shared[t]; !still {
		s.scan.finish()
		return s.scanned(&replicate.Frame{}, now), nil
	}
	var err error
	s.chunk, err = s.replica.config.Store.BeginReadTable(t, s.scan.from, frameBytes)
	if errors.Is(err, store.ErrNoTable) {
		s.scan.finish()
		return s.scanned(&replicate.Frame{}, now), nil
	}
	return Out{}, s.refusal(err)
}

// sendChunk sends what was read of a table, once it is durable.
func (s *sender) sendChunk(now time.Time, id record.RegionID) (out Out, waits bool, err error) {
	if !s.chunk.Ready() {
		return Out{Durable: s.chunk.Sequence}, true, nil
	}
	chunk, err := s.chunk.Finish()
	s.chunk = nil
	if err != nil {
		return Out{}, false, s.refusal(err)
	}
	f, t := &replicate.Frame{}, s.scan.tables[0]
	if _, still := s.replica.sharedWith(id)[t]; still {
		for _, x := range chunk.Records {
			if s.source.Carries(x.Kind) {
				f.Records = append(f.Records, replicate.Shipped(x))
			}
		}
		f.Revision = s.shared[t] // the receiver's writes have to be above the frontier
		f.Frontiers = []replicate.Frontier{{Table: t, Time: chunk.Frontier}}
	}
	if s.scan.from = chunk.Next; chunk.Next == nil {
		s.scan.finish()
	}
	return s.scanned(f, now), false, nil
}

func (s *sender) scanned(f *replicate.Frame, now time.Time) Out {
	return s.send(s.source.Scanned(f, len(s.scan.tables) == 0), now)
}
