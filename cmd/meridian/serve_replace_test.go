package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

// A region whose disk is lost joins again with `meridian replace`, gets its
// records from its peer, and votes: the witness can then go.
func TestServeLostDisk_U3(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 2, Witness: true})
	var note struct{ RequestID string }
	posted := w.must("request", "POST", "/data", "--body", `{"name":"before"}`, "--quiet")
	if err := json.Unmarshal([]byte(posted), &note); err != nil {
		t.Fatalf("POST printed %q: %v", posted, err)
	}
	w.awaitNotes([]string{note.RequestID}, w.spec.RegionNames()...)
	w.kill("eu-west-1")
	if err := os.RemoveAll(w.path("data", "eu-west-1")); err != nil {
		t.Fatal(err)
	}
	w.start("eu-west-1")
	w.nodes["eu-west-1"].awaitLog(30*time.Second, "meridian replace")
	if out, err := w.meridian("replace", "us-east-1"); err == nil {
		t.Errorf("a node that lives was replaced: %s", out)
	}
	w.must("replace", "eu-west-1")
	w.awaitAnswered("us-east-1", "eu-west-1")
	w.awaitNotes([]string{note.RequestID}, "eu-west-1")

	w.kill(spec.WitnessName)
	eventually(t, 60*time.Second, "the two agree without the witness", func() bool {
		_, err := w.meridian("drain", "eu-west-1")
		return err == nil
	})
}

// What is changed through a region is seen there at once.
func TestServeChangesAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	w := serve(t, worldPlan{Regions: 2, Witness: true})
	c := w.client("us-east-1")
	for range 5 {
		if _, err := c.Drain(t.Context(), client.DrainRequest{Region: "eu-west-1"}); err != nil {
			t.Fatal(err)
		}
		if s, ok := w.status("us-east-1"); !ok || len(s.Regions[1].Drains) != 1 {
			t.Fatalf("the drain is not in the status: %v", s.Regions)
		}
		done, err := c.Undrain(t.Context(), client.DrainRequest{Region: "eu-west-1"})
		if err != nil || strings.Contains(done.Note, "was not drained") {
			t.Fatalf("undrain says %+v, %v", done, err)
		}
	}
}
