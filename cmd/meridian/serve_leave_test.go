package main

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/meridian-run/meridian/spec"
)

// leaveMax is far more than a region needs to leave: TTL, 5 s, and its log.
const leaveMax = 60 * time.Second

// Each region in turn is told to end, and started again, while clients that
// honour the TTL write and read: they see no error, and no write is lost.
func TestU2_RollingRestartUnderLoad(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 3})
	l := underLoad(w)
	all := w.spec.RegionNames()
	for _, name := range all {
		l.awaitWritten(20)
		began := time.Now()
		w.nodes[name].signal(syscall.SIGTERM)
		if code := w.nodes[name].await(leaveMax); code != 0 {
			t.Fatalf("%s ended with exit code %d after SIGTERM", name, code)
		}
		if took := time.Since(began); took < 6*time.Second {
			t.Errorf("%s served on for %v, want its TTL of 1 s and 5 s", name, took)
		}
		var rest []string
		for _, other := range all {
			if other != name {
				rest = append(rest, other)
			}
		}
		// It has shipped its log: the others have all, while it is away.
		w.awaitNotes(l.acknowledged(), rest...)
		w.start(name)
		w.awaitAnswered(all...)
	}
	l.awaitWritten(20)
	l.end()
	noFailures(t, l.failuresAfter(time.Time{}))
	w.awaitNotes(l.acknowledged(), all...)
	t.Logf("%d notes, served by %v", len(l.acknowledged()), l.servedBy)
}

func TestU2_ASecondSIGTERMEndsAtOnce(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 1, Rest: notesService + "\n"})
	p := w.nodes[w.spec.Regions[0].Name]
	p.signal(syscall.SIGTERM)
	p.awaitLog(40*time.Second, "leaves the answers")
	p.signal(syscall.SIGTERM)
	// Had it gone on leaving, it would end with 0.
	if code := p.await(leaveMax); code == 0 {
		t.Error("it says that it has left")
	}
	w.start(p.name)
	w.awaitAnswered(p.name)
}

// A region ends without warning, under load. Whoever was answered has its note,
// whatever the region had not shipped.
func TestD1_R2_KilledUnderLoad(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 3})
	l := underLoad(w)
	all := w.spec.RegionNames()
	l.awaitWritten(40)
	w.kill(all[0])
	w.awaitAnswered(all[1:]...)
	// Answers that were given before hold for the TTL, and a request under way
	// may take a moment.
	settled := time.Now().Add(2 * time.Second)
	eventually(t, 40*time.Second, "resolvers have forgotten "+all[0], func() bool { return time.Now().After(settled) })
	l.awaitWritten(40)
	noFailures(t, l.failuresAfter(settled))
	w.start(all[0])
	w.awaitAnswered(all...)
	back := time.Now()
	l.awaitWritten(40)
	l.end()
	noFailures(t, l.failuresAfter(back))
	w.awaitNotes(l.acknowledged(), all...)
	t.Logf("%d notes, served by %v, %d failures while %s was answered and dead", len(l.acknowledged()), l.servedBy, len(l.failuresAfter(time.Time{})), all[0])
}

// Two regions and a witness: each region is killed in turn. The other serves,
// what is agreed on can be changed, and what was missed is caught up.
func TestU3_TwoRegionsAndAWitness(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 2, Witness: true})
	all := w.spec.RegionNames()
	for i, dead := range all {
		alive := all[1-i]
		w.kill(dead)
		w.awaitAnswered(alive)
		c := newNotesClient(w, "198.18.1.7")
		var ids []string
		for range 10 {
			id, region, err := c.add("while " + dead + " is away")
			if err != nil || region != alive {
				t.Fatalf("written in %q: %v", region, err)
			}
			ids = append(ids, id)
		}
		w.changeControl(alive, dead, dead)
		w.start(dead)
		w.awaitAnswered(all...)
		w.awaitNotes(ids, all...)
		w.awaitTable(dead, "made-without-"+dead)
	}
	// The witness holds nothing that has to be shipped: told to end, it does so.
	w.nodes[spec.WitnessName].signal(syscall.SIGTERM)
	if code := w.nodes[spec.WitnessName].await(leaveMax); code != 0 {
		t.Errorf("the witness ended with exit code %d", code)
	}
	w.changeControl(all[0], all[1], spec.WitnessName)
	w.start(spec.WitnessName)
	w.awaitTable(all[1], "made-without-"+spec.WitnessName)
}

// Two of three are killed. The last one hears nobody, but its reference point
// answers: it serves alone, what is agreed on stays as it was, and all are equal
// when the others are back.
func TestU3_D1_TwoOfThreeKilled(t *testing.T) {
	t.Parallel()
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	go func() {
		for {
			c, err := outside.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	w := serve(t, worldPlan{Regions: 3, Rest: notesService + "references: [\"" + outside.Addr().String() + "\"]\n"})
	all := w.spec.RegionNames()
	last := all[2]
	w.kill(all[:2]...)
	w.awaitAnswered(last)
	c := newNotesClient(w, "198.18.1.7")
	var ids []string
	for range 10 {
		id, region, err := c.add("alone")
		if err != nil || region != last {
			t.Fatalf("written in %q: %v", region, err)
		}
		ids = append(ids, id)
	}
	out, err := w.meridian("drain", last)
	if err == nil || !strings.Contains(out, "no quorum") || !strings.Contains(out, "reading and writing data go on") {
		t.Errorf("drain without a quorum says %q", out)
	}
	w.kill(last) // what it wrote alone is on its disk
	w.start(all...)
	w.awaitAnswered(all...)
	w.awaitNotes(ids, all...)
	w.must("drain", last)
	w.must("undrain", last)
}
