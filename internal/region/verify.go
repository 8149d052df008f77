package region

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/equality"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	// verifyAskTimeout bounds one question to a peer: it may have to read a whole
	// table.
	verifyAskTimeout = 30 * time.Second
	// verifyEvery is how often a region compares one part of one table by itself,
	// and verifyParts how many parts a table has: with one table in three regions
	// all of it is compared in a quarter of an hour.
	verifyEvery = 10 * time.Second
	verifyParts = 256
	// verifyListMax bounds the items that one answer lists.
	verifyListMax = 1000
)

// peerResult is what a comparison with one peer found.
type peerResult struct {
	peer table.Replica
	equality.Result
}

// compareTable compares a part of a table here with every other region that holds
// all of it, with all of them at once. Regions that cannot be asked are skipped.
func (r *Region) compareTable(ctx context.Context, d *data, t table.Table, within equality.Hashes) (done []peerResult, skipped []client.SkippedRegion) {
	type outcome struct {
		peerResult
		why string // it was skipped
	}
	outcomes := make([]outcome, len(t.Replicas))
	var all sync.WaitGroup
	for i, peer := range t.Replicas {
		if peer.Region == r.cfg.Name {
			continue
		}
		if !peer.Complete() {
			outcomes[i].why = "it still copies the table"
			continue
		}
		all.Go(func() {
			c := equality.Comparison{
				Table: t.ID, TTL: t.TTL, A: d.store.Side(), B: remoteSide{r, peer.Region}, Now: time.Now, Pause: pause,
			}
			result, err := c.Compare(ctx, within)
			outcomes[i].peerResult = peerResult{peer: peer, Result: result}
			if err != nil {
				outcomes[i].why = err.Error()
			}
		})
	}
	all.Wait()
	for i, peer := range t.Replicas {
		one := outcomes[i]
		switch {
		case peer.Region == r.cfg.Name:
		case one.why != "":
			skipped = append(skipped, client.SkippedRegion{Region: peer.Region, Why: one.why})
		default:
			done = append(done, one.peerResult)
			r.metrics.verified.WithLabelValues(t.Name, peer.Region).Inc()
			r.metrics.different.WithLabelValues(t.Name, peer.Region).Add(float64(len(one.Different)))
		}
	}
	return done, skipped
}

// unsettled says why a region that was asked counts as not compared: what the
// other has not applied in all that time, nobody knows to be the same. Empty if
// everything was settled.
func (p peerResult) unsettled(self string) string {
	var behind string
	switch {
	case len(p.Unsettled) == 0:
		return ""
	case p.BehindA && p.BehindB:
		behind = fmt.Sprintf("%s and %s have not applied what the other has", self, p.peer.Region)
	case p.BehindA:
		behind = fmt.Sprintf("%s has not applied what %s has", self, p.peer.Region)
	case p.BehindB:
		behind = fmt.Sprintf("%s has not applied what %s has", p.peer.Region, self)
	default:
		return fmt.Sprintf("items of it changed all the time while %s looked at them (%d)", self, len(p.Unsettled))
	}
	return fmt.Sprintf("%s, and did not within %v (items on the way: %d); meridian status shows the stream", behind, equality.Patience, len(p.Unsettled))
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// heldTable answers a table that this region has to serve, to those who ask about
// its data: other regions may know more, so the next one is asked.
func (r *Region) heldTable(name string) (*data, table.Table, error) {
	a, d := r.applied.Load(), r.data.Load()
	if a == nil || d == nil {
		return nil, table.Table{}, errStarting
	}
	t, ok := a.state.Table(name)
	if !ok {
		return nil, t, client.Errorf(client.CodeNotFound, "there is no table %q; %s", name, namesOf(a.state.Tables))
	}
	if i := replicaIn(t, r.cfg.Name); i < 0 || !t.Replicas[i].Complete() {
		return nil, t, client.Errorf(client.CodeUnavailable, "table %s is not in %s, it is in %s", name, r.cfg.Name, strings.Join(t.Regions(), ", "))
	}
	if why := d.lacking(r); why != "" {
		return nil, t, client.Errorf(client.CodeUnavailable, "%s", why)
	}
	return d, t, nil
}

// replicaIn is the index of a region's replica; -1 if it has none.
func replicaIn(t table.Table, region string) int {
	return slices.IndexFunc(t.Replicas, func(x table.Replica) bool { return x.Region == region })
}

// Verify compares a part of a table with the other regions, and repairs it if
// asked to.
func (r *Region) Verify(ctx context.Context, q client.VerifyRequest) (client.Verified, error) {
	d, t, err := r.heldTable(q.Table)
	if err != nil {
		return client.Verified{}, err
	}
	within := equality.Hashes{From: q.From, To: q.To}
	done, skipped := r.compareTable(ctx, d, t, within)
	out := client.Verified{Compared: []string{r.cfg.Name}, Skipped: skipped}
	var keys []record.Key
	for _, one := range done {
		if why := one.unsettled(r.cfg.Name); why != "" {
			out.Skipped = append(out.Skipped, client.SkippedRegion{Region: one.peer.Region, Why: why})
		} else {
			out.Compared = append(out.Compared, one.peer.Region)
		}
		out.Unsettled += len(one.Unsettled)
		out.Cut = out.Cut || one.Cut
		for _, pair := range one.Different {
			keys = append(keys, pair.A.Key)
		}
	}
	if len(keys) == 0 {
		return out, nil
	}
	keys = uniqueKeys(keys)
	if len(keys) > verifyListMax {
		keys, out.Cut = keys[:verifyListMax], true
	}
	v := verification{region: r, data: d, table: t, peers: done}
	out.Different, err = v.report(ctx, keys)
	if err != nil || !q.Repair {
		return out, err
	}
	return out, v.repair(ctx, keys, out.Different)
}

func uniqueKeys(keys []record.Key) []record.Key {
	text := func(k record.Key) string { return fmt.Sprintf("%d %s %s", len(k.Partition), k.Partition, k.Sort) }
	slices.SortFunc(keys, func(a, b record.Key) int { return strings.Compare(text(a), text(b)) })
	return slices.CompactFunc(keys, func(a, b record.Key) bool { return text(a) == text(b) })
}

// verification is the regions that were compared, and what they were compared of.
type verification struct {
	region *Region
	data   *data
	table  table.Table
	peers  []peerResult
}

// report says what each region holds of some keys.
func (v verification) report(ctx context.Context, keys []record.Key) ([]client.DifferentItem, error) {
	out := make([]client.DifferentItem, len(keys))
	for i, k := range keys {
		out[i].Key = shownKey(v.table, k)
	}
	for n, part := range chunks(keys) {
		held, err := v.look(ctx, part)
		if err != nil {
			return nil, err
		}
		for i := range part {
			out[n+i].Held = held[i]
		}
	}
	return out, nil
}

// look answers for each key what each region holds, on one basis: as long as one
// of them has trimmed further than they were asked for, all are asked again.
func (v verification) look(ctx context.Context, keys []record.Key) ([][]client.HeldItem, error) {
	basis := v.basis()
	for {
		out := make([][]client.HeldItem, len(keys))
		highest := basis.Frontier
		for _, one := range v.sides() {
			looked, err := one.side.Look(ctx, basis, keys)
			if err == nil && len(looked.Held) != len(keys) {
				err = fmt.Errorf("%d answers for %d keys", len(looked.Held), len(keys))
			}
			if err != nil {
				return nil, client.Errorf(client.CodeUnavailable, "%s was compared and does not answer any more: %v", one.name, err)
			}
			highest = max(highest, looked.Frontier)
			for i, held := range looked.Held {
				out[i] = append(out[i], v.shown(one.name, held))
			}
		}
		if highest == basis.Frontier {
			return out, nil
		}
		basis.Frontier = highest
	}
}

// namedSide is a region that takes part.
type namedSide struct {
	name string
	side equality.Side
}

func (v verification) sides() []namedSide {
	out := []namedSide{{v.region.cfg.Name, v.data.store.Side()}}
	for _, p := range v.peers {
		out = append(out, namedSide{p.peer.Region, remoteSide{v.region, p.peer.Region}})
	}
	return out
}

func (v verification) basis() equality.Basis {
	return equality.Basis{Table: v.table.ID, Frontier: v.data.store.Frontier(v.table.ID), Due: time.Now().Unix()}
}

func (v verification) shown(region string, h equality.Held) client.HeldItem {
	out := client.HeldItem{Region: region, State: client.ItemPresent}
	switch {
	case h.Version.IsZero():
		out.State = client.ItemMissing
		return out
	case h.Gone:
		out.State = client.ItemDeleted
	}
	out.Written, out.By = h.Version.Time.Wall(), v.region.regionName(h.Version.Region)
	out.Digest = fmt.Sprintf("%016x", h.Hash)
	return out
}

// repair merges what the regions hold, in both directions: what a region lacks it
// gets, a higher version wins, and what loses unseen leaves a receipt.
func (v verification) repair(ctx context.Context, keys []record.Key, items []client.DifferentItem) error {
	for _, part := range chunks(keys) {
		for _, p := range v.peers {
			if err := v.fetch(ctx, p.peer, part); err != nil {
				return client.Errorf(client.CodeUnavailable, "repair from %s: %v", p.peer.Region, err)
			}
		}
		for _, p := range v.peers {
			if err := v.give(ctx, p.peer, part); err != nil {
				return client.Errorf(client.CodeUnavailable, "repair in %s: %v", p.peer.Region, err)
			}
		}
	}
	now, err := v.report(ctx, keys)
	if err != nil {
		return err
	}
	for i := range items {
		items[i].Repaired = alike(now[i].Held)
	}
	return nil
}

func alike(held []client.HeldItem) bool {
	return !slices.ContainsFunc(held, func(h client.HeldItem) bool {
		return h.State != held[0].State || h.Digest != held[0].Digest
	})
}

// fetch merges a peer's records here.
func (v verification) fetch(ctx context.Context, peer table.Replica, keys []record.Key) error {
	side := remoteSide{v.region, peer.Region}
	for len(keys) > 0 {
		a, err := side.ask(ctx, comparing{Ask: askCurrent, Basis: v.basis(), Keys: keys})
		if err != nil {
			return err
		}
		if a.Keys < 1 || a.Keys > len(keys) {
			return fmt.Errorf("%s answered for %d of %d keys", peer.Region, a.Keys, len(keys))
		}
		if _, err := v.data.store.Merge(ctx, peer.ID, v.table.ID, a.Records, a.Frontier); err != nil {
			return err
		}
		keys = keys[a.Keys:]
	}
	return nil
}

// give merges this region's records in a peer.
func (v verification) give(ctx context.Context, peer table.Replica, keys []record.Key) error {
	side := remoteSide{v.region, peer.Region}
	for len(keys) > 0 {
		c, err := v.data.store.Current(ctx, v.table.ID, keys, recordsBytesMax)
		if err != nil {
			return err
		}
		basis := equality.Basis{Table: v.table.ID, Frontier: c.Frontier}
		if _, err := side.ask(ctx, comparing{Ask: askMerge, Basis: basis, Records: c.Records}); err != nil {
			return err
		}
		keys = keys[c.Keys:]
	}
	return nil
}

// chunks cuts keys into what one question may hold, with where each begins.
func chunks(keys []record.Key) func(yield func(int, []record.Key) bool) {
	return func(yield func(int, []record.Key) bool) {
		at := 0
		for part := range slices.Chunk(keys, equality.KeysMax) {
			if !yield(at, part) {
				return
			}
			at += len(part)
		}
	}
}

// shownKey is a record's key as DynamoDB writes it.
func shownKey(t table.Table, k record.Key) json.RawMessage {
	var it item.Item
	set := func(a table.Attribute, b []byte) {
		v, err := item.ParseOrdered(item.KindOf(a.Type), b)
		if err != nil { // it is not worth failing for
			v = item.Value{Kind: item.B, Text: string(b)}
		}
		it = it.Set(a.Name, v)
	}
	set(t.Key, k.Partition)
	if t.Sort != nil {
		set(*t.Sort, k.Sort)
	}
	return it.AppendJSON(nil)
}

// verify compares, now and then, a part of a table that this region holds with
// the other regions. Every part is one region's to compare, so that no two do.
func (r *Region) verify(ctx context.Context, d *data) error {
	ticker := time.NewTicker(verifyEvery)
	defer ticker.Stop()
	for turn := r.life; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if a := r.applied.Load(); a != nil && r.ready.Load() {
			turn = r.verifyPart(ctx, d, a.state.Tables, turn)
		}
	}
}

// verifyPart compares the part whose turn it is, from a turn on, and answers which
// turn that was.
func (r *Region) verifyPart(ctx context.Context, d *data, tables []table.Table, turn uint64) uint64 {
	t, within, turn, ok := ownPart(tables, r.cfg.Name, turn)
	if !ok {
		return turn
	}
	done, _ := r.compareTable(ctx, d, t, within)
	for _, one := range done {
		if n := len(one.Different); n > 0 && ctx.Err() == nil {
			r.happened(event.Event{Kind: event.Different, Region: one.peer.Region, Text: fmt.Sprintf(
				"%d items of table %s differ between %s and %s; `meridian verify %s` lists them", n, t.Name, r.cfg.Name, one.peer.Region, t.Name)})
		}
	}
	return turn
}

// ownPart answers the part of a table that a region compares at a turn, or at the
// first one after it at which one falls to the region.
func ownPart(tables []table.Table, region string, turn uint64) (_ table.Table, _ equality.Hashes, at uint64, ok bool) {
	tables = slices.DeleteFunc(slices.Clone(tables), func(t table.Table) bool {
		i := replicaIn(t, region)
		return i < 0 || !t.Replicas[i].Complete() || len(t.Replicas) < 2
	})
	if len(tables) == 0 {
		return table.Table{}, equality.Hashes{}, turn, false
	}
	parts := equality.All.Split(verifyParts)
	for range uint64(len(tables)) * verifyParts {
		t := tables[turn%uint64(len(tables))]
		part := int(turn / uint64(len(tables)) % verifyParts)
		if comparer(t, part) == region {
			return t, parts[part], turn, true
		}
		turn++
	}
	return table.Table{}, equality.Hashes{}, turn, false
}

// comparer is the region that compares a part of a table with the others.
func comparer(t table.Table, part int) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%x %d", uint64(t.ID), part) // never fails
	complete := slices.DeleteFunc(slices.Clone(t.Replicas), func(x table.Replica) bool { return !x.Complete() })
	if len(complete) == 0 {
		return ""
	}
	return complete[int(h.Sum32()%uint32(len(complete)))].Region
}

// regionName is a region by its id.
func (r *Region) regionName(id record.RegionID) string {
	if a := r.applied.Load(); a != nil {
		for _, one := range a.state.Regions {
			if one.ID == id {
				return one.Name
			}
		}
	}
	return fmt.Sprintf("region %d", id)
}
