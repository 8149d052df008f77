package primary_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/meridian-run/meridian/internal/primary"
)

// history is some regions with clocks of their own, and control, which takes a
// renewal only from the primary of the newest epoch. Times are in real seconds.
type history struct {
	now     time.Duration
	terms   primary.Terms
	regions map[string]*node
	primary string
	epoch   uint32
	handed  bool
	faults  []string
}

type node struct {
	rate   float64       // clock seconds in a real one
	offset time.Duration // of the clock
	turn   primary.Turn
	sent   []time.Duration // renewals on their way to control, by the own clock
}

func newHistory() *history {
	return &history{terms: primary.TermsFor(time.Second), regions: map[string]*node{}}
}

func (n *node) clock(now time.Duration) time.Duration {
	return n.offset + time.Duration(float64(now)*n.rate)
}

// pass moves the time and looks, all the way, that no two hold the table.
func (h *history) pass(d time.Duration) {
	for end := h.now + d; h.now < end; h.now += 5 * time.Millisecond {
		h.look()
	}
	h.look()
}

func (h *history) look() {
	if names := h.holders(); len(names) > 1 {
		h.faults = append(h.faults, fmt.Sprintf("%v hold the table at %v", names, h.now))
	}
}

func (h *history) holders() (names []string) {
	for name, n := range h.regions {
		if n.turn.Holds(n.clock(h.now)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (h *history) promote(to string, handed bool) {
	h.primary, h.handed = to, handed
	h.epoch++
}

// learn is when a region knows what control says now.
func (h *history) learn(name string, held bool) {
	n := h.regions[name]
	if h.primary != name {
		n.turn = primary.Turn{}
		return
	}
	n.turn = primary.Begin(primary.Start{Epoch: h.epoch, Now: n.clock(h.now), Handed: h.handed, Held: held, Terms: h.terms})
}

func (h *history) send(name string) bool {
	n := h.regions[name]
	free := n.turn.Free(n.clock(h.now))
	if free {
		n.sent = append(n.sent, n.clock(h.now))
	}
	return free
}

// arrive is when control judges the oldest renewal of a region, and the region
// hears of it.
func (h *history) arrive(name string) bool {
	n := h.regions[name]
	sent := n.sent[0]
	n.sent = n.sent[1:]
	taken := h.primary == name && n.turn.Epoch() == h.epoch
	if taken {
		n.turn.Renewed(sent)
	}
	return taken
}

// TestD4_DATA19_Histories: leases by text.
func TestD4_DATA19_Histories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		h := newHistory()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out []string
			for line := range strings.Lines(d.Input) {
				if said := h.run(t, strings.Fields(line)); said != "" {
					out = append(out, said)
				}
			}
			return strings.Join(append(out, h.faults...), "\n") + "\n"
		})
	})
}

func (h *history) run(t *testing.T, words []string) string {
	var name string
	if len(words) > 1 {
		name = words[1]
	}
	is := func(word string) bool { return slices.Contains(words, word) }
	switch words[0] {
	case "region": // NAME RATE [OFFSET]
		n := &node{}
		fmt.Sscan(words[2], &n.rate)
		if len(words) > 3 {
			n.offset, _ = time.ParseDuration(words[3])
		}
		h.regions[name] = n
	case "create":
		h.primary, h.handed = name, true
	case "promote":
		h.promote(name, is("handed"))
	case "learn":
		h.learn(name, is("held"))
	case "release":
		h.regions[name].turn.Release()
	case "resume":
		h.regions[name].turn.Resume()
	case "send":
		if !h.send(name) {
			n := h.regions[name]
			return fmt.Sprintf("%s may not claim it yet: %v to wait", name, n.turn.Wait(n.clock(h.now)).Round(time.Millisecond))
		}
	case "arrive":
		return name + map[bool]string{true: " renewed", false: " is refused"}[h.arrive(name)]
	case "pass":
		d, err := time.ParseDuration(name)
		if err != nil {
			t.Fatal(err)
		}
		h.pass(d)
	case "who":
		var said []string
		for _, name := range h.holders() {
			n := h.regions[name]
			said = append(said, fmt.Sprintf("%s for %v", name, n.turn.Left(n.clock(h.now)).Round(time.Millisecond)))
		}
		if said == nil {
			said = []string{"nobody"}
		}
		return fmt.Sprintf("%v: %s", h.now, strings.Join(said, ", "))
	default:
		t.Fatalf("unknown %q", words[0])
	}
	return ""
}

// TestD4_DATA19_NoTwoHold: whatever is sent, delayed, lost, promoted and learned
// late, with clocks that differ by a tenth in either direction, no two regions
// hold the table at once.
func TestD4_DATA19_NoTwoHold(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := newHistory()
		names := []string{"a", "b", "c"}
		for _, name := range names {
			h.regions[name] = &node{rate: 0.95 + r.Float64()/10, offset: time.Duration(r.Int64N(int64(time.Hour)))}
		}
		h.primary, h.handed = "a", true
		h.learn("a", false)
		for range 120 {
			name := names[r.IntN(3)]
			n := h.regions[name]
			switch k := r.IntN(20); {
			case k == 0:
				h.promote(name, false)
			case k == 1 && h.primary != name && slices.Contains(h.holders(), h.primary):
				// Planned: who holds it stops before control is told.
				h.regions[h.primary].turn.Release()
				h.promote(name, true)
			case k < 5:
				h.learn(name, false)
			case k < 12:
				h.send(name)
			case len(n.sent) > 0 && k < 18:
				h.arrive(name)
			case len(n.sent) > 0:
				n.sent = n.sent[1:]
			}
			h.pass(time.Duration(r.Int64N(int64(2 * time.Second))))
		}
		if h.faults != nil {
			t.Fatalf("seed %d: %v", seed, h.faults[0])
		}
	}
}

// TestD4_DATA19_Clock: it goes forward.
func TestD4_DATA19_Clock(t *testing.T) {
	before := primary.Clock()
	for range 1000 {
		now := primary.Clock()
		if now < before || now <= 0 {
			t.Fatalf("the clock went from %v to %v", before, now)
		}
		before = now
	}
}
