package replica

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// Stream carries messages both ways, in order. One goroutine sends and one
// receives; Close ends both from anywhere.
type Stream interface {
	Send(message []byte) error
	Receive() ([]byte, error)
	Close() error
}

// Config configures a Replica.
type Config struct {
	Store *store.Store
	// World and Region are who we are.
	World, Region string
	// Open opens a stream to the Serve of a peer.
	Open func(ctx context.Context, peer string) (Stream, error)
	// Adopt takes a newer control state that a peer passed along, as SetControl's
	// caller encoded it there (DATA 25). SetControl follows if it is adopted.
	Adopt  func(revision uint64, encoded []byte) error
	Events Events

	// Beat is the pace of heartbeats and reports. Default: replicate.BeatEvery.
	Beat time.Duration
	// Silence is how long a connected source may be silent before the stream
	// is given up. Default: six beats.
	Silence time.Duration
	// RelayAfter is how long a peer is gone before the others are asked for what they
	// have of it (DATA 13). Default: 3 s.
	RelayAfter time.Duration
	// CopyRate bounds how many bytes a second a copy of a table takes from this
	// region (DATA 16). Default: 64 MiB.
	CopyRate uint64
	// ReadyGrace and ReadyLag are as in DATA 24; defaults 5 s and 2 s.
	ReadyGrace, ReadyLag time.Duration
	// Lost reports whether an empty directory is one that was lost: then no silence
	// of the others makes it ready (DATA 17). Default: it is a new world's.
	Lost func() bool
	// Now reads the wall clock. Default: time.Now.
	Now func() time.Time
	// Rand draws the jitter of back-off. Default: seeded by the runtime.
	Rand *rand.Rand
}

// Events report what happens, once for each change of state. Nil callbacks are
// skipped; they must not block.
type Events struct {
	// Connected and Disconnected tell of our pull from a peer; Disconnected again
	// when the reason changes.
	Connected    func(peer string)
	Disconnected func(peer string, err error)
	// Skew tells that a peer's clock is too far ahead, and with a nil error that
	// it no longer is (DATA 15).
	Skew func(peer string, err error)
	// Resend tells that a peer sends all its records anew, and why.
	Resend func(peer string, why string)
	// Outdated tells, at the end of a resend, how many of its records had been
	// deleted so long ago that nobody else remembers them: the peer's directory is
	// older than that. They are deleted there again (DATA 18).
	Outdated func(peer string, records int)
	// Relayed tells that a peer has given us what it had of a region that is gone.
	Relayed func(peer, origin string, records int)
	// Join tells how the copying of a table goes: what it waits for, why it begins
	// anew, that it is over.
	Join func(table, text string)
	// Applied tells of each applied batch.
	Applied func(Batch)
}

// Batch is what Events.Applied tells.
type Batch struct {
	Peer    string
	Records int
	Bytes   int
	Result  store.ApplyResult
	// Latency is, by table, from the batch's oldest write at the origin to its being
	// durable here, by both regions' clocks; none if it has no write of the origin.
	Latency map[record.TableID]time.Duration
	// Took is how long applying took.
	Took time.Duration
}

// Peer is another region of the world.
type Peer struct {
	Name string
	ID   record.RegionID
}

// Control is what a Replica needs of the control state.
type Control struct {
	Revision uint64
	// Encoded is the state as a peer's Adopt takes it.
	Encoded []byte
	// Peers are all other regions.
	Peers []Peer
	// Closing are regions that are being removed; they are not among Peers.
	Closing []Closing
	// Tables are all tables of the world.
	Tables []table.Table
}

// Replica replicates one region. Make it with New.
type Replica struct {
	config Config
	self   record.RegionID
	ready  chan struct{}

	// mu guards what follows.
	mu        sync.Mutex
	control   Control
	tables    map[record.TableID]table.Table
	beating   beating
	beat      replicate.Beat
	changed   chan struct{} // closed and replaced when sessions are to be stepped
	peers     map[string]*peer
	links     []*link            // in the order in which they were first wanted
	served    map[string]*served // by peer
	acked     chan struct{}      // closed and replaced when any of them changes
	readiness replicate.Readiness
	isReady   bool
	waiting   string // what readiness waits for
	// copying has the tables that this region was given and does not have yet.
	copying  map[record.TableID]*joining
	joinNews []joinNews
	relayed  map[relayed]relayState
	rand     *rand.Rand
}

// New answers a replica; nothing happens before it is stepped, by Run or by another
// driver.
func New(c Config) *Replica {
	if c.Beat == 0 {
		c.Beat = replicate.BeatEvery
	}
	if c.Silence == 0 {
		c.Silence = 6 * c.Beat
	}
	if c.RelayAfter == 0 {
		c.RelayAfter = RelayAfter
	}
	if c.CopyRate == 0 {
		c.CopyRate = CopyRate
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if c.Adopt == nil {
		c.Adopt = func(uint64, []byte) error { return nil }
	}
	return &Replica{
		config:    c,
		self:      c.Store.Region(),
		ready:     make(chan struct{}),
		changed:   make(chan struct{}),
		peers:     map[string]*peer{},
		copying:   map[record.TableID]*joining{},
		relayed:   map[relayed]relayState{},
		served:    map[string]*served{},
		acked:     make(chan struct{}),
		readiness: replicate.Readiness{Grace: c.ReadyGrace, LagMax: c.ReadyLag},
		waiting:   "the first look at the peers",
		rand:      c.Rand,
	}
}

// SetControl tells what the regions agree on. The store must have been told its
// tables before. A table that this region was given while others had it is copied
// from one of them (Joins).
func (r *Replica) SetControl(c Control) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.control.Revision > c.Revision {
		return
	}
	r.control = c
	r.given(c)
	r.tables = make(map[record.TableID]table.Table, len(c.Tables))
	for _, t := range c.Tables {
		r.tables[t.ID] = t
	}
	r.wake()
}

// Control answers what SetControl told last.
func (r *Replica) Control() Control {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.control
}

// Changed is closed when sessions and the Replica are to be stepped: at a beat, a
// change of the control state or of what is known of a peer. Take it before the
// step, so that no change slips between. Entries of the log are told apart
// (Out.Appended).
func (r *Replica) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// wake asks for steps of everything; the caller holds mu.
func (r *Replica) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// given notes the tables that this region was given and does not have yet. If the
// store does not tell, they are copied again. The caller holds mu.
func (r *Replica) given(c Control) {
	before := r.copying
	r.copying = map[record.TableID]*joining{}
	for _, t := range c.Tables {
		since := givenBy(t, r.self)
		if since == 0 {
			continue
		}
		if whole, err := r.config.Store.Whole(t.ID); err == nil && since <= whole {
			continue
		}
		if j := before[t.ID]; j != nil && j.since == since {
			r.copying[t.ID] = j
			continue
		}
		r.copying[t.ID] = &joining{since: since, known: map[record.RegionID]bool{}}
	}
}

// givenBy is the control revision that gave a region a table which others had
// before; 0 if there is none.
func givenBy(t table.Table, region record.RegionID) uint64 {
	for _, x := range t.Replicas {
		if x.ID == region {
			return x.Since
		}
	}
	return 0
}

// holds reports whether records of a table go to a region and come from it: that
// of a leaving replica, too (DATA 22).
func holds(t table.Table, region record.RegionID) bool {
	_, _, held := t.Holder(region)
	return held
}
