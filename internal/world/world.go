package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/internal/wan"
	"github.com/meridian-run/meridian/spec"
)

// Config says what runs and where.
type Config struct {
	Spec *spec.World
	// Dir holds the data of all regions; it is made if absent.
	Dir string
	// OneAddress puts all regions on one address, with port + 100·n for region n.
	OneAddress bool
	// PortBase is added to every port.
	PortBase int
	// Base is the network whose addresses are used: its third byte numbers the
	// regions. Default 127.0.0.0; tests that run beside each other take others.
	Base netip.Addr
	// RoundTrip, if set, is between any two sites, in place of what their places
	// say.
	RoundTrip func(a, b string) time.Duration
	// BootClock is the clock that a region counts its leases with; default: one
	// that runs while the machine sleeps.
	BootClock func(region string) func() time.Duration
	// Messages sees what regions say to each other on links; default: nobody does.
	Messages func(from, to string, payload []byte)
	// Version of this program; Log default: discarded.
	Version string
	Log     *slog.Logger
}

// World is several regions in one process.
type World struct {
	cfg        Config
	log        *slog.Logger
	network    *wan.Network
	controller netip.AddrPort
	listener   net.Listener               // the controller's
	spec       *spec.World                // in force at the start
	first      *control.State             // of a new world, or of a control that starts over
	removed    map[string]record.RegionID // before the start, by name
	token      string
	tokenFile  string
	ready      chan struct{}
	changes    chan struct{} // one for any number of changes of sites

	growing sync.Mutex // held while regions are added

	// mu guards sites and nodes, which are replaced, not changed.
	mu    sync.Mutex
	sites []site
	nodes map[string]*node

	group *errgroup.Group // of Run
	ctx   context.Context
}

// node is a site and the region that runs there, if it does.
type node struct {
	site
	bundle *certificate.Bundle
	spec   *spec.World     // that it is started with
	joins  bool            // the others run control already
	after  record.RegionID // the last region of the name that was removed before

	mu      sync.Mutex // serialises stop and start; guards all below
	first   *opened    // bound by New, taken by the first start
	running *region.Region
	ended   chan struct{} // closed when running has ended

	// latest is what ran last, for those who may not wait for mu.
	latest atomic.Pointer[region.Region]

	// stoppedMu guards stopped, which regions read while mu is held.
	stoppedMu sync.Mutex
	stopped   time.Time
}

// opened are a node's bound ports.
type opened struct {
	region.Listeners
	etcd net.Listener
}

func (o *opened) close() {
	o.Close()
	if o.etcd != nil {
		o.etcd.Close()
	}
}

// New lays out the world and binds all its ports; it starts nothing. Nothing
// stays bound if it fails.
func New(c Config) (*World, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if !c.Base.IsValid() {
		c.Base = netip.AddrFrom4([4]byte{127, 0, 0, 0})
	}
	world, newest, err := inForce(c)
	if err != nil {
		return nil, err
	}
	controller, sites, err := plan(world, c)
	if err != nil {
		return nil, err
	}
	w := &World{
		cfg: c, log: c.Log, spec: world, removed: removedFrom(newest), controller: controller, sites: sites, nodes: map[string]*node{},
		ready: make(chan struct{}), changes: make(chan struct{}, 1),
	}
	if err := w.openBundles(); err != nil {
		return nil, err
	}
	if err := w.found(); err != nil {
		return nil, err
	}
	w.joinSites()
	if err := w.settleMembers(newest); err != nil {
		return nil, err
	}
	if err := w.bind(); err != nil {
		w.release()
		return nil, err
	}
	if err := saveNumbers(c.Dir, sites); err != nil {
		w.release()
		return nil, err
	}
	return w, nil
}

// openBundles makes the world's authority and keys at the first start, and
// reads them.
func (w *World) openBundles() error {
	dir := filepath.Join(w.cfg.Dir, "bundles")
	names := make([]string, len(w.sites))
	witness := ""
	for i, s := range w.sites {
		names[i] = s.name
		if s.witness {
			witness = s.name
		}
	}
	if _, err := certificate.OpenAuthority(dir); errors.Is(err, os.ErrNotExist) {
		plan := certificate.Plan{World: w.cfg.Spec.Name, Nodes: names, Witness: witness, Dev: true, Now: time.Now()}
		if _, err := certificate.Init(dir, plan); err != nil {
			return fmt.Errorf("make the world's certificates: %w", err)
		}
	}
	for _, s := range w.sites {
		b, err := w.openBundle(s.name)
		if err != nil {
			return err
		}
		if b.World != w.cfg.Spec.Name {
			return fmt.Errorf("the data in %s is of world %s, the spec describes %s: start with --fresh, or with another --data", w.cfg.Dir, b.World, w.cfg.Spec.Name)
		}
		w.nodes[s.name] = &node{site: s, bundle: b, spec: w.specOf(s), after: w.removed[s.name]}
		w.token, w.tokenFile = b.Token, filepath.Join("bundles", s.name, "admin.token")
	}
	return nil
}

// specOf is what a node is started with: the file, unless that lacks it.
func (w *World) specOf(s site) *spec.World {
	if _, ok := w.cfg.Spec.Region(s.name); ok || s.witness && w.cfg.Spec.Witness != nil {
		return w.cfg.Spec
	}
	return w.spec
}

// found makes the first state of a world that nobody has data of: the regions
// then need not find a quorum across the simulated WAN before they serve.
func (w *World) found() (err error) {
	for _, s := range w.sites {
		_, err := os.Stat(filepath.Join(w.cfg.Dir, s.name))
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	w.first, err = region.First(w.cfg.Spec)
	return err
}

// joinSites makes the network between the sites.
func (w *World) joinSites() {
	trip := w.cfg.RoundTrip
	if trip == nil {
		trip = w.roundTrip
	}
	w.network = wan.New(wan.Config{RoundTrip: trip})
	for _, s := range w.sites {
		w.place(s)
	}
}

// place tells the network whose the addresses of a site are.
func (w *World) place(s site) {
	if !w.cfg.OneAddress {
		w.network.Place(s.name, netip.PrefixFrom(s.ip, 32), 0, 0)
		return
	}
	for _, p := range s.ports() {
		w.network.Place(s.name, netip.PrefixFrom(s.ip, 32), uint16(s.port(p)), uint16(s.port(p)))
	}
}

// roundTrip is what the places of two sites say. A site that is no region is a
// client's place.
func (w *World) roundTrip(a, b string) time.Duration {
	p, okA := w.point(a)
	q, okB := w.point(b)
	if !okA || !okB {
		return 0
	}
	return place.RoundTrip(p, q)
}

// roundTripMax is the largest between two sites.
func (w *World) roundTripMax() time.Duration {
	longest := time.Duration(0)
	sites := w.list()
	for _, a := range sites {
		for _, b := range sites {
			longest = max(longest, w.network.RoundTrip(a.name, b.name))
		}
	}
	return longest
}

// bind takes every port, or says which it cannot have.
func (w *World) bind() error {
	var conflicts []string
	l, err := net.Listen("tcp", w.controller.String())
	if err != nil {
		conflicts = append(conflicts, conflict(site{name: "the controller", ip: w.controller.Addr(), offset: w.cfg.PortBase}, "admin", portAdmin, err))
	}
	w.listener = l
	for _, s := range w.sites {
		listeners, etcd := open(s, &conflicts)
		w.nodes[s.name].first = &opened{listeners, etcd}
	}
	return errConflicts(conflicts, w.cfg.PortBase)
}

func (w *World) release() {
	if w.listener != nil {
		w.listener.Close()
	}
	for _, n := range w.nodes {
		if n.first != nil {
			n.first.close()
		}
	}
	w.network.Close()
}

// Ready is closed when every region serves.
func (w *World) Ready() <-chan struct{} { return w.ready }

// Network is the simulated network, for tests that cut and count.
func (w *World) Network() *wan.Network { return w.network }

// Region returns a running region, or nil.
func (w *World) Region(name string) *region.Region {
	n := w.find(name)
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.running
}

// Context says how commands reach the world; its files are relative to Dir.
func (w *World) Context() client.Context {
	c := client.Context{World: w.cfg.Spec.Name, Controller: "http://" + w.controller.String(), TokenFile: w.tokenFile}
	for _, s := range w.list() {
		if !s.witness {
			c.Regions = append(c.Regions, client.Endpoint{Region: s.name, URL: "http://" + s.at(portAdmin)})
		}
	}
	return c
}

// Run runs every region until ctx ends, and returns when all have ended.
func (w *World) Run(ctx context.Context) error {
	defer w.network.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.group, w.ctx = errgroup.WithContext(ctx)
	w.group.Go(func() error { return w.serveController(w.ctx) })
	for _, s := range w.list() {
		n := w.find(s.name)
		w.group.Go(func() error { return w.start(w.ctx, n) })
	}
	w.group.Go(func() error { return w.dismiss(w.ctx) })
	w.group.Go(func() error { w.awaitReady(w.ctx); return nil })
	w.group.Go(func() error {
		<-w.ctx.Done()
		w.growing.Lock() // nobody comes any more
		defer w.growing.Unlock()
		for _, s := range w.list() {
			w.find(s.name).await()
		}
		return nil
	})
	return w.group.Wait()
}

// answeredGrace is how long a world that is up waits for its services to be
// answered everywhere; one that is broken must not keep the box from showing.
const answeredGrace = 5 * time.Second

// awaitReady closes ready once every region serves and is answered by all.
func (w *World) awaitReady(ctx context.Context) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	var up time.Time
	for {
		serves := w.all((*region.Region).Ready)
		if serves && up.IsZero() {
			up = time.Now()
		}
		if serves && (w.all((*region.Region).AllAnswered) || time.Since(up) > answeredGrace) {
			close(w.ready)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// all reports whether something holds for every node, which then all run.
func (w *World) all(holds func(*region.Region) bool) bool {
	for _, s := range w.list() {
		if r := w.Region(s.name); r == nil || !holds(r) {
			return false
		}
	}
	return true
}

// start runs a node's region; its ports are those that New bound, or bound anew.
func (w *World) start(ctx context.Context, n *node) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running != nil || ctx.Err() != nil {
		return nil
	}
	ports := n.first
	n.first = nil
	if ports == nil {
		var conflicts []string
		listeners, etcd := open(n.site, &conflicts)
		ports = &opened{listeners, etcd}
		if err := errConflicts(conflicts, w.cfg.PortBase); err != nil {
			ports.close()
			return err
		}
	}
	cfg, forwarder, err := w.regionConfig(n, ports)
	if err != nil {
		ports.close()
		return err
	}
	r, err := region.New(cfg)
	if err != nil {
		ports.close()
		return err
	}
	n.running, n.ended = r, make(chan struct{})
	n.latest.Store(r)
	n.setStopped(time.Time{})
	ended := n.ended
	go func() {
		defer close(ended)
		w.runRegion(ctx, n, r, forwarder)
	}()
	return nil
}

// runRegion runs a region and its forwarder. A region that fails by itself does
// not take the others along: it is stopped, and the log says why.
func (w *World) runRegion(ctx context.Context, n *node, r *region.Region, forwarder *wan.Forwarder) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var forwarding sync.WaitGroup
	forwarding.Go(func() {
		if err := forwarder.Run(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
			w.log.Error("simulated network of control ended", "region", n.name, "error", err)
		}
	})
	err := r.Run(ctx)
	again := (errors.Is(err, region.ErrStorage) || errors.Is(err, control.ErrForgot)) && ctx.Err() == nil
	cancel()
	forwarding.Wait()
	if err != nil {
		w.log.Error("region ended", "region", n.name, "error", err, "restarted", again)
		n.setStopped(time.Now())
	}
	if again {
		w.group.Go(func() error { return w.restart(n, r) })
	}
}

// restart starts a region anew that has ended by itself, unless somebody else
// did meanwhile.
func (w *World) restart(n *node, ended *region.Region) error {
	n.mu.Lock()
	if n.running == ended {
		n.running = nil
	}
	n.mu.Unlock()
	if err := w.start(w.ctx, n); err != nil {
		w.log.Error("region not started again", "region", n.name, "error", err)
	}
	return nil
}

// await waits until the node's region, if any, has ended.
func (n *node) await() {
	n.mu.Lock()
	ended := n.ended
	n.mu.Unlock()
	if ended != nil {
		<-ended
	}
}

func (n *node) setStopped(at time.Time) {
	n.stoppedMu.Lock()
	defer n.stoppedMu.Unlock()
	n.stopped = at
}

func (n *node) stoppedSince() time.Time {
	n.stoppedMu.Lock()
	defer n.stoppedMu.Unlock()
	return n.stopped
}

// stoppedSince is when a region was stopped; zero if it runs.
func (w *World) stoppedSince(name string) time.Time {
	if n := w.find(name); n != nil {
		return n.stoppedSince()
	}
	return time.Time{}
}

// addresses are how a region is reached; none for one that this world does not
// run.
func (w *World) addresses(_ *spec.World, name string) region.Addresses {
	if n := w.find(name); n != nil {
		return n.addresses()
	}
	return region.Addresses{}
}
