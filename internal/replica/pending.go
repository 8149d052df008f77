package replica

import (
	"context"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// pending stands for the store's, whose halves are not apart yet: it waits at its
// beginning.
type pending[T any] struct {
	Sequence uint64
	value    T
}

type none struct{}

func (p *pending[T]) Ready() bool        { return true }
func (p *pending[T]) Finish() (T, error) { return p.value, nil }

func over[T any](value T, err error) (*pending[T], error) {
	if err != nil {
		return nil, err
	}
	return &pending[T]{value: value}, nil
}

func beginApply(s *store.Store, a store.Apply) (*pending[store.ApplyResult], error) {
	return over(s.Apply(context.Background(), a))
}

func beginMarkWhole(s *store.Store, since map[record.TableID]uint64) (*pending[none], error) {
	return over(none{}, s.MarkWhole(context.Background(), since))
}

func beginHeartbeat(s *store.Store) (*pending[store.Position], error) {
	return over(s.Heartbeat(context.Background()))
}

func beginReadTable(s *store.Store, id record.TableID, from []byte, limit int) (*pending[store.Chunk], error) {
	return over(s.ReadTable(context.Background(), id, from, limit))
}

func beginReadLog(s *store.Store, after store.Cursor, limit store.Limit, tables func(record.TableID) bool) (*pending[store.Batch], error) {
	b, err := s.ReadLog(context.Background(), after, limit, tables)
	if err == nil {
		err = s.WaitDurable(context.Background(), b.Sequence)
	}
	return over(b, err)
}
