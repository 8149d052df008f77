package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// SkewMax is the default of Config.SkewMax: far above what a synchronised clock
// is off by, far below what a user would mistake for an order of events.
const SkewMax = 500 * time.Millisecond

var (
	// ErrNoTable wraps the id of a table that this region does not hold, as far
	// as it knows.
	ErrNoTable = errors.New("no such table here")
	// ErrSkew wraps how far a peer's clock is ahead of ours (DATA 15).
	ErrSkew = errors.New("clock skew beyond the limit")
)

// Config says what a store runs on and who it is.
type Config struct {
	// Engine holds the data. The store uses it alone and closes it in Close.
	Engine kv.Engine
	// World, RegionName and Region identify the data: a directory of another
	// world or region is refused.
	World      string
	RegionName string
	Region     record.RegionID
	// Node numbers this node in its region; 0 where a region is one node.
	Node uint16
	// Wall reads the wall clock; default time.Now.
	Wall func() time.Time
	// NewLogID draws a log id; default crypto/rand.
	NewLogID func() record.LogID
	// SkewMax is how far ahead of ours a peer's clock may be; default 500 ms.
	SkewMax time.Duration
	// Retention bounds the log that is kept for peers.
	Retention Retention
	// RelayMax bounds the references that are kept for relays (DATA 13); default
	// 4 million.
	RelayMax int
	// ReceiptsMax and ReceiptAge bound the receipts of each table by number and by
	// the age of the writes that they keep; the defaults are 10,000 and 30 days.
	ReceiptsMax int
	ReceiptAge  time.Duration
	// IndexStep bounds the records that are locked at a time while an index is
	// filled; default 256.
	IndexStep int
	// Observers see every change inside its batch.
	Observers []Observer
	// Events are told what operators want to know.
	Events Events
}

// Events are callbacks; any may be nil. They must not block or call the store.
type Events struct {
	// Conflict is called once for every write that was discarded unseen, wherever
	// that was (DATA 8).
	Conflict func(id record.TableID)
	// Expired is called with how many records of a table were buried because
	// their time was up (DATA 9).
	Expired func(id record.TableID, records int)
	// Frozen is called once, when storage failed and writes are refused (DATA 4).
	Frozen func(cause error)
	// Retention is called by Collect when the log that is kept for peers nears its
	// limits, and again when it is let go: Used is 1 or more.
	Retention func(Backlog)
	// Skew is called for each batch of a peer refused for its clock (DATA 15).
	Skew func(origin record.RegionID, ahead time.Duration)
}

// Store is the records of one region and their change log. Open makes one; all
// methods are safe for concurrent use.
type Store struct {
	config Config
	engine kv.Engine
	log    record.LogID

	tables    atomic.Pointer[map[record.TableID]*table.Table] // what they point to never changes
	frontiers atomic.Pointer[map[record.TableID]frontier]
	floors    atomic.Pointer[map[record.TableID]hlc.Time] // of receipts
	counters  counters
	closed    atomic.Pointer[map[record.RegionID]closing]
	frozen    sync.Once
	unsettled atomic.Bool
	wholes    sync.Map // table id to revision: as MarkWhole has written it
	terms     sync.Map // table id to term: as TakeTerm has written it
	indexed   sync.Map // table id to indexing: the index of times of death
	timed     sync.Map // table id to TTLSince: records have their times of death
	filled    sync.Map // indexID to true: secondary indexes that are whole
	// indexing are the tables whose removed indexes are purged; only Index has it.
	indexing atomic.Pointer[map[record.TableID]*table.Table]
	tokens   *Tokens
	// changing is held for reading by whoever changes records of a table that it
	// has found to be held here, until that is committed; see quiesce.
	changing sync.RWMutex

	// sequencer is touched only by Seal functions, which the engine calls one at
	// a time, in commit order.
	sequencer struct {
		clock   hlc.Clock
		ordinal uint64
		last    Cursor
		images  map[record.TableID]imageTotal
	}
	// sealed is the highest sequence that a Seal has seen: nothing visible is
	// above it.
	sealed atomic.Uint64

	mu       sync.Mutex // guards what follows
	chain    []LogLink
	position Position
	ordinal  uint64 // of position.Cursor
	trimmed  trimMark
	appended chan struct{} // closed and dropped at each append; nil: nobody waits
	cursors  map[record.RegionID]Cursor
	vector   map[origin]Cursor
	applied  map[record.RegionID]hlc.Time
	reports  map[record.RegionID]Report
	unsaved  map[record.RegionID]bool // reports that Collect has to persist
	receipts map[record.TableID]*tableReceipts
	relayed  map[tableOrigin]hlc.Time
	met      map[record.RegionID]bool // peers whose reports have come: they hold nothing of ours that we lack
	began    hlc.Time                 // the clock at Open
	joins    map[record.TableID]Join
	letGo    hlc.Time // up to when the log was let go since Open; 0: it was not

	// Only Collect has what follows.
	warned       bool // that the log nears its limits
	relayCounted bool
	freed        map[record.RegionID]bool // gone regions of which nothing is left
}

// origin is one life of one region's log.
type origin struct {
	Region record.RegionID
	Log    record.LogID
}

// Open reads what the engine holds, checks that it belongs here, and starts a
// new log that is chained to the one before (DATA 5).
func Open(ctx context.Context, c Config) (*Store, error) {
	p, err := BeginOpen(c)
	s, err := wait(ctx, p, err)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// BeginOpen is the first half of Open.
func BeginOpen(c Config) (*Pending[*Store], error) {
	if c.Engine == nil || c.Region == 0 {
		return nil, errors.New("config needs an engine and a region id")
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.NewLogID == nil {
		c.NewLogID = randomLogID
	}
	c.SkewMax = cmp.Or(c.SkewMax, SkewMax)
	c.IndexStep = cmp.Or(c.IndexStep, IndexStep)
	c.RelayMax = cmp.Or(c.RelayMax, RelayMax)
	c.ReceiptsMax = cmp.Or(c.ReceiptsMax, ReceiptsMax)
	c.ReceiptAge = cmp.Or(c.ReceiptAge, ReceiptAge)
	c.Retention = c.Retention.filled()
	s := &Store{
		config:   c,
		engine:   c.Engine,
		cursors:  map[record.RegionID]Cursor{},
		vector:   map[origin]Cursor{},
		applied:  map[record.RegionID]hlc.Time{},
		reports:  map[record.RegionID]Report{},
		unsaved:  map[record.RegionID]bool{},
		receipts: map[record.TableID]*tableReceipts{},
		relayed:  map[tableOrigin]hlc.Time{},
		met:      map[record.RegionID]bool{},
		joins:    map[record.TableID]Join{},
	}
	s.closed.Store(&map[record.RegionID]closing{})
	s.tables.Store(&map[record.TableID]*table.Table{})
	s.frontiers.Store(&map[record.TableID]frontier{})
	s.floors.Store(&map[record.TableID]hlc.Time{})
	own, err := s.open()
	if err != nil {
		return nil, err
	}
	done := func() (*Store, error) { return s, nil }
	return &Pending[*Store]{Sequence: own.Sequence, store: s, own: own, done: done}, nil
}

func (s *Store) open() (*kv.Pending, error) {
	if err := s.checkIdentity(); err != nil {
		return nil, err
	}
	if err := s.loadCursors(); err != nil {
		return nil, err
	}
	if err := s.loadRelayed(); err != nil {
		return nil, err
	}
	if err := s.loadJoins(); err != nil {
		return nil, err
	}
	if err := s.loadFrontiers(); err != nil {
		return nil, err
	}
	if err := s.loadImages(); err != nil {
		return nil, err
	}
	if err := s.loadTokens(); err != nil {
		return nil, err
	}
	return s.openLog()
}

func randomLogID() record.LogID {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if id := record.LogID(binary.BigEndian.Uint64(b[:])); id != 0 {
			return id
		}
	}
}

// Close ends the store and its engine.
func (s *Store) Close() error { return s.engine.Close() }

// Region is the region that the store belongs to.
func (s *Store) Region() record.RegionID { return s.config.Region }

// SetTables tells the store what the regions agreed on. Only tables that have a
// replica in this region are held (DATA 22); a replica that is leaving takes no
// writes. A table's epoch never falls (DATA 2). Records of a table that is no
// longer named stay until DropTable. Call Renew before.
func (s *Store) SetTables(tables []table.Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := *s.tables.Load()
	next := make(map[record.TableID]*table.Table, len(tables))
	for _, t := range tables {
		if !holds(t, s.config.Region) {
			continue
		}
		if b := before[t.ID]; b != nil {
			t.Epoch = max(t.Epoch, b.Epoch)
		}
		next[t.ID] = &t
	}
	s.tables.Store(&next)
}

// Table answers a table that this region holds.
func (s *Store) Table(id record.TableID) (table.Table, bool) {
	if t, ok := (*s.tables.Load())[id]; ok {
		return *t, true
	}
	return table.Table{}, false
}

// Tables answers all tables that this region holds.
func (s *Store) Tables() map[record.TableID]table.Table {
	out := map[record.TableID]table.Table{}
	for id, t := range *s.tables.Load() {
		out[id] = *t
	}
	return out
}

// table is Table by reference: a table is too large to be copied for every record.
func (s *Store) table(id record.TableID) (*table.Table, error) {
	t, ok := (*s.tables.Load())[id]
	if !ok {
		return nil, fmt.Errorf("%w: table id %x", ErrNoTable, uint64(id))
	}
	return t, nil
}

func holds(t table.Table, region record.RegionID) bool {
	_, _, held := t.Holder(region)
	return held
}

// WaitDurable returns once every commit up to sequence survives a crash, or at
// once when it never will (kv.ErrFrozen, kv.ErrClosed).
func (s *Store) WaitDurable(ctx context.Context, sequence uint64) error {
	if sequence <= s.engine.Durable() {
		return nil
	}
	return s.noteFrozen(s.engine.WaitDurable(ctx, sequence))
}

// noteFrozen reports the first sight of failed storage and passes err on.
func (s *Store) noteFrozen(err error) error {
	if errors.Is(err, kv.ErrFrozen) {
		s.frozen.Do(func() {
			s.counters.frozen.Store(true)
			if s.config.Events.Frozen != nil {
				s.config.Events.Frozen(err)
			}
		})
	}
	return err
}

// load reads and decodes a record by its data key.
func load(r kv.Reader, key []byte) (record.Record, bool, error) {
	raw, err := r.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return record.Record{}, false, nil
	}
	if err != nil {
		return record.Record{}, false, err
	}
	rec, err := record.Parse(raw)
	if err != nil {
		return record.Record{}, false, fmt.Errorf("record %x: %w", key, err)
	}
	return rec, true, nil
}

// visible judges, locally, whether readers see a record (DATA 9).
func visible(r record.Record, now time.Time) bool {
	return !r.Tombstone && !r.Expired && (r.Expires == 0 || r.Expires > now.Unix())
}
