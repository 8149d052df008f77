package region

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/gateway"
	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/probe"
	"github.com/meridian-run/meridian/internal/table"
	"github.com/meridian-run/meridian/internal/verdict"
	"github.com/meridian-run/meridian/spec"
)

// applied is what is in force: control's state and the spec in it.
type applied struct {
	state   *control.State
	world   *spec.World
	locator *place.Locator
}

// First makes the state that a new world begins with. Only whoever starts all
// nodes of a world, none of which has data, may give it to them: nodes that are
// started apart would each make a world of their own.
func First(world *spec.World) (*control.State, error) {
	return control.Found(world.Name, *seedOf(world), time.Now(), rand.Reader)
}

// seedOf is what a spec brings to an empty world.
func seedOf(world *spec.World) *control.Seed {
	seed := &control.Seed{Spec: world.Source, Source: filepath.Base(world.File), Regions: world.RegionNames()}
	for _, t := range world.Tables {
		seed.Tables = append(seed.Tables, tableOf(t))
	}
	return seed
}

func tableOf(t spec.Table) table.Table {
	out := table.Table{Name: t.Name, Key: table.Attribute(t.Key), TTL: t.TTL, Sort: attribute(t.Sort)}
	out.Primary, out.Degrade = t.Primary, t.Otherwise == spec.Degrade
	if t.Copies > 1 {
		out.Copies = t.Copies
	}
	out.Merge, out.Counters = t.Merge, t.Counters
	if t.Images != nil {
		out.Images = &table.Images{KeepSeconds: int64(t.Images.Keep.Seconds()), Bytes: t.Images.Size}
	}
	if t.Stream != "" {
		out.Stream = &table.Stream{View: t.Stream}
	}
	if t.Throttle != nil {
		out.Settings.Throttle = true
		out.Settings.Provisioned = &table.Provisioned{Throughput: table.Throughput{Read: int64(t.Throttle.Reads), Write: int64(t.Throttle.Writes)}}
	}
	for _, i := range t.Indexes {
		out.Indexes = append(out.Indexes, table.Index{
			Name: i.Name, Key: table.Attribute(i.Key), Sort: attribute(i.Sort), Projection: i.Projection, Include: i.Include,
			MoreKeys: attributes(i.MoreKeys), MoreSorts: attributes(i.MoreSorts), Local: i.Local,
		})
	}
	for _, region := range t.Regions {
		out.Replicas = append(out.Replicas, table.Replica{Region: region})
	}
	return out
}

func attributes(all []spec.Attribute) (out []table.Attribute) {
	for _, a := range all {
		out = append(out, table.Attribute(a))
	}
	return out
}

func attribute(a *spec.Attribute) *table.Attribute {
	if a == nil {
		return nil
	}
	return &table.Attribute{Name: a.Name, Type: a.Type}
}

// readApplied parses what control knows. Bundles are found beside the file that
// this node was started with.
func (r *Region) readApplied() (*applied, error) {
	state := r.control.State()
	world, err := spec.Parse(r.cfg.Spec.File, state.Spec)
	if err != nil {
		return nil, fmt.Errorf("the applied spec of revision %d cannot be read by this version (%s): %w", state.SpecRevision, r.cfg.Version, err)
	}
	return &applied{state: state, world: without(world, state), locator: world.Locator()}, nil
}

// follow keeps the region at what control says.
func (r *Region) follow(ctx context.Context) error {
	for {
		changed := r.control.Changed()
		if before := r.applied.Load(); before.state.Revision != r.control.State().Revision {
			next, err := r.readApplied()
			if err != nil {
				// A newer release applied what this one cannot read: go on with
				// what is known, visibly.
				r.log.Error("applied spec not taken over", "error", err)
			} else {
				r.announce(before, next)
				if err := r.stillPart(next.state); err != nil {
					return err
				}
				r.applied.Store(next)
				r.apply(ctx, next)
				r.dropTables(ctx, before.state.Revision, next)
				r.appliedSignal.raise()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// State is the control state in force, nil before control is known.
func (r *Region) State() *control.State {
	if a := r.applied.Load(); a != nil {
		return a.state
	}
	return nil
}

// Cluster are the members of control as this region's sees them.
func (r *Region) Cluster() []control.Member { return r.control.Cluster() }

// World is the spec in force, nil before control is known.
func (r *Region) World() *spec.World {
	if a := r.applied.Load(); a != nil {
		return a.world
	}
	return nil
}

// signal wakes all who wait for the next raise. The zero value is ready.
type signal struct {
	mu   sync.Mutex // guards wake
	wake chan struct{}
}

func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	return s.wake
}

// announce makes events of what changed.
func (r *Region) announce(before, next *applied) {
	if before.state.SpecRevision != next.state.SpecRevision {
		r.happened(event.Event{
			Kind: event.Applied, Region: r.cfg.Name,
			Text: fmt.Sprintf("spec revision %d is in force", next.state.SpecRevision),
		})
	}
	r.announceRegions(before.state, next.state)
	now := time.Now()
	for _, d := range next.state.Drains {
		if d.Active(now) && !slices.Contains(before.state.Drains, d) {
			r.happened(event.Event{Kind: event.Drained, Region: d.Region, Service: d.Service, Text: drainText(d)})
		}
	}
	for _, d := range before.state.Drains {
		if _, still := next.state.Drained(d.Region, d.Service, now); d.Active(now) && !still {
			r.happened(event.Event{Kind: event.Undrained, Region: d.Region, Service: d.Service, Text: undrainText(d)})
		}
	}
}

// apply brings every part to what is in force.
func (r *Region) apply(ctx context.Context, a *applied) {
	if d := r.data.Load(); d != nil {
		d.setControl(ctx, r, a)
	}
	if r.cfg.Embedded != nil {
		r.control.SetCluster(r.cluster(a))
	}
	targets := r.targets(a)
	r.board.Configure(verdict.Setup{Observers: r.observers(a), Targets: boardTargets(targets)})
	r.prober.Set(probe.Setup{Targets: targets, References: r.references(a)})
	if r.gateway != nil {
		retired := r.functions.set(r, a)
		r.gateway.Publish(r.gatewaySnapshot(a))
		for _, runner := range retired {
			runner.Retire()
		}
		r.traffic.keep(a.world)
	}
	r.evaluateSoon()
	r.tellSoon()
}

// cluster says who takes part in control: all nodes of the world.
func (r *Region) cluster(a *applied) control.Cluster {
	c := control.Cluster{Wanted: map[string]string{}}
	for _, name := range append(a.world.RegionNames(), witnessName(a.world)...) {
		if u := r.cfg.Addresses(a.world, name).Etcd; u != "" {
			c.Wanted[name] = u
		}
	}
	for _, x := range a.state.Regions {
		if x.Removed {
			c.Gone = append(c.Gone, x.Name)
		}
	}
	return c
}

// targets are all regional endpoints of the world.
func (r *Region) targets(a *applied) []probe.Target {
	var targets []probe.Target
	for _, s := range a.world.Services {
		for _, region := range s.Regions {
			targets = append(targets, probe.Target{
				Endpoint: verdict.Endpoint{Service: s.Name, Region: region},
				Address:  r.cfg.Addresses(a.world, region).Gateway,
				Host:     a.world.RegionalHost(s.Name, region),
				Path:     s.Health.Path, Every: s.Health.Every, Timeout: s.Health.Timeout,
				FailAfter: s.Health.FailAfter, RecoverAfter: s.Health.RecoverAfter,
			})
		}
	}
	return targets
}

func boardTargets(targets []probe.Target) []verdict.Target {
	out := make([]verdict.Target, len(targets))
	for i, t := range targets {
		out[i] = verdict.Target{Endpoint: t.Endpoint, Every: t.Every, Timeout: t.Timeout, FailAfter: t.FailAfter, RecoverAfter: t.RecoverAfter}
	}
	return out
}

// references are points that tell whether this node is cut off: those of the
// spec, and the witness.
func (r *Region) references(a *applied) []string {
	references := slices.Clone(a.world.References)
	if a.world.Witness != nil && !r.cfg.Witness {
		references = append(references, r.cfg.Addresses(a.world, spec.WitnessName).Link)
	}
	return references
}

// observers are all others that probe: regions and the witness.
func (r *Region) observers(a *applied) []string {
	var names []string
	for _, name := range append(a.world.RegionNames(), witnessName(a.world)...) {
		if name != r.cfg.Name {
			names = append(names, name)
		}
	}
	return names
}

func witnessName(w *spec.World) []string {
	if w.Witness == nil {
		return nil
	}
	return []string{spec.WitnessName}
}

// peers are the observers of what is in force now.
func (r *Region) peers() []string {
	if a := r.applied.Load(); a != nil {
		return r.observers(a)
	}
	return nil
}

func (r *Region) revision() uint64 {
	if a := r.applied.Load(); a != nil {
		return a.state.Revision
	}
	return 0
}

// gatewaySnapshot is what this region's gateway serves.
func (r *Region) gatewaySnapshot(a *applied) *gateway.Snapshot {
	snapshot := &gateway.Snapshot{}
	for _, s := range a.world.Services {
		if !s.In(r.cfg.Name) {
			continue
		}
		service, err := r.gatewayService(a, s)
		if err != nil {
			r.log.Error("service not served here", "service", s.Name, "error", err)
			continue
		}
		snapshot.Services = append(snapshot.Services, service)
	}
	return snapshot
}

func (r *Region) gatewayService(a *applied, s spec.Service) (gateway.Service, error) {
	service := gateway.Service{
		Name: s.Name, Host: s.Host, RegionalHost: a.world.RegionalHost(s.Name, r.cfg.Name),
		Timeout: s.Timeout, BodyMax: s.BodyLimit,
		Health: gateway.Health{Path: s.Health.Path, Every: s.Health.Every, Timeout: s.Health.Timeout, DeepEvery: s.Health.DeepEvery},
		Peers:  func() []gateway.Peer { return r.healthyPeers(s.Name) },
	}
	if s.Function != nil {
		f := r.functions.get(s.Name)
		if f == nil {
			return service, errNoFunction
		}
		service.Function = f
		return service, nil
	}
	backend, err := url.Parse(s.Backend[r.cfg.Name])
	if err != nil {
		return service, fmt.Errorf("backend: %w", err)
	}
	service.Backend = backend
	return service, nil
}
