package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

// respec writes the world's spec anew, with the regions whose lines are given.
func (w *served) respec(lines map[string]string, regions ...string) {
	w.t.Helper()
	text := string(w.spec.Source)
	from, to := strings.Index(text, "regions:\n")+len("regions:\n"), strings.Index(text, "\ntables:")+1
	var list strings.Builder
	for _, name := range regions {
		list.WriteString(lines[name])
	}
	w.write("meridian.yaml", text[:from]+list.String()+text[to:])
	var err error
	if w.spec, err = spec.Load(w.path("meridian.yaml")); err != nil {
		w.t.Fatal(err)
	}
}

// regionLines are the lines of the spec's regions by name.
func (w *served) regionLines() map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(string(w.spec.Source)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ": {place:"); ok {
			lines[name] = line
		}
	}
	return lines
}

func (w *served) post(region string) string {
	w.t.Helper()
	var note struct{ RequestID string }
	posted := w.must("request", "POST", "/data", "--body", `{"name":"x"}`, "--quiet", "--from", region)
	if err := json.Unmarshal([]byte(posted), &note); err != nil {
		w.t.Fatalf("POST printed %q: %v", posted, err)
	}
	return note.RequestID
}

// Processes: a region comes to the world, one dies and is removed, and its disk
// that comes back is refused.
func TestServeRegionsComeAndGo_DATA13_DATA16(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 3})
	lines := w.regionLines()
	before := w.post("us-east-1")
	network := fmt.Sprintf("127.%d.%d.77", 201+len(before)%20, time.Now().Nanosecond()%250)
	var ports freePorts
	lines["sa-east-1"] = fmt.Sprintf("  sa-east-1: {place: Sao Paulo, %s}\n", ports.node(t, network))
	ports.release()
	w.respec(lines, "us-east-1", "eu-west-1", "ap-southeast-2", "sa-east-1")

	// It may be started before the spec that has it is applied, or after.
	w.must("init", "--add", "sa-east-1")
	w.start("sa-east-1")
	w.must("apply")
	w.awaitAnswered("us-east-1", "eu-west-1", "ap-southeast-2", "sa-east-1")
	w.awaitNotes([]string{before}, "sa-east-1")
	eventually(t, 60*time.Second, "it votes", func() bool {
		s, ok := w.status("eu-west-1")
		return ok && len(s.Control.Members) == 4 && !slices.ContainsFunc(s.Control.Members, func(m client.Member) bool { return m.Learner })
	})
	after := w.post("us-east-1")
	w.awaitNotes([]string{after}, w.spec.RegionNames()...)

	w.kill("us-east-1")
	if out, err := w.meridian("region", "remove", "us-east-1", "--yes"); err == nil || !strings.Contains(out, "us-east-1 is alive") {
		t.Errorf("removed right after its death: %v, %s", err, out)
	}
	out := ""
	eventually(t, 120*time.Second, "it is removed", func() bool {
		var err error
		out, err = w.meridian("region", "remove", "us-east-1", "--yes", "--wait", "50s")
		return err == nil
	})
	if !strings.Contains(out, "us-east-1 is gone: every region has what any of them had of it, up to its write of") {
		t.Errorf("remove prints %s", out)
	}
	w.awaitNotes([]string{before, after}, "eu-west-1", "ap-southeast-2", "sa-east-1")
	w.must("drain", "eu-west-1")
	w.must("undrain", "eu-west-1")
	if shown := w.must("status"); !strings.Contains(shown, "gone us-east-1") {
		t.Errorf("status shows\n%s", shown)
	}

	if out, err := w.meridian("apply"); err == nil && !strings.Contains(out, "nothing to change") {
		t.Errorf("a spec that still names it was applied: %s", out)
	}
	w.respec(lines, "eu-west-1", "ap-southeast-2", "sa-east-1")
	w.must("apply")

	// Its disk comes back, not knowing.
	w.start("us-east-1")
	if code := w.nodes["us-east-1"].await(60 * time.Second); code == 0 {
		t.Errorf("a region that was removed ended with %d", code)
	}
	if log := w.nodes["us-east-1"].log(); !strings.Contains(log, "this region was removed from the world") {
		t.Errorf("it does not say why: %s", log[max(0, len(log)-2000):])
	}
	w.awaitAnswered("eu-west-1", "ap-southeast-2", "sa-east-1")
}
