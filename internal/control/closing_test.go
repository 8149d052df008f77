package control

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// Histories of regions that come and go, in testdata; `go test -rewrite` writes
// the outputs anew.
func TestDATA13_RegionHistories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		h := &regionHistory{t: t}
		datadriven.RunTest(t, path, h.run)
	})
}

// regionHistory is one state that commands change.
type regionHistory struct {
	t     *testing.T
	state *State
}

func (h *regionHistory) run(t *testing.T, d *datadriven.TestData) string {
	h.t = t
	args := func(key string) (values []string) {
		for _, a := range d.CmdArgs {
			if a.Key == key {
				values = a.Vals
			}
		}
		return values
	}
	word := func(key string) string { return strings.Join(args(key), ",") }
	if d.Cmd == "found" {
		s, err := Found("notes", h.seed(args("regions"), args("tables")), day, testScribe(1).rand)
		if err != nil {
			return "refused: " + err.Error() + "\n"
		}
		h.state = s
		return h.show()
	}
	changes := false
	n, err := next(h.state, func(s *State) (err error) {
		defer func() {
			same, failed := sameDocuments(h.state, s)
			changes, err = !same, errors.Join(err, failed)
		}()
		w := testScribe(uint64(s.Revision) + 1)
		switch d.Cmd {
		case "apply":
			return w.apply(s, ApplySpec{Seed: h.seed(args("regions"), args("tables"))})
		case "remove":
			return w.closeRegion(s, word("region"), d.HasArg("force"))
		case "holds":
			w.holds(s, Holds{Region: h.id(word("region")), By: h.id(word("by")), Revision: h.round(d, word("region")), Ends: ends(args("ends"))})
		case "has-all":
			w.hasAll(s, h.id(word("region")), h.id(word("by")), h.round(d, word("region")))
		case "copied":
			i, _ := s.table(word("table"))
			for _, r := range s.Tables[i].Replicas {
				if r.Region == word("by") {
					w.copied(s, s.Tables[i].ID, r.ID, r.Since)
				}
			}
		default:
			d.Fatalf(t, "no command %s", d.Cmd)
		}
		return nil
	})
	if err != nil {
		return "refused: " + err.Error() + "\n"
	}
	if !changes {
		return "nothing changes\n"
	}
	if err := n.check("notes"); err != nil {
		t.Error(err)
	}
	h.state = n
	return h.show()
}

// seed is a spec of regions and tables; a table "staff@us+eu" has its own.
func (h *regionHistory) seed(regions, tables []string) Seed {
	s := Seed{Spec: []byte(fmt.Sprint(regions, tables)), Source: "file", Regions: regions}
	for _, text := range tables {
		name, in, _ := strings.Cut(text, "@")
		x := keyed(name)
		for _, r := range strings.FieldsFunc(in, func(c rune) bool { return c == '+' }) {
			x.Replicas = append(x.Replicas, table.Replica{Region: r})
		}
		s.Tables = append(s.Tables, x)
	}
	return s
}

// id is the newest region's of a name.
func (h *regionHistory) id(name string) record.RegionID {
	for _, r := range slices.Backward(h.state.Regions) {
		if r.Name == name {
			return r.ID
		}
	}
	h.t.Fatalf("no region %s", name)
	return 0
}

// round is the revision that a closing's current round began with, or round=.
func (h *regionHistory) round(d *datadriven.TestData, region string) (revision uint64) {
	if d.HasArg("round") {
		d.ScanArgs(h.t, "round", &revision)
		return revision
	}
	if r, ok := h.state.Former(region); ok && r.Closing != nil {
		return r.Closing.Revision
	}
	return 0
}

// ends reads "7:150", log 7 up to a write at 150.
func ends(list []string) (out []record.End) {
	for _, text := range list {
		var log, at uint64
		if _, err := fmt.Sscanf(text, "%d:%d", &log, &at); err != nil {
			panic(err)
		}
		out = append(out, record.End{Log: record.LogID(log), Time: hlc.Time(at)})
	}
	return out
}

func (h *regionHistory) show() string {
	var b strings.Builder
	fmt.Fprintf(&b, "revision %d\n", h.state.Revision)
	for _, r := range h.state.Regions {
		fmt.Fprintf(&b, "  region %d %s", r.ID, r.Name)
		switch {
		case r.Closing != nil && r.Closing.Agreed:
			fmt.Fprintf(&b, " closing, ends%s, waits for %s", showEnds(r.Closing.Ends), h.state.Waiting(r))
		case r.Closing != nil:
			fmt.Fprintf(&b, " closing since round %d, waits for word of %s", r.Closing.Revision, h.state.Waiting(r))
		case r.Removed:
			fmt.Fprintf(&b, " gone, ends%s", showEnds(r.Ends))
		}
		if r.Listed {
			b.WriteString(", still in the spec")
		}
		b.WriteByte('\n')
	}
	for _, x := range h.state.Tables {
		fmt.Fprintf(&b, "  table %s in", x.Name)
		for _, r := range x.Replicas {
			fmt.Fprintf(&b, " %s", r.Region)
			if !r.Complete() {
				fmt.Fprintf(&b, "(copies since %d)", r.Since)
			}
		}
		for _, r := range x.Leaving {
			fmt.Fprintf(&b, " %s(leaves)", r.Region)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func showEnds(list []record.End) string {
	if len(list) == 0 {
		return " nowhere"
	}
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, " %d:%d", e.Log, e.Time)
	}
	return b.String()
}
