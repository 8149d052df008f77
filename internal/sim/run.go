package sim

import (
	"fmt"
	"io"
	"runtime/debug"
	"time"
)

// Result is what came of a script.
type Result struct {
	// Failure is the first broken invariant; nil if all held.
	Failure *Failure
	// Steps are the lines of the trace, Sum is a sum of it: the same script gives
	// the same sum.
	Steps int
	Sum   uint64
	// Time is the virtual time that passed.
	Time time.Duration
	// Counts says how often each command was done, and what else happened.
	Counts map[string]int
}

// Run plays a script and holds every step to the invariants. trace, if not nil,
// gets a line for everything that happens. An error is a mistake of the script.
func Run(s Script, trace io.Writer) (Result, error) {
	w, err := newWorld(s, trace)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	w.playSafely()
	return Result{Failure: w.failure, Steps: w.trace.steps, Sum: w.trace.sum.Sum64(), Time: w.now, Counts: w.counts}, nil
}

// playSafely makes a failure of a panic: production code panics when it finds an
// invariant of its own broken.
func (w *World) playSafely() {
	defer func() {
		if p := recover(); p != nil {
			w.fail("panic", "%v\n%s", p, debug.Stack())
		}
	}()
	w.play()
}
