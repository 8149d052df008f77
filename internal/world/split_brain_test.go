package world

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/primary"
)

// skewed is a clock that runs faster or slower than time does.
func skewed(rate float64) func() time.Duration {
	return func() time.Duration { return time.Duration(float64(primary.Clock()) * rate) }
}

// TestD4_NoSplitBrain: the primary is cut off while it takes writes, another
// region is promoted, and the network heals: the two never acknowledge writes at
// the same time, and what the old one acknowledged is current everywhere or has
// its receipt everywhere. With the clocks of the two skewed both ways (DATA 19,
// 20).
func TestD4_NoSplitBrain(t *testing.T) {
	for name, rates := range map[string][2]float64{
		"old slow, new fast": {0.93, 1.07},
		"old fast, new slow": {1.07, 0.93},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := run(t, Config{Spec: parse(t, ledgerSpec), RoundTrip: at(2 * time.Millisecond), BootClock: func(region string) func() time.Duration {
				switch region {
				case "us-east-1":
					return skewed(rates[0])
				case "eu-west-1":
					return skewed(rates[1])
				}
				return nil
			}})
			awaitLease(t, w, "ledger", "us-east-1")
			// Its writes have an epoch, those of the other tables in the same log have
			// none: an epoch does not order a log (DATA 14).
			for _, to := range []string{"eu-west-1", "us-east-1"} {
				if _, err := w.Region(to).Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: to}); err != nil {
					t.Fatalf("promote %s: %v", to, err)
				}
			}
			awaitLease(t, w, "ledger", "us-east-1")
			splitBrain(t, w)
		})
	}
}

// acknowledged are writes, by when their answer was there. Writers begin their
// next write at once, so the times are dense while a region takes writes.
type acknowledged struct {
	mu    sync.Mutex // guards what follows
	ended map[string]time.Time
	notes []string // in the table without a primary, each beside a write
}

// write puts items, one after the other, until ctx ends.
func (a *acknowledged) write(ctx context.Context, db *dynamodb.Client, prefix string) {
	for i := 0; ctx.Err() == nil; i++ {
		short, cancel := context.WithTimeout(ctx, time.Second)
		key := fmt.Sprintf("%s%06d", prefix, i)
		err := put(short, db, "ledger", "pk", key, "v", prefix)
		cancel()
		if err != nil {
			continue
		}
		a.mu.Lock()
		a.ended[key] = time.Now()
		a.mu.Unlock()
		if prefix == "old" {
			a.note(ctx, db, key)
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// note writes to the table without a primary, in turn with the ledger.
func (a *acknowledged) note(ctx context.Context, db *dynamodb.Client, key string) {
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if put(short, db, "notes", "pk", key, "v", key) == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.notes = append(a.notes, key)
	}
}

// span is when the first and the last write of a prefix were acknowledged, before
// a time.
func (a *acknowledged) span(prefix string, before time.Time) (first, last time.Time, keys []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, at := range a.ended {
		if !strings.HasPrefix(key, prefix) || at.After(before) {
			continue
		}
		keys = append(keys, key)
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	slices.Sort(keys)
	return first, last, keys
}

func splitBrain(t *testing.T, w *World) {
	old, next := tables(t, w, "us-east-1"), tables(t, w, "eu-west-1")
	if err := put(t.Context(), old, "ledger", "pk", "both", "v", "before"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 40*time.Second, "what was before is everywhere", func() bool { return get(t, next, "ledger", "both") == "pk=both v=before" })

	a := &acknowledged{ended: map[string]time.Time{}}
	taken := func(prefix string) bool { _, _, keys := a.span(prefix, time.Now()); return len(keys) > 10 }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	writers.Go(func() { a.write(ctx, old, "old") })
	eventually(t, 40*time.Second, "the primary takes writes", func() bool { return taken("old") })
	if _, err := w.CutRegion(t.Context(), "us-east-1", ""); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), old, "ledger", "pk", "both", "v", "lost"); err != nil {
		t.Logf("the primary took no write after the cut: %v", err) // it may have lost its lease on a slow machine
	}
	writers.Go(func() { a.write(ctx, next, "new") })

	eventually(t, 40*time.Second, "the survivors hear nothing of it any more", func() bool {
		out, err := w.Region("eu-west-1").Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: "eu-west-1", Force: true})
		return err == nil && out.Loss != nil && out.Loss.Seconds > 0.5
	})
	asked, err := w.Region("eu-west-1").Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: "eu-west-1", Force: true})
	if err != nil || !asked.Asked || asked.Loss == nil || asked.Loss.Seconds < 0 || !strings.Contains(asked.Text, "records") {
		t.Fatalf("asking what may be lost: %+v, %v", asked, err)
	}
	t.Log(asked.Text)
	eventually(t, 60*time.Second, "the survivors have a quorum", func() bool {
		out, err := w.Region("eu-west-1").Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: "eu-west-1", Force: true, Yes: true})
		if err != nil {
			t.Log(err)
			return false
		}
		t.Log(out.Text)
		return true
	})
	eventually(t, 40*time.Second, "the new primary takes writes", func() bool { return taken("new") })
	healed := time.Now()
	if _, err := w.HealRegion(t.Context(), "us-east-1", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, "the old primary forwards to the new one", func() bool {
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return put(short, old, "ledger", "pk", "forwarded", "v", "x") == nil && leaseOf(t, w, "us-east-1", "ledger") != nil &&
			leaseOf(t, w, "us-east-1", "ledger").Holder == "eu-west-1"
	})
	cancel()
	writers.Wait()
	a.check(t, w, healed)
}

// check compares what was acknowledged with what is there. As long as the network
// was not healed, the old primary could only answer by itself.
func (a *acknowledged) check(t *testing.T, w *World, healed time.Time) {
	firstNew, _, _ := a.span("new", healed)
	_, lastOld, oldKeys := a.span("old", healed)
	lost := map[string]bool{}
	t.Logf("the old primary acknowledged until %v before the new one did", firstNew.Sub(lastOld))
	if lastOld.After(firstNew) {
		t.Errorf("the old primary acknowledged a write %v after the new one had", lastOld.Sub(firstNew))
	}
	var items map[string]string
	eventually(t, 60*time.Second, "all regions hold the same", func() bool {
		all := map[string]map[string]string{}
		for _, name := range ledgerRegions {
			short, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			got, err := scan(short, tables(t, w, name), "ledger")
			cancel()
			if err != nil {
				return false
			}
			all[name] = got
		}
		items = all["us-east-1"]
		return maps.Equal(items, all["eu-west-1"]) && maps.Equal(items, all["ap-southeast-2"])
	})
	if got := items["pk=both"]; got != "pk=both v=before" {
		t.Errorf("what the promotion did not include is %q, want the value before", got)
	}
	for key := range a.ended {
		if items["pk="+key] == "" {
			lost[key] = true
		}
	}
	for key := range lost {
		if !strings.HasPrefix(key, "old") {
			t.Errorf("%s was acknowledged by the new primary and is gone", key)
		}
	}
	receipts := uint64(len(lost) + 1) // and that of "both"
	eventually(t, 40*time.Second, fmt.Sprintf("each of the %d writes that were not shipped has its receipt everywhere", receipts), func() bool {
		for _, r := range status(t, w, "us-east-1").Regions {
			if r.Conflicts < receipts {
				return false
			}
		}
		return true
	})
	for _, r := range status(t, w, "us-east-1").Regions {
		// A write whose answer did not come in time may be among them.
		if r.Conflicts > receipts+2 {
			t.Errorf("%s has %d receipts for %d writes", r.Name, r.Conflicts, receipts)
		}
	}
	t.Logf("%d writes of the old primary, %d of them receipts", len(oldKeys), receipts)
	for _, name := range ledgerRegions {
		eventually(t, 40*time.Second, name+" has what the old primary wrote to a table without one", func() bool {
			items, err := scan(t.Context(), tables(t, w, name), "notes")
			return err == nil && !slices.ContainsFunc(a.notes, func(key string) bool { return items["pk="+key] == "" })
		})
	}
}
