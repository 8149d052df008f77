package verdict

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// heardFor is how long a peer counts as heard after its last message. Peers
	// report at least every half second, so five reports are lost in a row.
	heardForDefault = 3 * time.Second
	// freshMin is the least time for which a result is fresh.
	freshMin = 3 * time.Second
	// livesKept is how many former lives of an observer are remembered, so that
	// a delayed message of one is refused.
	livesKept = 8
)

// Refusals of Board.Add. A refused report changes nothing.
var (
	ErrUnknownObserver = errors.New("verdict: observer is not part of this world")
	ErrFormerLife      = errors.New("verdict: report of a former life of its observer")
)

// Config says whose board it is.
type Config struct {
	// Self is this node's region, or the witness's name.
	Self string
	// HeardFor is how long a peer counts as heard after a message. Default 3 s.
	HeardFor time.Duration
}

// Endpoint is one service in one region.
type Endpoint struct{ Service, Region string }

// Target is an endpoint that this world checks.
type Target struct {
	Endpoint
	// Every and Timeout of its checks: a result is fresh for as long as two
	// checks may take, and a second, and never less than 3 s.
	Every, Timeout time.Duration
	// FailAfter and RecoverAfter are its thresholds, default 3. Observers apply
	// them; the board only has to know how long an opinion takes to change.
	FailAfter, RecoverAfter int
}

func (t Target) fresh() time.Duration {
	return max(freshMin, 2*(t.Every+t.Timeout)+time.Second)
}

// change is how long an opinion may take to change after what it is about did.
func (t Target) change() time.Duration {
	limits := Thresholds{FailAfter: t.FailAfter, RecoverAfter: t.RecoverAfter}.withDefaults()
	return time.Duration(max(limits.FailAfter, limits.RecoverAfter)+1)*t.Every + t.Timeout
}

// Setup is what a board should judge: the applied spec, seen from here.
type Setup struct {
	// Observers are the names of all other regions and witnesses.
	Observers []string
	Targets   []Target
}

// References says how many reference points this node has and how many of them
// answer. The zero value is a world without any.
type References struct{ Configured, Answering int }

// failing is true only if there are references and none answers.
func (r References) failing() bool { return r.Configured > 0 && r.Answering == 0 }

// Board collects reports and judges. Its methods are safe for concurrent use.
type Board struct {
	self     string
	heardFor time.Duration
	started  time.Time

	mu         sync.Mutex // guards what follows
	configured bool
	targets    map[Endpoint]Target
	observers  map[string]*observer // self included
	references References
	last       map[Endpoint]Verdict
	isolated   time.Time // when Evaluate last found this node so; zero: never
}

// observer is what is known of one of them.
type observer struct {
	heard    time.Time // zero: never
	life     uint64
	sequence uint64 // of the newest report
	former   []uint64
	results  map[Endpoint]result
}

// result is an observation and when it arrived here.
type result struct {
	Observation
	arrived time.Time
}

// NewBoard makes an empty board; now is when this node started.
func NewBoard(cfg Config, now time.Time) *Board {
	if cfg.HeardFor <= 0 {
		cfg.HeardFor = heardForDefault
	}
	return &Board{
		self: cfg.Self, heardFor: cfg.HeardFor, started: now,
		targets:   map[Endpoint]Target{},
		observers: map[string]*observer{cfg.Self: newObserver()},
		last:      map[Endpoint]Verdict{},
	}
}

func newObserver() *observer { return &observer{results: map[Endpoint]result{}} }

// Configure sets who observes and what is judged. What is no longer part of it
// is forgotten; the rest goes on with what it had.
func (b *Board) Configure(s Setup) {
	b.mu.Lock()
	defer b.mu.Unlock()
	targets := make(map[Endpoint]Target, len(s.Targets))
	for _, t := range s.Targets {
		targets[t.Endpoint] = t
	}
	b.targets, b.configured = targets, true
	observers := map[string]*observer{b.self: b.observers[b.self]}
	for _, name := range s.Observers {
		if observers[name] == nil {
			observers[name] = b.observers[name]
		}
		if observers[name] == nil {
			observers[name] = newObserver()
		}
	}
	b.observers = observers
	for _, o := range observers {
		for e := range o.results {
			if _, ok := targets[e]; !ok {
				delete(o.results, e)
			}
		}
	}
	for e := range b.last {
		if _, ok := targets[e]; !ok {
			delete(b.last, e)
		}
	}
}

// Add takes in a report, own ones included. Results that are not newer than
// what the observer said before are skipped, as are endpoints this node does
// not know (yet). The caller has made sure that the report really comes from
// the peer it names.
func (b *Board) Add(r Report, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.observers[r.Observer]
	if o == nil {
		return fmt.Errorf("%w: %q", ErrUnknownObserver, r.Observer)
	}
	if slices.Contains(o.former, r.Life) {
		return fmt.Errorf("%w: %q", ErrFormerLife, r.Observer)
	}
	if r.Life != o.life {
		o.begin(r.Life)
	}
	o.heard = now
	newest := r.Sequence > o.sequence
	o.sequence = max(o.sequence, r.Sequence)
	seen := make(map[Endpoint]bool, len(r.Observations))
	for _, got := range r.Observations {
		e := Endpoint{Service: got.Service, Region: got.Region}
		seen[e] = true
		if _, ok := b.targets[e]; ok && got.Sequence > o.results[e].Sequence {
			o.results[e] = result{Observation: got, arrived: now}
		}
	}
	if r.Full && newest {
		o.keepOnly(seen)
	}
	return nil
}

// begin forgets what the observer said in its former life.
func (o *observer) begin(life uint64) {
	if !o.heard.IsZero() {
		o.former = append(o.former, o.life)
		o.former = o.former[max(0, len(o.former)-livesKept):]
	}
	o.life, o.sequence = life, 0
	clear(o.results)
}

func (o *observer) keepOnly(seen map[Endpoint]bool) {
	for e := range o.results {
		if !seen[e] {
			delete(o.results, e)
		}
	}
}

// Hear notes a sign of life of a peer that was not a report, such as any
// message on the link. Unknown peers are ignored.
func (b *Board) Hear(peer string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.observers[peer]; o != nil && !o.heard.IsZero() {
		o.heard = now
	}
}

// SetReferences notes how many reference points answered in the last round.
func (b *Board) SetReferences(r References) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.references = r
}
