package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// more adds to a history what only some worlds have. It draws from a source of its
// own, so that the rest stays as it was.
func (g *generator) more() {
	g.rand = rand.New(rand.NewPCG(g.script.Seed, 0x6d6f7265))
	if g.chance(4) {
		g.option(g.rand.IntN(len(g.tables)), "images=1h")
	}
	if g.chance(3) {
		g.merging()
	}
	if g.chance(3) {
		g.primary()
	}
	if g.chance(3) {
		g.mortal()
	}
	if len(g.regions) > 2 && g.chance(6) {
		g.remove()
	}
	if g.chance(8) {
		g.forgetful()
	}
	if g.chance(3) {
		g.indexes()
	}
	if g.merged != "none" && g.chance(2) {
		// Its values are no times: regions look through all items, and none dies.
		g.do(g.between(warmup, g.length), "ttl", strings.TrimSuffix(g.merged, "/"), g.one(attributes))
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

// mortal gives some of the values a time to live, in plain tables.
func (g *generator) mortal() {
	for i, c := range g.script.Commands {
		if c.Name == "put" && g.chance(2) && !strings.HasPrefix(c.Args[1], g.merged) {
			g.script.Commands[i].Args = append(c.Args, fmt.Sprint(time.Duration(1+g.rand.IntN(6))*time.Second))
		}
	}
}

// forgetful lets the log be kept for so short a time that regions which are away
// are let go (DATA 17).
func (g *generator) forgetful() {
	g.setup("retention", "1000000", g.between(time.Second, 4*time.Second).Round(time.Millisecond).String())
}

// merging makes a table one that merges by attribute and counts (DATA 10).
func (g *generator) merging() {
	i := g.rand.IntN(len(g.tables))
	g.option(i, "merge=attributes")
	g.option(i, "counters="+counter)
	prefix := fmt.Sprintf("%d/", i+1)
	g.merged = prefix
	for j := range g.script.Commands {
		c := &g.script.Commands[j]
		if len(c.Args) < 2 || !strings.HasPrefix(c.Args[1], prefix) {
			continue
		}
		switch {
		case c.Name == "put" && !g.chance(5):
			c.Name, c.Args = "update", g.edits(c.Args)
		case c.Name == "delete" && g.chance(2):
			c.Name, c.Args = "update", append(c.Args, g.one(attributes)+"=")
		}
	}
}

// attributes are what updates set, beside the counter.
var attributes = []string{"a", "b", "c"}

// edits turns the arguments of a put into those of an update.
func (g *generator) edits(args []string) []string {
	region, key, value := args[0], args[1], args[2]
	out := []string{region, key}
	switch g.rand.IntN(6) {
	case 0, 1:
		return append(out, counter+"+")
	case 2:
		out = append(out, counter+"+")
	case 3:
		if g.chance(4) {
			return append(out, counter+"=0")
		}
	}
	for _, a := range attributes {
		if g.chance(2) {
			out = append(out, a+"="+value+a)
		}
	}
	if len(out) == 2 {
		out = append(out, "a="+value+"a")
	}
	return out
}

// primary gives a table a primary, and moves it: planned, and by force, often while
// the one before is cut off and goes on.
func (g *generator) primary() {
	i := g.rand.IntN(len(g.tables))
	if g.merged == fmt.Sprintf("%d/", i+1) {
		return
	}
	id, home := fmt.Sprint(i+1), g.one(g.tables[i])
	g.option(i, "primary="+home)
	for range g.rand.IntN(4) {
		at, to := g.between(warmup, g.length), g.one(g.tables[i])
		switch g.rand.IntN(3) {
		case 0:
			g.do(at, "promote", id, to)
		case 1:
			g.do(at, "promote", id, to, "force")
		default:
			from := g.one(g.tables[i])
			g.do(at, "cut", from, "all")
			g.do(at, "apart", from)
			at += g.between(time.Millisecond, time.Second)
			g.do(at, "promote", id, to, "force")
			at += g.lasts() + g.lasts()
			g.do(at, "reached", from)
			g.do(at, "heal", from, "all")
		}
	}
}

// remove removes a region, sometimes while it is cut off from some (DATA 13).
func (g *generator) remove() {
	region, at := g.one(g.regions), g.between(g.length/3, g.length)
	if g.chance(2) {
		g.do(at, "cut", region, g.one(g.regions))
		at += g.between(time.Millisecond, 3*time.Second)
	}
	g.do(at, "remove", region)
}

// indexes adds indexes to tables and removes some, the one that a table began with,
// too, often while others are still being filled.
func (g *generator) indexes() {
	for range 1 + g.rand.IntN(3) {
		id, name := fmt.Sprint(1+g.rand.IntN(len(g.tables))), g.one([]string{"x", "y", firstIndex})
		first, second := "index", "unindex"
		if name == firstIndex {
			first, second = second, first
		}
		at := g.between(warmup, g.length)
		g.do(at, first, id, name)
		if g.chance(2) {
			at += g.lasts()
			g.do(at, second, id, name)
			if g.chance(2) {
				g.do(at+g.lasts(), first, id, name)
			}
		}
	}
}
