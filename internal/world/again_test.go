package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/region"
)

// againSpec has nothing but a table: what is looked at is who takes part.
const againSpec = `
world: shop
domain: shop.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  notes: {key: pk}
`

// life is one run of a world on a directory that outlives it.
type life struct {
	*World
	cancel context.CancelFunc
	ended  chan error
}

func live(t *testing.T, c Config) *life {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{World: bindSomewhere(t, c), cancel: cancel, ended: make(chan error, 1)}
	go func() { l.ended <- l.Run(ctx) }()
	t.Cleanup(func() { l.end(t) })
	eventually(t, 90*time.Second, "the world is ready", func() bool { return isClosed(l.Ready()) })
	return l
}

func (l *life) end(t *testing.T) {
	l.cancel()
	if err := <-l.ended; err != nil {
		t.Errorf("the world ended with %v", err)
	}
	l.ended <- nil
}

// crash ends the world as a power cut would.
func (l *life) crash(t *testing.T) {
	var crashed sync.WaitGroup
	for _, s := range l.list() {
		if r := l.latest(s.name); r != nil {
			crashed.Go(r.Crash)
		}
	}
	crashed.Wait()
	l.end(t)
}

// dev ends while it adds a region, and is started again with the file that it
// began with: the region comes all the same. A region that is alive is removed by
// force: what it had not shipped is lost to the others, who say so before; its
// clients are refused, and it ends and says why. dev is started once more.
func TestDATA13_DATA16_DevStartsAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	logs := logFile(t)
	c := Config{Spec: parse(t, againSpec), RoundTrip: near, Dir: dir, Log: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	grown := strings.Replace(againSpec, "\ntables:", "\n  sa-east-1: {place: Sao Paulo}\ntables:", 1)

	first := live(t, c)
	if err := put(t.Context(), tables(t, first.World, us), "notes", "pk", "first", "v", "1"); err != nil {
		t.Fatal(err)
	}
	numbers, err := os.ReadFile(filepath.Join(dir, sitesFile))
	if err != nil {
		t.Fatal(err)
	}
	apply(t, first.World, eu, grown)
	id := first.Region(eu).State().ID
	first.crash(t)
	// The crash came before dev knew that the spec was applied.
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, sa)), os.WriteFile(filepath.Join(dir, sitesFile), numbers, 0o644)); err != nil {
		t.Fatal(err)
	}

	second := live(t, c)
	if second.first == nil || second.first.ID != id { // else who comes new could found a world of its own
		t.Errorf("control starts over from %v", second.first)
	}
	for _, name := range []string{us, eu, ap, sa} {
		if got := second.Region(name).State().ID; got != id {
			t.Errorf("%s is of world %s, before it was %s", name, got, id)
		}
	}
	before := sameItems(t, second.World, "notes", us, eu, ap, sa)
	if len(before) != 1 {
		t.Errorf("the regions hold %v", before)
	}
	removesAlive(t, second.World, logs.Name())
	second.end(t)

	third := live(t, c) // its file names one that is gone, and lacks one that is there
	if got := len(third.list()); got != 3 || third.find(us) != nil || third.find(sa) == nil {
		t.Errorf("started again with %d sites", got)
	}
	if after := sameItems(t, third.World, "notes", eu, ap, sa); !maps.Equal(after, before) {
		t.Errorf("after all that the regions hold %v", after)
	}
	if _, err := os.Stat(filepath.Join(dir, us, "store")); err != nil {
		t.Errorf("the data of the removed region: %v", err)
	}
	salvages(t, filepath.Join(dir, us))
}

// DATA 18: what only the removed region has is found on its disk, and nothing
// else.
func salvages(t *testing.T, dir string) {
	var found []string
	list := func(one region.Salvaged) error {
		found = append(found, fmt.Sprintf("%s %s %s", one.Table, one.Key, one.Item))
		return nil
	}
	known, err := region.Salvage(t.Context(), region.SalvageQuery{Dir: dir}, list)
	if want := []string{`notes {"pk":{"S":"only"}} {"pk":{"S":"only"},"v":{"S":"1"}}`}; err != nil || !known || !slices.Equal(found, want) {
		t.Errorf("only on its disk: %q, known %t, %v; want %q", found, known, err, want)
	}
	found = nil
	if _, err := region.Salvage(t.Context(), region.SalvageQuery{Dir: dir, After: time.Now()}, list); err != nil || len(found) != 0 {
		t.Errorf("written after now: %q, %v", found, err)
	}
	if _, err := region.Salvage(t.Context(), region.SalvageQuery{Dir: t.TempDir()}, list); err == nil {
		t.Error("an empty directory was read")
	}
}

// removesAlive removes a region that serves and was cut off a moment ago.
func removesAlive(t *testing.T, w *World, logPath string) {
	east := tables(t, w, us)
	if _, err := w.CutRegion(t.Context(), us, ""); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), east, "notes", "pk", "only", "v", "1"); err != nil {
		t.Fatal(err)
	}
	refused := new(client.Error)
	if _, err := w.Region(eu).RemoveRegion(t.Context(), client.RemoveRequest{Region: us}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "not shipped is then only on its disk") {
		t.Errorf("removed without force: %v", err)
	}
	plan, err := w.Region(eu).RemoveRegion(t.Context(), client.RemoveRequest{Region: us, Force: true, DryRun: true})
	if err != nil || !strings.Contains(plan.Text, "what it has acknowledged and not shipped stays on its disk only") {
		t.Errorf("the plan is %+v: %v", plan, err)
	}
	if out := remove(t, w, eu, client.RemoveRequest{Region: us, Force: true}); !out.Forced && out.State != client.RemovalGone {
		t.Errorf("remove answers %+v", out)
	}
	eventually(t, 90*time.Second, us+" is gone", func() bool {
		return remove(t, w, ap, client.RemoveRequest{Region: us, Force: true}).State == client.RemovalGone
	})
	if w.find(us) == nil {
		t.Fatal("dev let go of a region that lives")
	}
	if _, err := w.HealRegion(t.Context(), us, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, us+" ends by itself", func() bool { return w.find(us) == nil })
	if err := put(t.Context(), east, "notes", "pk", "late", "v", "1"); err == nil {
		t.Error("a removed region takes writes")
	}
	text, err := os.ReadFile(logPath)
	if err != nil || !strings.Contains(string(text), "this region was removed from the world") {
		t.Errorf("the log does not say why it ended: %v", err)
	}
	if items := sameItems(t, w, "notes", eu, ap, sa); len(items) != 1 {
		t.Errorf("the others hold %v", items)
	}
}
