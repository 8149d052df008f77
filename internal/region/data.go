package region

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/gateway"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/pebblekv"
	"github.com/meridian-run/meridian/internal/link"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// collectEvery is how often the store forgets what every region has applied.
const collectEvery = time.Second

// readyPoll is how often a starting region looks whether it may serve.
const readyPoll = 50 * time.Millisecond

// backupsDir holds backups, and what is known of exports and imports; bucketsDir
// the buckets, unless they are elsewhere.
const (
	backupsDir = "backups"
	bucketsDir = "buckets"
)

// pullStream is the link's stream that a peer's replica pulls from.
const pullStream = "pull"

// data is the store, its replication, and the tables API over it.
type data struct {
	engine  *pebblekv.Engine
	store   *store.Store
	replica *replica.Replica
	tables  *dynamo.Server

	primaries *primaries
	copies    *copies
	// expiryBehind is what the last sweep found, in nanoseconds.
	expiryBehind atomic.Int64
}

// openData opens the region's store.
func (r *Region) openData(ctx context.Context, a *applied) (*data, error) {
	if err := r.stillPart(a.state); err != nil {
		return nil, err
	}
	own, _ := a.state.Region(r.cfg.Name)
	r.waitFor("its store")
	d := &data{}
	var err error
	if d.engine, d.store, err = r.openStore(ctx, a, own.ID); err != nil {
		return nil, fmt.Errorf("open the data in %s: %w", r.cfg.Dir, err)
	}
	library, err := backup.Open(filepath.Join(r.cfg.Dir, backupsDir), r.cfg.Buckets)
	if err != nil {
		return nil, errors.Join(err, d.store.Close())
	}
	d.replica = replica.New(replica.Config{
		Store: d.store, World: a.world.Name, Region: r.cfg.Name,
		Open: func(ctx context.Context, peer string) (replica.Stream, error) {
			s, err := r.link.Open(ctx, peer, pullStream)
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		Adopt: r.adopt, Events: r.replicaEvents(),
		Lost: func() bool { return !r.control.Founded() },
	})
	d.primaries = newPrimaries(r, d)
	d.copies = &copies{region: r, replica: d.replica, reduced: map[record.TableID]time.Time{}}
	d.tables = dynamo.New(dynamo.Config{
		Primaries: d.primaries, Copies: d.copies, Lacking: func() string { return d.lacking(r) },
		Store: d.store, Catalog: catalog{r}, Keys: r.keyring, Region: r.cfg.Name, Log: r.log.With("part", "tables"),
		Copied: r.copied,
		Events: dynamo.Events{Request: func(operation, code string, took time.Duration) {
			r.metrics.tableCalls.WithLabelValues(operation, code).Inc()
			observe(r.metrics.tableSeconds, took, operation)
		}, Panicked: r.metrics.panics.Inc},
		Anonymous: r.anonymous, Backups: library,
	})
	r.gaugeData(d, a)
	return d, nil
}

func (d *data) close(r *Region) {
	if err := d.store.Close(); err != nil && !r.crashed.Load() {
		r.log.Error("close the store", "error", err)
	}
}

// crash forgets what was not synced; everything of the engine fails from here.
func (d *data) crash() { d.engine.Crash() }

func (d *data) streams() map[string]link.StreamHandler {
	return map[string]link.StreamHandler{
		pullStream: func(ctx context.Context, from string, s *link.Stream) error { return d.replica.Serve(ctx, from, s) },
	}
}

// setControl tells the store and its replication what is in force.
func (d *data) setControl(ctx context.Context, r *Region, a *applied) {
	tables := table.WithMemories(a.state.Tables)
	if err := d.store.Renew(ctx, tables); err != nil {
		if ctx.Err() == nil {
			r.log.Error("tables not taken over", "revision", a.state.Revision, "error", err)
		}
		return
	}
	d.store.SetTables(tables)
	d.store.CloseOrigins(closedOrigins(a.state))
	encoded, err := json.Marshal(a.state)
	if err != nil {
		r.log.Error("encode control state", "error", err)
	}
	c := replica.Control{Revision: a.state.Revision, Encoded: encoded, Tables: tables, Closing: closingPeers(a.state)}
	for _, region := range a.state.Survivors() {
		if region.Name != r.cfg.Name {
			c.Peers = append(c.Peers, replica.Peer{Name: region.Name, ID: region.ID})
		}
	}
	d.replica.SetControl(c)
}

// adopt takes a newer control state that a peer passed along (DATA 25).
func (r *Region) adopt(_ uint64, encoded []byte) error {
	state, err := control.ParseState(encoded, r.cfg.Spec.Name)
	if err != nil {
		return err
	}
	if r.control.Adopt(state) {
		r.log.Info("control state passed along by a peer", "revision", state.Revision)
	}
	return nil
}

// runData replicates, serves the tables, and collects.
func (r *Region) runData(ctx context.Context, d *data) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.replica.Run(ctx) })
	group.Go(func() error { return r.collect(ctx, d) })
	group.Go(func() error { return r.expire(ctx, d) })
	group.Go(func() error { return r.index(ctx, d) })
	group.Go(func() error { return r.count(ctx, d) })
	group.Go(func() error { return d.tables.RunJobs(ctx) })
	group.Go(func() error { return r.verify(ctx, d) })
	group.Go(func() error { return r.keepReplicas(ctx, d) })
	group.Go(func() error { return d.primaries.run(ctx) })
	group.Go(func() error { return r.keepClosings(ctx, d) })
	group.Go(func() error { return r.watchStorage(ctx) })
	group.Go(func() error {
		return r.tablesServer.run(ctx, func(ctx context.Context) error {
			return r.serveTables(ctx, r.cfg.Listen.Tables, d.tables)
		})
	})
	return group.Wait()
}

// collect forgets what every region has applied, and what was dropped.
func (r *Region) collect(ctx context.Context, d *data) error {
	ticker := time.NewTicker(collectEvery)
	defer ticker.Stop()
	failing := false
	dropped := map[record.TableID]uint64{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for {
			done, err := d.store.Collect(ctx)
			if err != nil && ctx.Err() == nil && !failing {
				r.log.Error("collect", "error", err)
			}
			failing = err != nil
			if err != nil || !done.More {
				break
			}
		}
		r.meterReceipts(d, dropped)
	}
}

// becomeReady waits until the region may serve (DATA 24), and says so.
func (r *Region) becomeReady(ctx context.Context, d *data) error {
	// A region that has just come to the world serves when it has all its tables;
	// one that is given a table later serves the others meanwhile.
	serves, _ := r.ownTables(d)
	fresh := len(serves) == 0
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			r.waitFor(d.replica.Waiting())
			continue
		case <-d.replica.Ready():
		}
		if _, lacks := r.ownTables(d); fresh && len(lacks) > 0 {
			r.waitFor("a copy of " + strings.Join(lacks, ", "))
			r.pause(ctx, readyPoll)
			continue
		}
		break
	}
	if err := d.store.Settle(ctx); err != nil {
		if ctx.Err() != nil || errors.Is(err, kv.ErrFrozen) || errors.Is(err, kv.ErrClosed) {
			return nil
		}
		return fmt.Errorf("note that the tables are whole: %w", err)
	}
	r.ready.Store(true)
	r.gateway.SetReady(true, "")
	r.happened(event.Event{
		Kind: event.Ready, Region: r.cfg.Name, Took: time.Since(r.started).Seconds(),
		Text: fmt.Sprintf("%s is ready %.1f s after its start", r.cfg.Name, time.Since(r.started).Seconds()),
	})
	r.tellSoon()
	r.evaluateSoon()
	return nil
}

// lacking says what is waited for before a directory that began empty has its
// tables; empty if it has them (DATA 16, 17).
func (d *data) lacking(r *Region) string {
	if !d.store.Unsettled() {
		return ""
	}
	waits := "its records"
	if w := r.notReady.Load(); w != nil && *w != "" {
		waits = *w
	}
	return fmt.Sprintf("%s began with an empty directory and does not have its tables yet; it waits for: %s", r.cfg.Name, waits)
}

// ownTables are the tables that this region serves, and those that it was given
// and has not copied yet.
func (r *Region) ownTables(d *data) (serves, lacks []string) {
	for _, t := range r.applied.Load().state.Tables {
		own, leaving, held := t.Holder(d.store.Region())
		switch {
		case !held || leaving:
		case own.Complete():
			serves = append(serves, t.Name)
		default:
			lacks = append(lacks, t.Name)
		}
	}
	return serves, lacks
}

// Ready reports whether the region serves; a witness is ready when it knows its
// world.
func (r *Region) Ready() bool {
	if r.cfg.Witness {
		return r.applied.Load() != nil
	}
	return r.ready.Load()
}

// Ended is closed when Run has returned.
func (r *Region) Ended() <-chan struct{} { return r.ended }

// ownChecks are the region's part in every service's health.
func (r *Region) ownChecks(string) []gateway.Check {
	d := r.data.Load()
	if d == nil {
		return []gateway.Check{{Name: "store", Reason: "not open yet"}}
	}
	if d.store.Stats().Frozen {
		return []gateway.Check{{Name: "store", Reason: "storage failed: writes are refused"}}
	}
	return []gateway.Check{{Name: "store", Healthy: true}}
}

func (r *Region) storeEvents() store.Events {
	return store.Events{
		Conflict:  func(id record.TableID) { r.metrics.conflicts.WithLabelValues(r.tableName(id)).Inc() },
		Frozen:    r.storage.note,
		Retention: r.logNearsLimit,
		Expired: func(id record.TableID, records int) {
			r.metrics.expired.WithLabelValues(r.tableName(id)).Add(float64(records))
		},
	}
}

func (r *Region) tableName(id record.TableID) string {
	if a := r.applied.Load(); a != nil {
		for _, t := range a.state.Tables {
			if t.ID == id {
				return t.Name
			}
		}
	}
	return fmt.Sprintf("%x", uint64(id))
}

func (r *Region) replicaEvents() replica.Events {
	return replica.Events{
		Connected: func(peer string) {
			r.catchUps.begin(peer, time.Now())
			r.happened(event.Event{Kind: event.Connected, Region: peer, Text: r.cfg.Name + " replicates from " + peer})
		},
		Disconnected: func(peer string, err error) {
			r.happened(event.Event{Kind: event.Lost, Region: peer, Text: r.cfg.Name + " no longer replicates from " + peer + ": " + err.Error()})
		},
		Skew: func(peer string, err error) {
			text := "the clock of " + peer + " is close enough again, its writes are taken"
			if err != nil {
				text = "writes of " + peer + " wait, its clock is too far ahead: " + err.Error()
			}
			r.happened(event.Event{Kind: event.Refused, Region: peer, Text: text})
		},
		Resend: func(peer, why string) {
			r.happened(event.Event{Kind: event.Connected, Region: peer, Text: peer + " sends all its records anew to " + r.cfg.Name + ": " + why})
		},
		Relayed: r.relayed,
		Join:    r.copying,
		Outdated: func(peer string, records int) {
			r.happened(event.Event{Kind: event.Connected, Region: peer, Text: fmt.Sprintf(
				"%s has an old directory and sent %d items that have been deleted since: they are deleted there again", peer, records)})
		},
		Applied: func(b replica.Batch) {
			r.catchUps.applied(b.Peer, b.Result.Applied+b.Result.Stale)
			r.metrics.applied.WithLabelValues(b.Peer, "applied").Add(float64(b.Result.Applied))
			r.metrics.applied.WithLabelValues(b.Peer, "stale").Add(float64(b.Result.Stale))
			r.replicated(b)
		},
	}
}

// replicated measures how long a peer's writes took.
func (r *Region) replicated(b replica.Batch) {
	a := r.applied.Load()
	if len(b.Latency) == 0 || a == nil {
		return
	}
	observe(r.metrics.replicationSeconds, slices.Max(slices.Collect(maps.Values(b.Latency))), b.Peer)
	for _, t := range a.state.Tables {
		if took, ok := b.Latency[t.ID]; ok {
			r.metrics.replicationLatency.WithLabelValues(t.Name, b.Peer, r.cfg.Name).Observe(float64(took) / float64(time.Millisecond))
		}
	}
}

// describe fills in what the store and its replication say of a region.
func (d *data) describe(s *client.Region) {
	stats := d.store.Stats()
	s.BacklogEntries, s.Conflicts = stats.LogEntries, stats.Conflicts
	s.Images = d.imageLogs()
	if stats.Frozen {
		s.ReadOnly = "storage failed: writes are refused"
	}
	for peer, lag := range d.replica.Lag() {
		s.Lag = append(s.Lag, client.Lag{
			Peer: peer, Seconds: lag.Behind.Seconds(), Entries: lag.Entries,
			Connected: lag.Connected, LastError: lag.LastError, Since: lag.Since,
		})
	}
	slices.SortFunc(s.Lag, func(a, b client.Lag) int { return strings.Compare(a.Peer, b.Peer) })
}

// catalog is control as the tables API sees it.
type catalog struct{ region *Region }

func (c catalog) Tables() []table.Table {
	if a := c.region.applied.Load(); a != nil {
		return a.state.Tables
	}
	return nil
}

func (c catalog) Table(name string) (table.Table, bool) {
	if a := c.region.applied.Load(); a != nil {
		return a.state.Table(name)
	}
	return table.Table{}, false
}

// CreateTable returns once this region has the table, so that the caller can
// use it at once.
func (c catalog) CreateTable(ctx context.Context, t table.Table) (table.Table, error) {
	t, err := c.region.control.CreateTable(ctx, t)
	if err != nil {
		return t, catalogError(err)
	}
	return t, c.region.awaitRevision(ctx, t.Revision)
}

func (c catalog) UpdateTable(ctx context.Context, name string, fn func(*table.Table) error) (table.Table, error) {
	t, err := c.region.control.UpdateTable(ctx, name, fn)
	if err != nil {
		return t, catalogError(err)
	}
	return t, c.region.awaitRevision(ctx, t.Revision)
}

func (c catalog) DeleteTable(ctx context.Context, name string) (table.Table, error) {
	t, err := c.region.control.DeleteTable(ctx, name)
	if err != nil {
		return t, catalogError(err)
	}
	return t, c.region.awaitRevision(ctx, c.region.control.State().Revision)
}

// catalogError turns control's refusals into those of the tables API.
func catalogError(err error) error {
	switch {
	case errors.Is(err, control.ErrTableExists):
		return fmt.Errorf("%w: %w", dynamo.ErrTableExists, err)
	case errors.Is(err, control.ErrTableUnknown):
		return fmt.Errorf("%w: %w", dynamo.ErrTableUnknown, err)
	case errors.Is(err, control.ErrNoQuorum), errors.Is(err, control.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", dynamo.ErrUnavailable, err)
	case errors.Is(err, control.ErrOwner), errors.Is(err, control.ErrTableInvalid),
		errors.Is(err, control.ErrRegionUnknown), errors.Is(err, control.ErrRegionInUse):
		return fmt.Errorf("%w: %w", dynamo.ErrTableRefused, err)
	}
	return err
}

// awaitRevision waits until this region has applied a control revision.
func (r *Region) awaitRevision(ctx context.Context, revision uint64) error {
	for {
		changed := r.appliedSignal.wait()
		if r.revision() >= revision {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.ended:
			return control.ErrClosed
		}
	}
}

// AllAnswered reports whether this region's nameserver answers every region of
// every service: the last thing that a world waits for at its start.
func (r *Region) AllAnswered() bool {
	a := r.applied.Load()
	if a == nil || !r.Ready() {
		return false
	}
	now := time.Now()
	for _, s := range a.world.Services {
		for _, c := range r.candidates(a, s, now) {
			if !c.Known || !c.Healthy || c.Drained {
				return false
			}
		}
	}
	return true
}
