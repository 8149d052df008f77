// Package primary decides who may act as the primary of a table, and until when.
// It is pure: it has no goroutine, and times are arguments, read on Clock, which
// runs while the machine sleeps.
//
// A region takes its turn as primary in an epoch. It holds the table while it
// has renewed its lease in control within TTL − Skew of sending the renewal
// (DATA 19). Whoever follows by force may begin TTL after it knows of its turn:
// a renewal that control took before that was sent before that, so the two never
// hold the table at once, as long as no clock runs wrong by more than a tenth
// against another. Clocks are compared by how fast they run, never by what they
// show.
//
//	turn := primary.Begin(primary.Start{Epoch: 3, Now: clock(), Terms: terms})
//	if turn.Free(clock()) { sent := clock(); … turn.Renewed(sent) }
//	if turn.Holds(clock()) { … }
package primary
