package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config says which node this is and how it reaches etcd. Exactly one of
// Embedded and External is set.
type Config struct {
	// World is the world's name; Region is this node's: its region, or the name
	// of the witness.
	World  string
	Region string
	// Dir is this node's own directory; it is made if absent.
	Dir string
	// Seed is what an empty world is given. A node without one waits for
	// another to seed the world; a witness needs none.
	Seed *Seed
	// Embedded runs a member in this process; External uses a cluster that you
	// run.
	Embedded *Embedded
	External *External
	// RoundTripMax is the largest round trip between members. The heartbeat is
	// at least that, 100 ms or more; an election takes ten heartbeats.
	RoundTripMax time.Duration
	// Log gets changes of state and of the quorum, and etcd's own warnings.
	// Default: nothing is logged.
	Log *slog.Logger
	// Now is the wall clock, Rand the source of table and world ids. Defaults:
	// time.Now, crypto/rand.
	Now  func() time.Time
	Rand io.Reader
}

func (c Config) withDefaults() (Config, error) {
	if c.World == "" || c.Region == "" || c.Dir == "" {
		return c, errors.New("control needs a world, a region (or the witness's name) and a directory")
	}
	if (c.Embedded == nil) == (c.External == nil) {
		return c, errors.New("control needs either an embedded member or an external etcd")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c, nil
}

// heartbeat and election are etcd's, from the largest round trip.
func (c Config) heartbeat() time.Duration { return max(100*time.Millisecond, c.RoundTripMax) }
func (c Config) election() time.Duration  { return 10 * c.heartbeat() }

// timeoutRequest bounds one request to etcd: time for an election and a few
// round trips.
func (c Config) timeoutRequest() time.Duration { return 3*time.Second + 2*c.election() }

// Control is one node's part in what the regions agree on. Its methods are safe
// for concurrent use.
type Control struct {
	cfg Config

	// mu guards what follows.
	mu      sync.Mutex
	state   *State
	changed chan struct{}
	quorum  bool
	since   time.Time
	missing []string
	led     [2]string // a member with a leader, and its leader, while this one has none
	differs bool
	apart   [2]error // by origin
	backend *backend

	// connected is closed when backend is set; stopped when Run has ended.
	connected chan struct{}
	stopped   chan struct{}

	// founded is that this start made the member one of a new cluster.
	founded atomic.Bool

	// abandoned makes Run end as a crash would.
	abandoned atomic.Bool

	// wanted is who is to take part in an embedded etcd; nil before SetCluster.
	wanted atomic.Pointer[Cluster]

	// saving orders writes of the file on disk.
	saving sync.Mutex
}

// New reads the last state known from disk and starts nothing. A directory of
// another world or of a newer format is refused.
func New(cfg Config) (*Control, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Embedded != nil {
		err = cfg.checkEmbedded()
	} else {
		err = cfg.External.check()
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the control directory: %w", err)
	}
	known, err := Known(cfg.Dir, cfg.World)
	if err != nil {
		return nil, err
	}
	c := &Control{
		cfg:       cfg,
		state:     known,
		changed:   make(chan struct{}),
		since:     cfg.Now(),
		connected: make(chan struct{}),
		stopped:   make(chan struct{}),
	}
	if known != nil && c.differsFrom(known) {
		c.differs = true
		c.reportSpec(known)
	}
	return c, nil
}

// Run takes part until ctx ends or the embedded member fails, and returns when
// all that it started has ended. It is called once.
func (c *Control) Run(ctx context.Context) error {
	defer close(c.stopped)
	b, err := c.connect(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() { b.close(!c.abandoned.Load()) }()
	c.mu.Lock()
	c.backend = b
	c.mu.Unlock()
	close(c.connected)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.wait(ctx) })
	group.Go(func() error { c.watchQuorum(ctx, b); return nil })
	group.Go(func() error { c.follow(ctx, b); return nil })
	return group.Wait()
}

// Abandon makes the end of Run a crash in the eyes of the others: leadership is
// not handed over. Call it before ending Run's context.
func (c *Control) Abandon() { c.abandoned.Store(true) }

// Founded reports whether this start made the node a member of a new cluster, as
// far as it knows: the world may be new, too. One that was there before, or was let
// in to a world that runs, is none; where etcd is yours, nobody knows.
func (c *Control) Founded() bool { return c.founded.Load() }

// State is the newest state known, nil before the first one.
func (c *Control) State() *State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Changed is closed when a newer state is known. Take the channel first, then
// read State, then wait.
func (c *Control) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Ready waits until a state is known: at once if the disk held one, else when
// the members have a quorum and the world is seeded.
func (c *Control) Ready(ctx context.Context) error {
	for {
		changed := c.Changed()
		if c.State() != nil {
			return nil
		}
		select {
		case <-changed:
		case <-c.stopped:
			return ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("%w; nothing is known from disk either: %w", c.noQuorum(), ctx.Err())
		}
	}
}

// QuorumOK reports whether enough members answer, and since when it is so.
func (c *Control) QuorumOK() (bool, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.quorum, c.since
}

// Missing names the members that did not answer when last asked; they are asked
// while there is no quorum.
func (c *Control) Missing() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.missing
}

// elsewhere names a member that answers this one and follows a leader which this
// one does not hear, and that leader; empty if there is none, or a leader here.
func (c *Control) elsewhere() (follower, leader string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.led[0], c.led[1]
}

// SpecDiffers reports whether this node was started with another spec than the
// applied one, which is in force.
func (c *Control) SpecDiffers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.differs
}

// Adopt takes a state that a peer passed along (DATA 25) if it is of this world
// and came from the one that is known; it reports whether it did. The state must
// come from ParseState or from another Control. One of the same world that came
// from elsewhere is told by Conflict.
func (c *Control) Adopt(s *State) bool {
	if s == nil || s.check(c.cfg.World) != nil {
		return false
	}
	taken, err := c.accept(s)
	if err != nil {
		c.noteApart(fromPeer, err)
	}
	return taken
}

// accept makes s the state if it is newer, and keeps it on disk first: what a
// node has acted upon it knows after a crash. A state that does not come from
// the one that is known is refused with ErrApart.
func (c *Control) accept(s *State) (bool, error) {
	c.saving.Lock()
	defer c.saving.Unlock()
	known := c.State()
	switch s.against(known) {
	case apart:
		return false, c.apartFrom(known, s)
	case same, older:
		return false, nil
	}
	if err := saveCache(c.cfg.Dir, s); err != nil {
		// Serving goes on with the newer state; only a restart without quorum
		// would fall back.
		c.cfg.Log.Error("control state not kept on disk", "revision", s.Revision, "error", err)
	}
	differs := c.differsFrom(s)
	c.noteApart(fromPeer, nil) // of the state before
	c.mu.Lock()
	c.state, c.differs = s, differs
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	c.cfg.Log.Info("control state", "revision", s.Revision, "spec", s.SpecRevision, "tables", len(s.Tables), "drains", len(s.Drains))
	if differs && (known == nil || known.SpecRevision != s.SpecRevision) {
		c.reportSpec(s)
	}
	return true, nil
}

// differsFrom reports whether this node was started with another spec than s's.
func (c *Control) differsFrom(s *State) bool {
	return c.cfg.Seed != nil && !bytes.Equal(c.cfg.Seed.Spec, s.Spec)
}

// reportSpec says that the spec file is not the applied one.
func (c *Control) reportSpec(s *State) {
	c.cfg.Log.Warn("the spec file differs from the applied spec, which is in force: use meridian apply to change it",
		"file", c.cfg.Seed.Source, "applied", s.SpecRevision)
}
