package replica_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Random histories: writes and deletes of few keys everywhere, cuts of one or
// both directions, restarts, collection. At the end all regions are equal.
func TestRandomHistoriesConverge(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t, time.Millisecond, "a", "b", "c").start()
			pick := func() *node { return w.nodes[w.names[random.IntN(len(w.names))]] }
			for step := range 400 {
				n, other := pick(), pick()
				switch dice := random.IntN(100); {
				case dice < 70:
					k := fmt.Sprintf("k%d", random.IntN(30))
					n.put(notes, k, fmt.Sprintf("%s %d", n.name, step))
				case dice < 82:
					n.remove(notes, fmt.Sprintf("k%d", random.IntN(30)))
				case dice < 87:
					w.net.Cut(n.name, other.name)
				case dice < 90:
					w.net.CutOneWay(n.name, other.name)
				case dice < 96:
					w.net.Heal(n.name, other.name)
				case dice < 98:
					n.restart(n.engine)
				default:
					if _, err := n.store.Collect(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, n := range w.names {
				for _, other := range w.names {
					w.net.Heal(n, other)
				}
			}
			for _, name := range w.names { // the end of each log
				w.nodes[name].put(notes, "end of "+name, "v")
			}
			live := func() bool {
				for _, n := range w.names {
					dump := w.nodes[n].dump(notes)
					for _, name := range w.names {
						if dump["end of "+name] == "" {
							return false
						}
					}
				}
				return true
			}
			w.eventually("the last writes are everywhere", live)
			w.equal(notes, 3)
		})
	}
}
