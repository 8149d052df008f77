package verdict

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// testWorld is a small world on a clock of its own: every node probes the one
// service in every region each second and reports to all each half second, as
// probe does. What reaches whom is decided by who is dead and which pairs are
// cut.
type testWorld struct {
	t     *testing.T
	now   time.Time
	step  int
	nodes map[string]*testNode
	names []string
	dead  map[string]bool
	cut   map[[2]string]bool
	// broken says that the service in a region fails although the region lives.
	broken map[string]bool
	// offline nodes reach no reference point.
	offline map[string]time.Time // since when
	refs    int
}

type testNode struct {
	name     string
	board    *Board
	life     uint64
	seq      uint64
	opinions map[string]*Opinion
	skew     time.Duration
	phase    int
}

const (
	testStep    = 100 * time.Millisecond
	testService = "api"
)

// newTestWorld takes regions and, after a "+", witnesses: "a b +w".
func newTestWorld(t *testing.T, names string, refs int) *testWorld {
	w := &testWorld{
		t: t, now: time.Now(), nodes: map[string]*testNode{}, refs: refs,
		dead: map[string]bool{}, cut: map[[2]string]bool{}, broken: map[string]bool{}, offline: map[string]time.Time{},
	}
	w.names = strings.Fields(names)
	for i, name := range w.names {
		w.start(strings.TrimPrefix(name, "+"), i)
	}
	return w
}

func (w *testWorld) regions() []string {
	var out []string
	for _, n := range w.names {
		if !strings.HasPrefix(n, "+") {
			out = append(out, n)
		}
	}
	return out
}

// start begins a node's life.
func (w *testWorld) start(name string, phase int) {
	setup := Setup{}
	for _, other := range w.names {
		if other = strings.TrimPrefix(other, "+"); other != name {
			setup.Observers = append(setup.Observers, other)
		}
	}
	for _, r := range w.regions() {
		setup.Targets = append(setup.Targets, Target{Endpoint: Endpoint{testService, r}, Every: time.Second, Timeout: time.Second})
	}
	life := uint64(1)
	if old := w.nodes[name]; old != nil {
		life = old.life + 1
	}
	n := &testNode{name: name, board: NewBoard(Config{Self: name}, w.now), life: life, opinions: map[string]*Opinion{}, phase: phase}
	n.board.Configure(setup)
	for _, r := range w.regions() {
		n.opinions[r] = &Opinion{}
	}
	w.nodes[name] = n
	delete(w.dead, name)
}

func pair(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

func (w *testWorld) reaches(a, b string) bool {
	return !w.dead[a] && !w.dead[b] && !w.cut[pair(a, b)]
}

// run lets time pass.
func (w *testWorld) run(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(testStep)
		w.step++
		for _, name := range w.names {
			if n := w.nodes[strings.TrimPrefix(name, "+")]; !w.dead[n.name] {
				w.live(n)
			}
		}
	}
}

// live is one step of a node.
func (w *testWorld) live(n *testNode) {
	r := Report{Observer: n.name, Life: n.life}
	if (w.step+3*n.phase)%10 == 0 { // a second has passed
		for _, region := range w.regions() {
			o := n.opinions[region]
			passed := w.reaches(n.name, region) && !w.broken[region]
			o.Add(passed, Thresholds{Every: time.Second}, w.now)
			n.seq++
			r.Observations = append(r.Observations, Observation{
				Service: testService, Region: region, Sequence: n.seq, Decided: o.Decided, Healthy: o.Healthy,
				Passed: passed, Streak: o.Streak, Reason: fmt.Sprint("passed ", passed), At: w.now.Add(n.skew),
			})
		}
		refs := References{Configured: w.refs, Answering: w.refs}
		if since, ok := w.offline[n.name]; ok && w.now.Sub(since) >= 1500*time.Millisecond { // probe's timeout
			refs.Answering = 0
		}
		n.board.SetReferences(refs)
	}
	if (w.step+3*n.phase)%5 == 0 {
		n.seq++
		r.Sequence = n.seq
		for _, other := range w.nodes {
			if w.reaches(n.name, other.name) {
				if err := other.board.Add(r, w.now); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
	n.board.Evaluate(w.now)
}

// healthy lists the regions that a node takes for healthy.
func (w *testWorld) healthy(node string) string {
	var out []string
	for _, r := range w.regions() {
		if v := w.nodes[node].board.Verdict(testService, r, w.now); v.Known && v.Healthy {
			out = append(out, r)
		}
	}
	return strings.Join(out, " ")
}

func (w *testWorld) want(node, regions string) {
	w.t.Helper()
	if got := w.healthy(node); got != regions {
		w.t.Errorf("%s holds %q healthy, want %q", node, got, regions)
		for _, r := range w.regions() {
			w.t.Logf("  %s: %s", r, w.nodes[node].board.Verdict(testService, r, w.now).Reason)
		}
	}
}

func (w *testWorld) rule(node, region string, want Rule) {
	w.t.Helper()
	if v := w.nodes[node].board.Verdict(testService, region, w.now); v.Rule != want {
		w.t.Errorf("%s judges %s by %q (%s), want %q", node, region, v.Rule, v.Reason, want)
	}
}

// isolate cuts a node off from everything.
func (w *testWorld) isolate(name string) {
	for other := range w.nodes {
		w.cut[pair(name, other)] = name != other
	}
	w.offline[name] = w.now
}

func (w *testWorld) heal() { clear(w.cut); clear(w.offline) }

func TestH7_TheFirstVerdictsComeWithinASecond(t *testing.T) {
	w := newTestWorld(t, "a b c", 1)
	if w.nodes["a"].board.Settled(w.now) {
		t.Error("settled before anything was seen")
	}
	w.run(1100 * time.Millisecond)
	for _, n := range []string{"a", "b", "c"} {
		w.want(n, "a b c")
		if !w.nodes[n].board.Settled(w.now) {
			t.Errorf("%s is not settled", n)
		}
	}
}

func TestR2_ThreeRegionsOneKilled(t *testing.T) {
	w := newTestWorld(t, "a b c", 1)
	w.run(10 * time.Second)
	w.dead["a"] = true
	w.run(1900 * time.Millisecond)
	w.want("b", "a b c") // two failures are forgiven
	w.run(1500 * time.Millisecond)
	w.want("b", "b c")
	w.want("c", "b c")
	if got := w.nodes["b"].board.Verdict(testService, "a", w.now).By(); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("seen by %v, want b and c", got)
	}
	w.start("a", 0)
	w.run(1500 * time.Millisecond)
	w.want("b", "b c") // it must pass three times
	w.run(3 * time.Second)
	for _, n := range []string{"a", "b", "c"} {
		w.want(n, "a b c")
	}
}

func TestU3_TwoRegionsAndAWitnessOneKilled(t *testing.T) {
	w := newTestWorld(t, "a b +w", 0)
	w.run(10 * time.Second)
	w.dead["a"] = true
	w.run(4 * time.Second)
	w.want("b", "b")
	w.want("w", "b")
	w.run(time.Minute)
	w.want("b", "b")
	w.rule("b", "a", Quorum)
}

func TestU3_TwoRegionsWithoutAWitnessOneKilled(t *testing.T) {
	w := newTestWorld(t, "a b", 1)
	w.run(10 * time.Second)
	w.dead["a"] = true
	w.run(4 * time.Second)
	w.want("b", "b")
	w.rule("b", "a", Alone)
	w.rule("b", "b", OwnRegion)
}

func TestU3_TwoRegionsLinkCutWithAWitness(t *testing.T) {
	w := newTestWorld(t, "a b +w", 0)
	w.run(10 * time.Second)
	w.cut[pair("a", "b")] = true
	w.run(time.Minute)
	for _, n := range []string{"a", "b", "w"} {
		w.want(n, "a b") // clients reach both, says the witness
	}
	w.heal()
	w.run(10 * time.Second)
	w.want("a", "a b")
	w.want("b", "a b")
}

func TestU3_TwoRegionsLinkCutWithoutAWitness(t *testing.T) {
	w := newTestWorld(t, "a b", 1)
	w.run(10 * time.Second)
	w.cut[pair("a", "b")] = true
	w.run(4 * time.Second)
	w.want("a", "a") // the world is there, so each answers itself
	w.want("b", "b")
	w.heal()
	w.run(5 * time.Second)
	w.want("a", "a b")
	w.want("b", "a b")
}

func TestU3_ThreeRegionsTwoKilled(t *testing.T) {
	for _, refs := range []int{0, 1} { // without references nothing can say "isolated"
		w := newTestWorld(t, "a b c", refs)
		w.run(10 * time.Second)
		w.dead["a"], w.dead["b"] = true, true
		w.run(4 * time.Second)
		w.want("c", "c")
		w.rule("c", "c", OwnRegion)
		w.broken["c"] = true
		w.run(10 * time.Second)
		w.want("c", "c") // it never removes itself
	}
}

func TestH7_OneBadNetworkEvacuatesNobody(t *testing.T) {
	w := newTestWorld(t, "a b c", 1)
	w.run(10 * time.Second)
	w.cut[pair("a", "b")] = true
	w.run(time.Minute)
	for _, n := range []string{"a", "b", "c"} {
		w.want(n, "a b c")
	}
}

func TestH7_ABrokenServiceLeavesEverywhere(t *testing.T) {
	w := newTestWorld(t, "a b c +w", 1)
	w.run(10 * time.Second)
	w.broken["b"] = true
	w.run(4 * time.Second)
	for _, n := range []string{"a", "b", "c", "w"} {
		w.want(n, "a c") // b, too, takes itself out: it is not alone
	}
}

func TestIsolatedNodeKeepsItsLastVerdicts(t *testing.T) {
	for _, names := range []string{"a b", "a b c", "a b +w", "a b c d e +w"} {
		w := newTestWorld(t, names, 2)
		w.run(10 * time.Second)
		before := w.healthy("a")
		w.isolate("a")
		for range 200 { // at no time in between, either
			w.run(testStep)
			w.want("a", before)
		}
		w.rule("a", "b", Isolated)
		w.heal()
		for range 100 { // the others may hold it unhealthy until it has recovered; it holds nobody so
			w.run(testStep)
			if got := w.healthy("a"); got != before && "a "+got != before {
				t.Fatalf("after the heal a holds %q healthy, want %q", got, before)
			}
		}
		w.want("a", before)
	}
}

func TestIsolatedNodeKeepsARemovalToo(t *testing.T) {
	w := newTestWorld(t, "a b c", 1)
	w.run(10 * time.Second)
	w.dead["b"] = true
	w.run(10 * time.Second)
	w.want("a", "a c")
	w.isolate("a")
	w.run(time.Minute)
	w.want("a", "a c")
	w.want("c", "c")
}

func TestARestartedNodeLearnsFromItsPeers(t *testing.T) {
	w := newTestWorld(t, "a b c", 1)
	w.run(10 * time.Second)
	w.dead["a"] = true
	w.run(10 * time.Second)
	w.start("b", 1)
	w.run(1200 * time.Millisecond)
	// c's opinion is known although b has seen too little to have one of its own.
	if v := w.nodes["b"].board.Verdict(testService, "a", w.now); !v.Known || v.Healthy {
		t.Errorf("b holds %+v of a, want unhealthy", v)
	}
}

// The senders' wall clocks are shown to people and decide nothing.
func TestSkewedClocksChangeNothing(t *testing.T) {
	skews := []time.Duration{-10 * 365 * 24 * time.Hour, -time.Hour, 0, time.Hour, 10 * 365 * 24 * time.Hour}
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 1))
		straight, skewed := newTestWorld(t, "a b c +w", 1), newTestWorld(t, "a b c +w", 1)
		for round := range 40 {
			for _, w := range []*testWorld{straight, skewed} {
				w.dead["b"] = round/10%2 == 1
				w.cut[pair("a", "c")] = round/7%2 == 1
			}
			for _, n := range skewed.nodes {
				n.skew = skews[rng.IntN(len(skews))] // it jumps, too
			}
			straight.run(time.Second)
			skewed.run(time.Second)
			for _, n := range []string{"a", "c", "w"} {
				if got, want := skewed.healthy(n), straight.healthy(n); got != want {
					t.Fatalf("seed %d, second %d: %s holds %q healthy with skewed clocks, %q without", seed, round, n, got, want)
				}
			}
		}
	}
}

// A region that fails every other check for minutes changes no verdict.
func TestH5_FlappingChangesNoVerdict(t *testing.T) {
	w := newTestWorld(t, "a b c", 1)
	w.run(10 * time.Second)
	for range 120 {
		w.broken["b"] = !w.broken["b"]
		w.run(time.Second)
		w.want("a", "a b c")
	}
}
