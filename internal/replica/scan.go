package replica

import (
	"context"
	"errors"
	"slices"

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

// next answers the next chunk, durable, and whether it is the last. A table that
// is dropped meanwhile is skipped.
func (s *scan) next(ctx context.Context, r *Replica, id record.RegionID) (*replicate.Frame, bool, error) {
	shared := r.sharedWith(id)
	if !s.started {
		s.started = true
		for t := range shared {
			s.tables = append(s.tables, t)
		}
		slices.Sort(s.tables)
	}
	f := &replicate.Frame{}
	if len(s.tables) == 0 {
		return f, true, nil
	}
	t := s.tables[0]
	revision, still := shared[t]
	if !still {
		s.finish()
		return f, len(s.tables) == 0, nil
	}
	chunk, err := r.config.Store.ReadTable(ctx, t, s.from, frameBytes)
	if err != nil && !errors.Is(err, store.ErrNoTable) {
		return nil, false, err
	}
	for _, x := range chunk.Records {
		f.Records = append(f.Records, replicate.Shipped(x))
	}
	if err == nil { // the receiver's writes have to be above the frontier
		f.Revision = revision
		f.Frontiers = []replicate.Frontier{{Table: t, Time: chunk.Frontier}}
	}
	if s.from = chunk.Next; chunk.Next == nil {
		s.finish()
	}
	return f, len(s.tables) == 0, nil
}

func (s *scan) finish() { s.tables, s.from = s.tables[1:], nil }
