package world

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/client"
)

// sa is the region that comes to the world while it runs.
const sa = "sa-east-1"

// growSpec has a table everywhere, one with regions of its own, and a service.
const growSpec = `
world: shop
domain: shop.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  notes: {key: pk}
  staff: {key: pk, regions: [eu-west-1, us-east-1]}
services:
  web:
    backend: {us-east-1: "US", eu-west-1: "EU", ap-southeast-2: "AP"}
    health:  {path: /health, every: 1s}
    routing: {policy: latency, ttl: 1s}
`

// writers put items of their own into a table until stopped, and remember what
// was acknowledged.
type writers struct {
	stop    context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex // guards acked
	acked   map[string]string
	count   atomic.Int64
}

func startWriters(t *testing.T, w *World, table string, regions ...string) *writers {
	ctx, cancel := context.WithCancel(t.Context())
	ws := &writers{stop: cancel, acked: map[string]string{}}
	for _, region := range regions {
		db := tables(t, w, region)
		ws.running.Go(func() {
			pause := time.NewTicker(5 * time.Millisecond)
			defer pause.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				pk := fmt.Sprintf("%s-%d", region, i)
				if put(ctx, db, table, "pk", pk, "name", "written") == nil {
					ws.mu.Lock()
					ws.acked[pk] = region
					ws.mu.Unlock()
					ws.count.Add(1)
				}
				select {
				case <-pause.C:
				case <-ctx.Done():
				}
			}
		})
	}
	t.Cleanup(ws.end)
	return ws
}

func (ws *writers) end() {
	ws.stop()
	ws.running.Wait()
}

func growText(t *testing.T) string {
	text := growSpec
	for mark, name := range map[string]string{"US": us, "EU": eu, "AP": ap} {
		text = strings.ReplaceAll(text, `"`+mark+`"`, `"`+newBackend(t, "web in "+name).URL+`"`)
	}
	return text
}

// withSA is a spec with the fourth region.
func withSA(t *testing.T, text string) string {
	text = strings.Replace(text, "\ntables:", "\n  sa-east-1: {place: Sao Paulo}\ntables:", 1)
	return strings.Replace(text, "backend: {", `backend: {sa-east-1: "`+newBackend(t, "web in "+sa).URL+`", `, 1)
}

func apply(t *testing.T, w *World, at, text string) client.Applied {
	t.Helper()
	return whenAgreed(t, "apply", func() (client.Applied, error) {
		return w.Region(at).Apply(t.Context(), client.ApplyRequest{Spec: []byte(text), Source: "shop.yaml"})
	})
}

func remove(t *testing.T, w *World, at string, in client.RemoveRequest) client.Removal {
	t.Helper()
	return whenAgreed(t, "remove "+in.Region, func() (client.Removal, error) { return w.Region(at).RemoveRegion(t.Context(), in) })
}

// A fourth region joins a world that takes writes, a region dies and is removed,
// and the survivors have the same: all that was acknowledged but what only the
// dead one had.
func TestDATA13_DATA16_RegionsComeAndGo(t *testing.T) {
	t.Parallel()
	text := growText(t)
	dir := t.TempDir()
	w := run(t, Config{Spec: parse(t, text), RoundTrip: near, Dir: dir})
	db := tables(t, w, us)
	for i := range 300 {
		if err := put(t.Context(), db, "notes", "pk", fmt.Sprint("before-", i), "name", "old"); err != nil {
			t.Fatal(err)
		}
	}
	ws := startWriters(t, w, "notes", us, eu, ap)

	if !t.Run("D2 a region is added", func(t *testing.T) { addsSA(t, w, text) }) {
		return
	}
	grown := withSA(t, text)
	if out := apply(t, w, eu, grown); out.Revision == 0 { // its backend is another one now; again adds nothing
		t.Errorf("applying again: %+v", out)
	}
	t.Run("alive regions stay", func(t *testing.T) { staysAlive(t, w) })
	began := ws.count.Load()
	eventually(t, 60*time.Second, "writes go on", func() bool { return ws.count.Load() > began+50 })

	t.Run("a dead region is removed", func(t *testing.T) { removesUS(t, w, dir) })
	ws.end()
	t.Run("survivors are equal", func(t *testing.T) { lostOnlyByDead(t, w, ws) })
	t.Run("the spec follows", func(t *testing.T) { specFollows(t, w, grown) })
}

func addsSA(t *testing.T, w *World, text string) {
	out := apply(t, w, ap, withSA(t, text))
	if !slices.Contains(out.Changes, "region sa-east-1 added") {
		t.Errorf("apply tells %q", out.Changes)
	}
	eventually(t, 40*time.Second, sa+" serves", func() bool { r := w.Region(sa); return r != nil && r.Ready() })
	if items, err := scan(t.Context(), tables(t, w, sa), "notes"); err != nil || items["pk=before-299"] == "" {
		t.Errorf("%s serves and lacks what was there before: %d items, %v", sa, len(items), err)
	}
	if _, err := scan(t.Context(), tables(t, w, sa), "staff"); !isMissing(err) {
		t.Errorf("a table with regions of its own came along: %v", err)
	}
	if err := put(t.Context(), tables(t, w, sa), "notes", "pk", "by-sa", "name", "new"); err != nil {
		t.Errorf("write in %s: %v", sa, err)
	}
	eventually(t, 60*time.Second, "its write is everywhere", func() bool {
		return get(t, tables(t, w, eu), "notes", "by-sa") == "name=new pk=by-sa"
	})
	eventually(t, 60*time.Second, "it is answered by all nameservers", func() bool {
		for _, name := range []string{us, eu, ap, sa} {
			reply, err := query(w.find(name).at(portDNS), "web.shop.test", dns.TypeA, newUser(t, w, "", "Sao Paulo").subnet, "udp")
			if err != nil || len(reply.Answer) != 1 || reply.Answer[0].(*dns.A).A.String() != w.find(sa).tag.String() {
				return false
			}
		}
		return true
	})
	eventually(t, 60*time.Second, "it votes", func() bool {
		members := status(t, w, eu).Control.Members
		return len(members) == 4 && !slices.ContainsFunc(members, func(m client.Member) bool { return m.Learner })
	})
	select {
	case <-w.Changes():
	default:
		t.Error("nobody was told of the new region")
	}
	if c := w.Context(); len(c.Regions) != 4 {
		t.Errorf("the context has %v", c.Regions)
	}
}

// staysAlive removes nothing that lives, nor what is not there.
func staysAlive(t *testing.T, w *World) {
	for what, c := range map[string]struct{ region, words string }{
		"a region that lives": {us, "us-east-1 is alive"},
		"itself":              {eu, "cannot remove itself"},
		"a stranger":          {"mars", "there is no region"},
	} {
		_, err := w.Region(eu).RemoveRegion(t.Context(), client.RemoveRequest{Region: c.region})
		if refused := new(client.Error); !errors.As(err, &refused) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("removing %s: %v", what, err)
		}
	}
}

func removesUS(t *testing.T, w *World, dir string) {
	stop(t, w, us)
	plan := client.Removal{}
	eventually(t, 40*time.Second, "nobody has heard "+us+" for a while", func() bool {
		var err error
		plan, err = w.Region(eu).RemoveRegion(t.Context(), client.RemoveRequest{Region: us, DryRun: true})
		return err == nil
	})
	if plan.State != "" || len(plan.Waiting) != 3 || !strings.Contains(plan.Text, "What only it has stays on its disk") {
		t.Errorf("the plan is %+v", plan)
	}
	if out := remove(t, w, eu, client.RemoveRequest{Region: us}); out.State == "" {
		t.Errorf("remove answers %+v", out)
	}
	eventually(t, 90*time.Second, us+" is gone", func() bool {
		return remove(t, w, ap, client.RemoveRequest{Region: us}).State == client.RemovalGone
	})
	gone := remove(t, w, ap, client.RemoveRequest{Region: us})
	if gone.Until.IsZero() || time.Since(gone.Until) > 10*time.Minute || len(gone.Waiting) != 0 {
		t.Errorf("gone: %+v", gone)
	}
	for _, name := range []string{eu, ap, sa} {
		eventually(t, 40*time.Second, name+" knows nothing of it any more", func() bool {
			s := status(t, w, name)
			lag := slices.ContainsFunc(s.Regions, func(r client.Region) bool {
				return r.Name == us || slices.ContainsFunc(r.Lag, func(l client.Lag) bool { return l.Peer == us })
			})
			return !lag && len(s.Removals) == 1 && len(s.Control.Members) == 3
		})
		reply, err := query(w.find(name).at(portDNS), "web.shop.test", dns.TypeA, newUser(t, w, "", "New York").subnet, "udp")
		if err != nil || len(reply.Answer) != 1 || reply.Answer[0].(*dns.A).A.String() == "" {
			t.Errorf("%s answers New York with %v, %v", name, reply, err)
		}
	}
	eventually(t, 40*time.Second, "dev lets go of it", func() bool { return w.find(us) == nil })
	if _, err := w.StartRegion(t.Context(), us); err == nil {
		t.Error("a region that is gone was started")
	}
	if _, err := os.Stat(filepath.Join(dir, us, "store")); err != nil {
		t.Errorf("its data: %v", err)
	}
}

// lostOnlyByDead scans all survivors.
func lostOnlyByDead(t *testing.T, w *World, ws *writers) {
	items := sameItems(t, w, "notes", eu, ap, sa)
	lost := 0
	for pk, region := range ws.acked {
		if _, has := items["pk="+pk]; has {
			continue
		}
		if region != us {
			t.Errorf("%s was acknowledged by %s and is lost", pk, region)
		}
		lost++
	}
	t.Logf("%d writes were acknowledged, %d of them only the dead region had", len(ws.acked), lost)
	// What held logs and deletes for it is free: collection goes on.
	for _, name := range []string{eu, ap, sa} {
		eventually(t, 60*time.Second, name+" keeps no log", func() bool {
			for _, r := range status(t, w, name).Regions {
				if r.Name == name {
					return r.BacklogEntries == 0
				}
			}
			return false
		})
	}
}

// sameItems waits until some regions hold the same items of a table.
func sameItems(t *testing.T, w *World, table string, regions ...string) (items map[string]string) {
	t.Helper()
	eventually(t, 60*time.Second, strings.Join(regions, ", ")+" hold the same", func() bool {
		var last map[string]string
		for i, name := range regions {
			var err error
			if items, err = scan(t.Context(), tables(t, w, name), table); err != nil {
				t.Fatalf("scan in %s: %v", name, err)
			}
			if i > 0 && !maps.Equal(items, last) {
				return false
			}
			last = items
		}
		return true
	})
	return items
}

// specFollows takes the region out of the spec, and adds the name anew.
func specFollows(t *testing.T, w *World, grown string) {
	_, err := w.Region(eu).Apply(t.Context(), client.ApplyRequest{Spec: []byte(grown + "\n# again\n")})
	if err == nil || !strings.Contains(err.Error(), "was removed, and the spec still names it") {
		t.Errorf("a spec that still names it: %v", err)
	}
	without := grown[:strings.Index(grown, "  us-east-1:")] + grown[strings.Index(grown, "  eu-west-1:"):]
	without = strings.Replace(without, "regions: [eu-west-1, us-east-1]", "regions: [eu-west-1]", 1)
	from := strings.Index(without, "us-east-1: \"")
	to := from + strings.Index(without[from:], ", ") + 2
	without = without[:from] + without[to:]
	apply(t, w, eu, without)
	_, err = w.Region(eu).Apply(t.Context(), client.ApplyRequest{Spec: []byte(without[:strings.Index(without, "  ap-southeast-2:")] + without[strings.Index(without, "  sa-east-1:"):])})
	if err == nil || !strings.Contains(err.Error(), "ap-southeast-2") {
		t.Errorf("a spec without a region that lives: %v", err)
	}
	apply(t, w, eu, grown)
	eventually(t, 90*time.Second, us+" serves anew", func() bool { r := w.Region(us); return r != nil && r.Ready() })
	sameItems(t, w, "notes", us, eu, ap, sa)
}
