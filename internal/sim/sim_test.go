package sim_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/meridian-run/meridian/internal/sim"
)

var seeds = flag.Uint64("seeds", 300, "how many seeds to play")

// TestD1_Histories plays what is kept: the histories of the rules, and seeds that
// have found something.
func TestD1_Histories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.sim")
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			r := playFile(t, file)
			if r.Failure != nil {
				t.Errorf("%v\nreplay: make sim SCRIPT=internal/sim/%s", r.Failure, file)
			}
		})
	}
}

// Histories that break something which nobody has mended yet: each says what. One
// that holds has to be moved to those that are kept.
func TestD1_OpenHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/open/*.sim")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if r := playFile(t, file); r.Failure == nil {
			t.Errorf("%s holds now: move it to testdata", file)
		}
	}
}

func playFile(t *testing.T, file string) sim.Result {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := sim.Parse(file, f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim.Run(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestD2_Seeds plays a few hundred histories of which no two are alike.
func TestD2_Seeds(t *testing.T) {
	n := *seeds
	if raceEnabled || testing.Short() {
		n = min(n, 40) // the same code, ten times as slow
	}
	var running sync.WaitGroup
	next := make(chan uint64)
	for range runtime.GOMAXPROCS(0) {
		running.Go(func() {
			for seed := range next {
				playSeed(t, seed)
			}
		})
	}
	for seed := uint64(1); seed <= n; seed++ {
		next <- seed
	}
	close(next)
	running.Wait()
}

func playSeed(t *testing.T, seed uint64) {
	s := sim.Generate(seed)
	r, err := sim.Run(s, nil)
	if err != nil {
		t.Error(err)
		return
	}
	if r.Failure == nil {
		return
	}
	var small bytes.Buffer
	if err := sim.Shrink(s, r.Failure.Invariant, 200).Write(&small); err != nil {
		t.Error(err)
	}
	t.Errorf("seed %d: %v\nreplay: make sim SEED=%d\nsmaller, for testdata:\n%s", seed, r.Failure, seed, &small)
}

// The same seed gives the same trace, a hundred times of a hundred: no clock, no
// goroutine and no order of a map decides anything.
func TestD2_OneSeedOneTrace(t *testing.T) {
	n := 100
	if raceEnabled || testing.Short() {
		n = 10
	}
	for _, seed := range []uint64{1, 12, 39, 64} {
		var first sim.Result
		for i := range n {
			r, err := sim.Run(sim.Generate(seed), nil)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = r
			}
			if r.Sum != first.Sum || r.Steps != first.Steps {
				t.Fatalf("seed %d: trace %x of %d steps, at first %x of %d: %s", seed, r.Sum, r.Steps, first.Sum, first.Steps, apart(seed))
			}
		}
	}
}

// apart finds where two runs of a seed part.
func apart(seed uint64) string {
	lines := func() [][]byte {
		var b bytes.Buffer
		_, _ = sim.Run(sim.Generate(seed), &b) // it ran before
		return bytes.Split(b.Bytes(), []byte("\n"))
	}
	first := lines()
	for range 100 {
		for i, line := range lines() {
			if i >= len(first) || !bytes.Equal(line, first[i]) {
				return fmt.Sprintf("line %d is %q", i+1, line)
			}
		}
	}
	return "not seen again"
}
