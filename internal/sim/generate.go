package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Generate draws a history from a seed: a world, the operations of its clients,
// and faults. Each seed draws from some kinds of faults only, so that what one
// kind breaks is not hidden by the others.
func Generate(seed uint64) Script {
	g := &generator{rand: rand.New(rand.NewPCG(seed, 0x73696d)), merged: "none", script: Script{Name: fmt.Sprint("seed ", seed), Seed: seed}}
	g.world()
	g.clients()
	g.faults()
	g.more()
	slices.SortStableFunc(g.script.Commands, func(a, b Command) int { return int(a.At - b.At) })
	return g.script
}

type generator struct {
	rand    *rand.Rand
	script  Script
	regions []string
	tables  [][]string // regions of table i+1
	keys    int
	length  time.Duration
	values  int
	merged  string // how keys of the table begin that merges by attribute
}

// warmup is when the first thing happens: regions need a moment to be ready.
const warmup = time.Second

func (g *generator) one(list []string) string { return list[g.rand.IntN(len(list))] }
func (g *generator) chance(in int) bool       { return g.rand.IntN(in) == 0 }

// between draws a time in a range.
func (g *generator) between(low, high time.Duration) time.Duration {
	return (low + time.Duration(g.rand.Int64N(int64(high-low)))).Round(time.Microsecond)
}

func (g *generator) setup(name string, args ...string) {
	g.script.Setup = append(g.script.Setup, Command{Name: name, Args: args})
}

func (g *generator) do(at time.Duration, name string, args ...string) {
	g.script.Commands = append(g.script.Commands, Command{At: at, Name: name, Args: args})
}

func (g *generator) world() {
	g.regions = []string{"A", "B", "C", "D", "E"}[:[]int{2, 3, 3, 3, 3, 4, 4, 5}[g.rand.IntN(8)]]
	g.setup("regions", g.regions...)
	g.tables = [][]string{g.regions}
	if g.chance(2) {
		some := slices.Clone(g.regions)
		g.rand.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		g.tables = append(g.tables, some[:1+g.rand.IntN(len(some))])
	}
	for i, regions := range g.tables {
		g.setup("table", append([]string{fmt.Sprint(i + 1)}, regions...)...)
	}
	for i, a := range g.regions {
		for _, b := range g.regions[i+1:] {
			g.setup("delay", a, b, g.between(time.Millisecond, 120*time.Millisecond).String())
		}
		g.setup("sync", a, g.between(100*time.Microsecond, 5*time.Millisecond).String())
	}
	if g.chance(2) {
		g.setup("restless")
	}
	g.keys = 1 + g.rand.IntN(8)
	g.length = g.between(4*time.Second, 25*time.Second)
}

// key draws a key of a table; the first ones are hot.
func (g *generator) key() (table int, key string) {
	table = g.rand.IntN(len(g.tables))
	return table, fmt.Sprintf("%d/k%d", table+1, min(g.rand.IntN(g.keys), g.rand.IntN(g.keys)))
}

func (g *generator) value() string { g.values++; return fmt.Sprint("v", g.values) }

// clients draws operations: some at once, some alone, in some worlds only a few.
func (g *generator) clients() {
	n := 5 + g.rand.IntN([]int{10, 40, 150}[g.rand.IntN(3)])
	active := g.regions
	if g.chance(4) { // the others are idle origins
		active = active[:1]
	}
	at := warmup
	for range n {
		if !g.chance(3) {
			at = g.between(warmup, g.length)
		}
		table, key := g.key()
		region := g.one(active)
		if g.rand.IntN(10) > 0 {
			region = g.one(g.tables[table])
		}
		switch g.rand.IntN(12) {
		case 0, 1:
			g.do(at, "delete", region, key)
		case 2:
			g.do(at, "create", region, key, g.value())
		case 3:
			g.do(at, "swap", region, key, g.value())
		case 4:
			g.txn(at, region)
		case 5:
			g.do(at, "get", region, key)
		default:
			g.do(at, "put", region, key, g.value())
		}
	}
}

func (g *generator) txn(at time.Duration, region string) {
	var args []string
	used := map[string]bool{}
	for range 2 + g.rand.IntN(3) {
		_, key := g.key()
		if used[key] {
			continue
		}
		used[key] = true
		if g.chance(4) {
			args = append(args, key)
		} else {
			args = append(args, key+"="+g.value())
		}
	}
	g.do(at, "txn", append([]string{region}, args...)...)
}

// kinds of faults, each with the damage that it does; most end by themselves.
var kinds = []func(*generator, time.Duration){
	(*generator).crash, (*generator).crash, (*generator).cut, (*generator).cut, (*generator).cutOneWay, (*generator).isolate,
	(*generator).reset, (*generator).clockStep, (*generator).clockDrift, (*generator).slow, (*generator).fail,
	(*generator).crashSlow, (*generator).crashBack, (*generator).restore, (*generator).lose, (*generator).replicas, (*generator).apart, (*generator).stop,
}

func (g *generator) faults() {
	if g.chance(10) {
		return
	}
	var some []func(*generator, time.Duration)
	for range 1 + g.rand.IntN(4) {
		some = append(some, kinds[g.rand.IntN(len(kinds))])
	}
	for range 1 + g.rand.IntN(10) {
		some[g.rand.IntN(len(some))](g, g.between(warmup/2, g.length))
	}
}

// lasts draws how long a fault stays: a moment, or longer than regions remember.
func (g *generator) lasts() time.Duration {
	if g.chance(2) {
		return g.between(time.Millisecond, time.Second)
	}
	return g.between(time.Second, 12*time.Second)
}

func (g *generator) crash(at time.Duration) {
	region := g.one(g.regions)
	g.do(at, "crash", region)
	g.do(at+g.lasts(), "start", region)
}

// crashSlow crashes a region whose disk is busy, so that much is lost, or half of
// it.
func (g *generator) crashSlow(at time.Duration) {
	region := g.one(g.regions)
	g.do(at, "slow", region, g.between(50*time.Millisecond, 600*time.Millisecond).String())
	at += g.between(10*time.Millisecond, time.Second)
	g.do(at, "crash", region)
	at += g.lasts()
	g.do(at, "slow", region, syncDelay.String())
	g.do(at, "start", region)
}

// crashBack starts a region anew with a clock that is behind.
func (g *generator) crashBack(at time.Duration) {
	region := g.one(g.regions)
	g.do(at, "crash", region)
	g.do(at, "step", region, (-g.between(time.Second, 5*time.Second)).String())
	g.do(at+g.between(time.Millisecond, 200*time.Millisecond), "start", region)
}

func (g *generator) stop(at time.Duration) {
	region := g.one(g.regions)
	g.do(at, "stop", region)
	g.do(at+g.lasts(), "start", region)
}

func (g *generator) two() (a, b string) {
	i := g.rand.IntN(len(g.regions))
	j := (i + 1 + g.rand.IntN(len(g.regions)-1)) % len(g.regions)
	return g.regions[i], g.regions[j]
}

func (g *generator) cut(at time.Duration) {
	a, b := g.two()
	g.do(at, "cut", a, b)
	g.do(at+g.lasts(), "heal", a, b)
}

func (g *generator) cutOneWay(at time.Duration) {
	a, b := g.two()
	g.do(at, "cutway", a, b)
	g.do(at+g.lasts(), "healway", a, b)
}

func (g *generator) isolate(at time.Duration) {
	region := g.one(g.regions)
	g.do(at, "cut", region, "all")
	g.do(at+g.lasts(), "heal", region, "all")
}

func (g *generator) reset(at time.Duration) {
	a, b := g.two()
	g.do(at, "reset", a, b)
}

func (g *generator) clockStep(at time.Duration) {
	far := []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 5 * time.Second}[g.rand.IntN(3)]
	d := g.between(time.Millisecond, far)
	if g.chance(2) {
		d = -d
	}
	g.do(at, "step", g.one(g.regions), d.String())
}

func (g *generator) clockDrift(at time.Duration) {
	g.do(at, "drift", g.one(g.regions), fmt.Sprint(g.rand.IntN(40_000)-20_000))
}

func (g *generator) slow(at time.Duration) {
	region := g.one(g.regions)
	g.do(at, "slow", region, g.between(20*time.Millisecond, 800*time.Millisecond).String())
	g.do(at+g.lasts(), "slow", region, syncDelay.String())
}

func (g *generator) fail(at time.Duration) {
	region := g.one(g.regions)
	g.do(at, "fail", region)
	g.do(at+g.lasts(), "mend", region)
}

func (g *generator) restore(at time.Duration) {
	region := g.one(g.regions)
	g.do(at, "copy", region)
	g.do(at+g.lasts(), "restore", region)
}

func (g *generator) lose(at time.Duration) { g.do(at, "lose", g.one(g.regions)) }

func (g *generator) replicas(at time.Duration) {
	table, region := g.rand.IntN(len(g.tables)), g.one(g.regions)
	first, second := "give", "take"
	if slices.Contains(g.tables[table], region) {
		first, second = second, first
	}
	g.do(at, first, fmt.Sprint(table+1), region)
	if g.chance(2) {
		g.do(at+g.lasts(), second, fmt.Sprint(table+1), region)
	}
}

func (g *generator) apart(at time.Duration) {
	region := g.one(g.regions)
	g.do(at, "apart", region)
	g.do(at+g.lasts(), "reached", region)
}
