package sim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// more adds to a history what only some worlds have. It draws from a source of its
// own, so that the rest stays as it was.
func (g *generator) more() {
	g.rand = rand.New(rand.NewPCG(g.script.Seed, 0x6d6f7265))
	if g.chance(3) {
		g.mortal()
	}
	if g.chance(4) {
		g.option(g.rand.IntN(len(g.tables)), "images=1h")
	}
	if g.chance(8) {
		g.forgetful()
	}
}

// option adds a word to a table's line.
func (g *generator) option(i int, word string) {
	for j, c := range g.script.Setup {
		if c.Name == "table" && c.Args[0] == fmt.Sprint(i+1) {
			g.script.Setup[j].Args = append(c.Args, word)
		}
	}
}

// mortal gives some of the values a time to live.
func (g *generator) mortal() {
	for i, c := range g.script.Commands {
		if c.Name == "put" && g.chance(2) {
			g.script.Commands[i].Args = append(c.Args, fmt.Sprint(time.Duration(1+g.rand.IntN(6))*time.Second))
		}
	}
}

// forgetful lets the log be kept for so short a time that regions which are away
// are let go (DATA 17).
func (g *generator) forgetful() {
	g.setup("retention", "1000000", g.between(time.Second, 4*time.Second).Round(time.Millisecond).String())
}
