package sim

import (
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"time"
)

// trace is all that happened, as lines. It keeps a sum of them, and writes them
// where they are asked for.
type trace struct {
	sum   hash.Hash64
	out   io.Writer // nil: nobody reads
	steps int
}

func newTrace(out io.Writer) *trace { return &trace{sum: fnv.New64a(), out: out} }

// line notes that something happened at a region, or to the world as a whole.
func (t *trace) line(now time.Duration, where, format string, args ...any) {
	t.steps++
	if t.out == nil {
		fmt.Fprintf(t.sum, "%d %s ", now, where)
		fmt.Fprintf(t.sum, format, args...)
		return
	}
	text := fmt.Sprintf("%d %s ", now, where) + fmt.Sprintf(format, args...)
	_, _ = io.WriteString(t.sum, text) // a hash takes everything
	fmt.Fprintf(t.out, "%12.6f %-8s %s\n", now.Seconds(), where, text[len(fmt.Sprintf("%d %s ", now, where)):])
}
