package store

import (
	"context"
	"fmt"

	"github.com/meridian-run/meridian/internal/kv"
)

// Pending is the second half of an operation whose first half is done: what it
// writes is visible, what it read is known, and its answer may leave once
// Sequence is durable (DATA 3). One goroutine can so drive many regions:
//
//	p, err := s.BeginUpdate(keys, decide)
//	// ... until p.Ready()
//	commit, err := p.Finish()
type Pending[T any] struct {
	// Sequence must be durable first; 0 says that there is nothing to wait for.
	Sequence uint64

	store *Store
	own   *kv.Pending       // the commit, if the operation is one commit
	done  func() (T, error) // takes effects that need durability; nil: answers value
	value T
}

// Ready reports whether Finish may be called: all is durable, or never will be.
func (p *Pending[T]) Ready() bool {
	return p.Sequence <= p.store.engine.Durable() || p.store.engine.Stopped() != nil
}

// Finish takes the effects that need durability (positions, counters, events)
// and answers, or answers why durability will not come (DATA 4). Call it once,
// when Ready.
func (p *Pending[T]) Finish() (T, error) {
	if durable := p.store.engine.Durable(); p.Sequence > durable {
		err := p.store.engine.Stopped()
		if err == nil {
			panic(fmt.Sprintf("store: an operation is finished at %d, it needs %d", durable, p.Sequence))
		}
		var none T
		return none, p.store.noteFrozen(err)
	}
	if p.done == nil {
		return p.value, nil
	}
	return p.done()
}

// Wait is Finish when Ready. If ctx ends before, what was written may or may not
// survive.
func (p *Pending[T]) Wait(ctx context.Context) (T, error) {
	var err error
	switch {
	case p.own != nil:
		err = p.own.Wait(ctx)
	case p.Sequence > p.store.engine.Durable():
		err = p.store.engine.WaitDurable(ctx, p.Sequence)
	}
	if err != nil {
		var none T
		return none, p.store.noteFrozen(err)
	}
	return p.Finish()
}

// wait is the whole of an operation for who may block.
func wait[T any](ctx context.Context, p *Pending[T], err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return p.Wait(ctx)
}

// await is an operation that is over once a sequence is durable.
func await[T any](s *Store, sequence uint64, done func() (T, error)) *Pending[T] {
	return &Pending[T]{Sequence: sequence, store: s, done: done}
}

// answer is an operation that answers value once a sequence is durable.
func answer[T any](s *Store, sequence uint64, value T) *Pending[T] {
	return &Pending[T]{Sequence: sequence, store: s, value: value}
}

// None is what operations answer that have nothing to say.
type None struct{}
