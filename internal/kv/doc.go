// Package kv is the seam to key-value engines: the interface that store writes
// through, with its contract. Engines live beside it, named for what they are:
// memkv, pebblekv. kvtest has the tests that each of them passes.
//
// The seam carries Meridian's own need, a commit order in which versions are
// stamped (Batch.Seal) and a durable watermark that says what may leave the
// region (Engine.WaitDurable). A commit has two halves: Begin makes it visible and
// asks for its sync, Pending.Wait returns when it is durable.
//
//	p, err := engine.Begin(lockKeys, decide)
//	err = p.Wait(ctx)
//	sequence, err := kv.Update(ctx, engine, lockKeys, decide) // both
package kv
