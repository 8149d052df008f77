package world

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

const relaySpec = `
world: shop
domain: shop.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  notes: {key: pk}
`

// A region stops when only one survivor has its last writes: the survivors become
// equal without it, and all are when it is back.
func TestDATA13_SurvivorsBecomeEqualWithoutTheDeadRegion(t *testing.T) {
	t.Parallel()
	w := run(t, Config{Spec: parse(t, relaySpec), Dir: t.TempDir(), RoundTrip: near})
	east := tables(t, w, us)
	if err := put(t.Context(), east, "notes", "pk", "first", "v", "1"); err != nil {
		t.Fatal(err)
	}
	everywhere := func(pk string, regions ...string) {
		t.Helper()
		eventually(t, 60*time.Second, pk+" is everywhere", func() bool {
			for _, name := range regions {
				if get(t, tables(t, w, name), "notes", pk) != "pk="+pk+" v=1" {
					return false
				}
			}
			return true
		})
	}
	everywhere("first", eu, ap)
	if _, err := w.CutRegion(t.Context(), us, ap); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err := put(t.Context(), east, "notes", "pk", fmt.Sprint("late-", i), "v", "1"); err != nil {
			t.Fatal(err)
		}
	}
	everywhere("late-199", eu)
	if _, err := w.StopRegion(t.Context(), us); err != nil {
		t.Fatal(err)
	}
	everywhere("late-199", eu, ap)
	same := func(a, b string) {
		t.Helper()
		x, err := scan(t.Context(), tables(t, w, a), "notes")
		if err != nil {
			t.Fatal(err)
		}
		y, err := scan(t.Context(), tables(t, w, b), "notes")
		if err != nil || len(x) != 201 || !maps.Equal(x, y) {
			t.Errorf("%s has %d items, %s %d: %v", a, len(x), b, len(y), err)
		}
	}
	same(eu, ap)
	if _, err := w.HealRegion(t.Context(), us, ap); err != nil {
		t.Fatal(err)
	}
	if _, err := w.StartRegion(t.Context(), us); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, us+" is back", func() bool { r := w.Region(us); return r != nil && r.Ready() })
	if err := put(t.Context(), tables(t, w, ap), "notes", "pk", "after", "v", "1"); err != nil {
		t.Fatal(err)
	}
	everywhere("after", us, eu, ap)
}
