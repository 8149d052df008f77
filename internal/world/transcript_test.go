package world

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The transcript of the README: write in one region, read in another, lose a
// region, read on, get it back.
func TestR1_R2_R5_D1_F1_Transcript(t *testing.T) {
	for name, oneAddress := range map[string]bool{"an address each": false, "one address": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := run(t, Config{Spec: parse(t, notesSpec), OneAddress: oneAddress})

			posted := request(t, w, "POST", "/data", `{"name":"x"}`, "New York", 200)
			if posted.Region != "us-east-1" || posted.ServedBy != "us-east-1" {
				t.Errorf("New York was sent to %s and served by %s, want us-east-1: %s", posted.Region, posted.ServedBy, posted.Lookup.Reason)
			}
			var created struct{ RequestID string }
			if err := json.Unmarshal(posted.Body, &created); err != nil || created.RequestID == "" {
				t.Fatalf("POST /data answered %s, want a request id", posted.Body)
			}
			path := "/data/" + created.RequestID

			eventually(t, 40*time.Second, "Sydney reads what New York wrote", func() bool {
				got := request(t, w, "GET", path, "", "Sydney", 200)
				if got.ServedBy != "ap-southeast-2" {
					t.Fatalf("Sydney was served by %s, want ap-southeast-2: %s", got.ServedBy, got.Lookup.Reason)
				}
				return strings.Contains(string(got.Body), `"x"`)
			})

			if _, err := w.StopRegion(t.Context(), "us-east-1"); err != nil {
				t.Fatal(err)
			}
			removed := told(t, w, "eu-west-1", "removed", "us-east-1", "")
			if !strings.Contains(removed.Text, "after it stopped (seen by ap-southeast-2, eu-west-1)") {
				t.Errorf("the event says %q", removed.Text)
			}
			moved := request(t, w, "GET", path, "", "New York", 200)
			if moved.ServedBy != "eu-west-1" || !strings.Contains(moved.Lookup.Reason, "us-east-1") {
				t.Errorf("New York was served by %s because %q, want eu-west-1 and why not us-east-1", moved.ServedBy, moved.Lookup.Reason)
			}

			while := request(t, w, "POST", "/data", `{"name":"meanwhile"}`, "New York", 200)
			if err := json.Unmarshal(while.Body, &created); err != nil {
				t.Fatal(err)
			}
			if _, err := w.StartRegion(t.Context(), "us-east-1"); err != nil {
				t.Fatal(err)
			}
			eventually(t, 40*time.Second, "New York is served by us-east-1 again, with what it missed", func() bool {
				got := request(t, w, "GET", "/data/"+created.RequestID, "", "New York", 200)
				return got.ServedBy == "us-east-1" && strings.Contains(string(got.Body), "meanwhile")
			})
		})
	}
}
