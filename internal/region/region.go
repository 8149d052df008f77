package region

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/gateway"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/link"
	"github.com/meridian-run/meridian/internal/nameserver"
	"github.com/meridian-run/meridian/internal/probe"
	"github.com/meridian-run/meridian/internal/verdict"
)

// Region is one running region, or the witness. New makes it, Run runs it once.
type Region struct {
	cfg     Config
	log     *slog.Logger
	life    uint64
	started time.Time

	metrics *metrics
	events  event.Log
	keyring *access.Keyring

	control *control.Control
	link    *link.Client
	board   *verdict.Board
	prober  *probe.Prober
	gossip  gossip

	// The parts below are nil in a witness.
	gateway                     *gateway.Gateway
	nameserver                  *nameserver.Server
	functions                   functions
	gatewayServer, tablesServer stoppable
	traffic                     trafficWindows

	applied  atomic.Pointer[applied] // what is in force; nil before control knows
	data     atomic.Pointer[data]    // the store and its replication; nil before it is open
	ready    atomic.Bool
	notReady atomic.Pointer[string] // what a starting region waits for
	leaving  atomic.Bool
	crashed  atomic.Bool
	told     atomic.Uint64 // sequence of the last word
	// published is what the nameserver answers; nil before it has anything to.
	published atomic.Pointer[nameserver.Snapshot]

	appliedSignal signal        // raised when applied has changed
	toldSoon      chan struct{} // wakes tell
	evaluatedSoon chan struct{} // wakes evaluate
	stopMu        sync.Mutex    // guards stop and stopped
	stop          context.CancelCauseFunc
	stopped       error // why end was called
	ended         chan struct{}
	answers       answerCounts
	lastGood      lastGood
	removed       map[verdict.Endpoint]bool // of evaluate: what left with an event
	reports       couriers
	catchUps      catchUps
	storage       storageFailure
}

// New checks the configuration and makes the region; it starts nothing. The
// listeners belong to the region from here on, also if New fails.
func New(cfg Config) (*Region, error) {
	r, err := makeRegion(cfg)
	if err != nil {
		cfg.Listen.Close()
		return nil, fmt.Errorf("region %s: %w", cfg.Name, err)
	}
	return r, nil
}

func makeRegion(cfg Config) (*Region, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	if err := Claim(cfg.Dir, Owner{World: cfg.Spec.Name, Node: cfg.Name, Witness: cfg.Witness}); err != nil {
		return nil, err
	}
	r := &Region{
		cfg: cfg, log: cfg.Log.With("region", cfg.Name),
		life: randomLife(), started: time.Now(),
		metrics: newMetrics(cfg.Name), keyring: access.NewKeyring(cfg.Keys.Keys()...),
		toldSoon: make(chan struct{}, 1), evaluatedSoon: make(chan struct{}, 1),
		ended:         make(chan struct{}),
		removed:       map[verdict.Endpoint]bool{},
		storage:       storageFailure{failed: make(chan struct{}), over: make(chan struct{})},
		gatewayServer: newStoppable(), tablesServer: newStoppable(),
	}
	r.waitFor("control")
	seed := seedOf(cfg.Spec)
	if cfg.Witness {
		seed = nil
	}
	var err error
	r.control, err = control.New(control.Config{
		World: cfg.Spec.Name, Region: cfg.Name, Dir: ControlDir(cfg.Dir), Seed: seed,
		Embedded: cfg.Embedded, External: cfg.External, RoundTripMax: cfg.RoundTripMax,
		Log: r.log.With("part", "control"),
	})
	if err != nil {
		return nil, err
	}
	r.control.Adopt(cfg.First) // does nothing without one, or if more is known
	r.link = r.newLinkClient()
	r.board = verdict.NewBoard(verdict.Config{Self: cfg.Name}, r.started)
	r.prober = probe.New(probe.Config{
		Self: cfg.Name, Dial: cfg.Dial, Report: r.spread, Life: r.life,
		OnReferences: r.board.SetReferences, OnResult: r.probed,
	})
	if cfg.Witness {
		return r, nil
	}
	r.gateway = gateway.New(gateway.Config{
		Region: cfg.Name, Log: r.log.With("part", "gateway"), Dial: cfg.Dial,
		Checks: r.ownChecks, Metrics: r.gatewayMetrics(),
	})
	r.nameserver = nameserver.New(nameserver.Config{
		PacketConns: packetConns(cfg.Listen.DNSPackets), Listeners: listeners(cfg.Listen.DNS),
		OnAnswer: r.answered, Seed: r.life,
	})
	return r, nil
}

// Run runs the region until ctx ends, Leave or Crash has ended it, or a part
// fails; it returns when all that it started has ended.
func (r *Region) Run(ctx context.Context) error {
	defer close(r.ended)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.stopMu.Lock()
	r.stop = cancel
	if r.stopped != nil { // before Run began
		cancel(r.stopped)
	}
	r.stopMu.Unlock()
	r.happened(event.Event{Kind: event.Started, Region: r.cfg.Name, Text: r.cfg.Name + " starts"})

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.control.Run(ctx) })
	group.Go(func() error { return r.serveAdmin(ctx) })
	if r.gateway != nil {
		group.Go(func() error {
			return r.gatewayServer.run(ctx, func(ctx context.Context) error { return r.gateway.Run(ctx, gatewayListeners(r.cfg.Listen)) })
		})
		group.Go(func() error { return r.nameserver.Run(ctx) })
	}
	group.Go(func() error { return r.runWorld(ctx) })
	group.Go(func() error { return r.askMember(ctx) })
	err := group.Wait()
	r.cfg.Listen.Close()
	// Parts that are ended on purpose may complain that their sockets are gone.
	cause := context.Cause(ctx)
	if err == nil || r.crashed.Load() || errors.Is(cause, errLeft) || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("region %s: %w", r.cfg.Name, err)
}

var (
	errCrashed = errors.New("region crashed on purpose")
	errLeft    = errors.New("region has left")
)

// runWorld runs what needs to know the world: it waits for control's first
// state, opens the store, and keeps everything at what control says.
func (r *Region) runWorld(ctx context.Context) error {
	if err := r.control.Ready(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	current, err := r.readApplied()
	if err != nil {
		return err
	}
	r.applied.Store(current)
	group, ctx := errgroup.WithContext(ctx)
	if !r.cfg.Witness {
		d, err := r.openData(ctx, current)
		if errors.Is(err, kv.ErrFrozen) { // the disk failed while it was opened
			r.storage.note(err)
			return r.watchStorage(ctx)
		}
		if err != nil {
			return err
		}
		defer d.close(r)
		r.data.Store(d)
	}
	r.apply(ctx, current)
	r.dropTables(ctx, 0, current)     // what a life before did not get to
	if d := r.data.Load(); d != nil { // not before it knows its tables
		group.Go(func() error { return r.runData(ctx, d) })
		group.Go(func() error { return r.functions.run(ctx, r) })
		group.Go(func() error { return r.watchKeys(ctx) })
		group.Go(func() error { return r.becomeReady(ctx, d) })
	}
	group.Go(func() error { return r.serveLink(ctx) })
	group.Go(func() error { return r.prober.Run(ctx) })
	group.Go(func() error { return r.evaluate(ctx) })
	group.Go(func() error { return r.tell(ctx) })
	group.Go(func() error { return r.follow(ctx) })
	group.Go(func() error { return r.watch(ctx) })
	return group.Wait()
}

// Crash ends the region as a power cut would: connections break, and what was
// not synced is forgotten. It returns when the region has ended.
func (r *Region) Crash() {
	r.crashed.Store(true)
	r.control.Abandon()
	if d := r.data.Load(); d != nil {
		d.crash()
	}
	if r.gateway != nil {
		r.gateway.Close()
	}
	r.cfg.Listen.Close()
	r.end(errCrashed)
	<-r.ended
}

// end ends Run for a reason.
func (r *Region) end(cause error) {
	r.stopMu.Lock()
	defer r.stopMu.Unlock()
	r.stopped = cause
	if r.stop != nil {
		r.stop(cause)
	}
}

// happened keeps an event and logs it.
func (r *Region) happened(e event.Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	r.events.Add(e)
	r.log.Info("event", "kind", string(e.Kind), "about", e.Region, "text", e.Text)
}

// waitFor says what the region waits for before it is ready.
func (r *Region) waitFor(what string) { r.notReady.Store(&what) }

func randomLife() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:]) | 1
}
