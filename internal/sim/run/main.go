// Command run plays histories of the simulator: seeds, or scripts.
//
//	go run ./internal/sim/run -seeds 10000
//	go run ./internal/sim/run -seed 7 -trace
//	go run ./internal/sim/run -script FILE
package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/sim"
)

func main() {
	var o options
	flag.Uint64Var(&o.seeds, "seeds", 300, "how many seeds to play")
	flag.Uint64Var(&o.from, "from", 1, "the first seed")
	flag.Uint64Var(&o.seed, "seed", 0, "play one seed only")
	flag.StringVar(&o.script, "script", "", "play a script only")
	flag.BoolVar(&o.trace, "trace", false, "print all that happens; with -seed or -script")
	flag.BoolVar(&o.first, "first", false, "stop at the first failure")
	flag.StringVar(&o.corpus, "corpus", "", "a directory of scripts that are played before the seeds")
	flag.IntVar(&o.shrink, "shrink", 400, "attempts to make a failing history smaller; 0 leaves it as it is")
	flag.Parse()
	failed, err := o.run(os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

type options struct {
	seeds, from, seed uint64
	script, corpus    string
	trace, first      bool
	shrink            int
}

func (o options) run(out io.Writer) (failed bool, err error) {
	switch {
	case o.script != "":
		s, err := read(o.script)
		if err != nil {
			return false, err
		}
		return o.one(s, out)
	case o.seed != 0:
		return o.one(sim.Generate(o.seed), out)
	}
	if o.corpus != "" {
		if failed, err := o.scripts(out); failed && o.first || err != nil {
			return failed, err
		}
	}
	return o.many(out)
}

// scripts plays all of a directory.
func (o options) scripts(out io.Writer) (failed bool, err error) {
	files, err := filepath.Glob(filepath.Join(o.corpus, "*.sim"))
	if err != nil {
		return false, err
	}
	for _, file := range files {
		s, err := read(file)
		if err != nil {
			return failed, err
		}
		r, err := sim.Run(s, nil)
		if err != nil {
			return failed, err
		}
		if r.Failure != nil {
			failed = true
			fmt.Fprintf(out, "%s: %v\n", filepath.Base(file), r.Failure)
			if o.first {
				return true, nil
			}
		}
	}
	return failed, nil
}

func read(file string) (sim.Script, error) {
	f, err := os.Open(file)
	if err != nil {
		return sim.Script{}, err
	}
	defer f.Close()
	return sim.Parse(file, f)
}

// one plays one history.
func (o options) one(s sim.Script, out io.Writer) (failed bool, err error) {
	var trace io.Writer
	if o.trace {
		trace = out
	}
	r, err := sim.Run(s, trace)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(out, "%s: %d steps, %v of virtual time, trace %016x\n%s\n", s.Name, r.Steps, r.Time.Round(time.Millisecond), r.Sum, counts(r.Counts))
	if r.Failure == nil {
		return false, nil
	}
	return true, o.tell(s, r.Failure, out)
}

// tell prints a failure with the smallest history that has it.
func (o options) tell(s sim.Script, f *sim.Failure, out io.Writer) error {
	fmt.Fprintf(out, "\nFAILED %s: %v\n", s.Name, f)
	if o.script == "" {
		fmt.Fprintf(out, "replay: make sim SEED=%d\n", s.Seed)
	}
	if o.shrink == 0 {
		return nil
	}
	small := sim.Shrink(s, f.Invariant, o.shrink)
	fmt.Fprintf(out, "\n# smaller (%d of %d commands), for internal/sim/testdata:\n", len(small.Commands), len(s.Commands))
	return small.Write(out)
}

// many plays seeds on all processors, and sums up.
func (o options) many(out io.Writer) (failed bool, err error) {
	var mu sync.Mutex // guards what follows
	total, steps, virtual, failures := map[string]int{}, 0, time.Duration(0), []uint64{}
	next, begin, done := o.from, time.Now(), false
	take := func() (seed uint64, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next-1 < o.from+o.seeds && !done
	}
	note := func(seed uint64, r sim.Result, runErr error) {
		mu.Lock()
		defer mu.Unlock()
		for k, n := range r.Counts {
			total[k] += n
		}
		steps, virtual = steps+r.Steps, virtual+r.Time
		if runErr != nil {
			err, done = runErr, true
		} else if r.Failure != nil {
			failures, done = append(failures, seed), done || o.first
			fmt.Fprintf(out, "seed %d: %v\n", seed, r.Failure)
		}
	}
	var running sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			for seed, ok := take(); ok; seed, ok = take() {
				r, err := sim.Run(sim.Generate(seed), nil)
				note(seed, r, err)
			}
		})
	}
	running.Wait()
	fmt.Fprintf(out, "%d seeds from %d, %d steps, %v of virtual time in %v, %d failed\n%s\n",
		o.seeds, o.from, steps, virtual.Round(time.Second), time.Since(begin).Round(time.Millisecond), len(failures), counts(total))
	if len(failures) > 0 && err == nil && !o.first {
		seed := slices.Min(failures)
		s := sim.Generate(seed)
		var r sim.Result
		if r, err = sim.Run(s, nil); err == nil && r.Failure != nil {
			err = o.tell(s, r.Failure, out)
		}
	}
	return len(failures) > 0, err
}

func counts(m map[string]int) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(list, " · ")
}
