package world

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-run/meridian/client"
)

const copiesSpec = `
world: notes
domain: notes.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  sure: {key: pk, durability: {copies: 2}}
  soft: {key: pk, durability: {copies: 2, otherwise: degrade}}
  once: {key: pk}
`

// TestD11_Copies: what a table with two copies has acknowledged survives the loss
// of the region and of its disk; without a second region writes are refused, or
// acknowledged with one copy for all to see.
func TestD11_Copies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := run(t, Config{Spec: parse(t, copiesSpec), Dir: dir, RoundTrip: at(20 * time.Millisecond)})
	east := tables(t, w, "us-east-1")

	var mu sync.Mutex // guards acknowledged
	acknowledged := map[string]bool{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	for n := range 8 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprintf("w%d-%05d", n, i)
				short, cancel := context.WithTimeout(ctx, 5*time.Second)
				err := put(short, east, "sure", "pk", key, "v", "1")
				cancel()
				if err != nil {
					continue
				}
				mu.Lock()
				acknowledged[key] = true
				mu.Unlock()
			}
		})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acknowledged) }
	eventually(t, 60*time.Second, "writes are acknowledged", func() bool { return count() > 200 })
	if _, err := w.StopRegion(t.Context(), "us-east-1"); err != nil { // a crash
		t.Fatal(err)
	}
	cancel()
	writers.Wait()
	if err := os.RemoveAll(filepath.Join(dir, "us-east-1", "store")); err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for _, name := range []string{"eu-west-1", "ap-southeast-2"} {
		items, err := scan(t.Context(), tables(t, w, name), "sure")
		if err != nil {
			t.Fatal(err)
		}
		for key := range items {
			kept[strings.TrimPrefix(key, "pk=")] = true
		}
	}
	for key := range acknowledged {
		if !kept[key] {
			t.Errorf("%s was acknowledged and is in no region", key)
		}
	}
	t.Logf("%d writes were acknowledged before the disk was lost", len(acknowledged))
	withoutSecond(t, w)
}

// withoutSecond cuts the two that are left from each other.
func withoutSecond(t *testing.T, w *World) {
	west := tables(t, w, "eu-west-1")
	write := func(table string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		return put(ctx, west, table, "pk", "cut", "v", "1")
	}
	if _, err := w.CutRegion(t.Context(), "eu-west-1", "ap-southeast-2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, "writes that want a second copy are refused", func() bool {
		err := write("sure")
		return err != nil && strings.Contains(err.Error(), "Nothing was written; reads go on")
	})
	for _, table := range []string{"soft", "once"} {
		if err := write(table); err != nil {
			t.Errorf("a write to %s: %v", table, err)
		}
	}
	copies := func() map[string]client.Copies {
		out := map[string]client.Copies{}
		for _, r := range status(t, w, "eu-west-1").Regions {
			if r.Name != "eu-west-1" {
				continue
			}
			for _, c := range r.Copies {
				out[c.Table] = c
			}
		}
		return out
	}
	if c := copies(); !c["sure"].Refused || c["soft"].Refused || c["soft"].Since.IsZero() || len(c) != 2 {
		t.Errorf("status says %+v", c)
	}
	if e := told(t, w, "eu-west-1", "copies", "eu-west-1", ""); !strings.Contains(e.Text, "with one copy") {
		t.Errorf("event %+v", e)
	}
	if got := get(t, west, "sure", "cut"); got != "" && got != "pk=cut v=1" {
		t.Errorf("a read: %q", got)
	}
	for _, one := range status(t, w, "eu-west-1").Tables {
		want := map[string]client.Table{"sure": {Copies: 2, Otherwise: "refuse"}, "soft": {Copies: 2, Otherwise: "degrade"}, "once": {}}[one.Name]
		if one.Copies != want.Copies || one.Otherwise != want.Otherwise {
			t.Errorf("status of %s: %+v", one.Name, one)
		}
	}
	if _, err := w.HealRegion(t.Context(), "eu-west-1", "ap-southeast-2"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, "writes have two copies again", func() bool {
		return write("sure") == nil && write("soft") == nil && len(copies()) == 0
	})
}
