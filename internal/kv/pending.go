package kv

import "context"

// Pending is a commit that is visible and whose sync was asked for: what comes
// of Engine.Begin. Nothing that shows it may leave before it is durable (DATA 3).
type Pending struct {
	// Sequence is the commit's; 0 says that nothing was committed.
	Sequence uint64
	// Synced returns once the commit is durable, like Engine.WaitDurable; nil is
	// WaitDurable. Engines set it where they can follow a commit of their own
	// more cheaply. Call Wait instead.
	Synced func(ctx context.Context) error
	// Engine is whose commit it is.
	Engine Engine
}

// Wait returns once the commit is durable, or why it will not be. A commit that
// nobody waits for becomes durable, too, with the next one that somebody waits
// for.
func (p *Pending) Wait(ctx context.Context) error {
	switch {
	case p.Sequence == 0:
		return nil
	case p.Synced != nil:
		return p.Synced(ctx)
	}
	return p.Engine.WaitDurable(ctx, p.Sequence)
}

// Update is Begin and Wait: it returns when what it committed is durable, with
// sequence 0 if that is nothing. If it fails the outcome is unknown, unless the
// error is decide's.
func Update(ctx context.Context, e Engine, lockKeys [][]byte, decide func(Reader) (*Batch, error)) (sequence uint64, err error) {
	p, err := e.Begin(lockKeys, decide)
	if err != nil {
		return 0, err
	}
	if err := p.Wait(ctx); err != nil {
		return 0, err
	}
	return p.Sequence, nil
}
