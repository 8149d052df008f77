package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/verdict"
)

const (
	everyDefault   = 30 * time.Second // H6
	timeoutDefault = 4 * time.Second
	// gatherFor is how long results wait for others before they are reported.
	gatherFor = 20 * time.Millisecond
	// beatEvery is the longest silence between two reports; verdict counts a
	// peer as heard for 3 s.
	beatEvery = 500 * time.Millisecond
	// beatsToFull is how many beats pass between two full reports.
	beatsToFull = 10
	// reportObservationsMax bounds one report, so that its bytes stay below what
	// verdict reads even if every reason is full of escapes; more are split.
	reportObservationsMax = 400
)

// Target is an endpoint to check.
type Target struct {
	verdict.Endpoint
	Kind Kind
	// Address is what to connect to, host:port: the region's gateway.
	Address string
	// Host is sent as the Host header and as SNI: the regional name, never the
	// shared one (R5).
	Host string
	Path string // default "/"
	// Every is the time from one check's start to the next, default 30 s;
	// Timeout bounds a check, default 4 s.
	Every, Timeout time.Duration
	// FailAfter and RecoverAfter are results in a row, default 3 (H5).
	FailAfter, RecoverAfter int
}

func (t Target) withDefaults() Target {
	if t.Kind == "" {
		t.Kind = HTTP
	}
	if t.Every <= 0 {
		t.Every = everyDefault
	}
	if t.Timeout <= 0 {
		t.Timeout = timeoutDefault
	}
	return t
}

// Setup is what to check.
type Setup struct {
	Targets []Target
	// References are "host:port", "host" or a URL.
	References []string
}

// Result is one check's outcome, for metrics.
type Result struct {
	verdict.Endpoint
	Passed  bool
	Healthy bool // the opinion after it
	Latency time.Duration
}

// Config says who observes and whom to tell.
type Config struct {
	Self string
	// Dial defaults to a net.Dialer.
	Dial Dial
	// Report gets every report, one at a time. It must not block for long: the
	// next one waits.
	Report func(verdict.Report)
	// OnReferences gets the state of the references after each answer, one at a time; OnResult that
	// of each check. Default: nothing.
	OnReferences func(verdict.References)
	OnResult     func(Result)
	// Life tells this start from others; default random.
	Life uint64
	// Rand spreads the checks in time; default seeded by Life.
	Rand *mathrand.Rand
}

// Prober checks endpoints and reports.
type Prober struct {
	config Config
	setups chan Setup // holds the latest that Run has not taken yet

	// What follows belongs to Run's goroutine.
	watches  map[verdict.Endpoint]*watch
	results  chan outcome
	pending  []verdict.Endpoint // with results that have not been reported
	sequence uint64             // of observations
	reports  uint64
	beats    int
	running  sync.WaitGroup
}

// watch is one endpoint under observation.
type watch struct {
	target  Target
	stop    context.CancelFunc
	opinion verdict.Opinion
	last    *verdict.Observation // nil before the first result
	waiting bool                 // it is in pending
}

// New makes a prober that checks nothing until Set and Run.
func New(cfg Config) *Prober {
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.Report == nil {
		cfg.Report = func(verdict.Report) {}
	}
	if cfg.OnReferences == nil {
		cfg.OnReferences = func(verdict.References) {}
	}
	if cfg.OnResult == nil {
		cfg.OnResult = func(Result) {}
	}
	if cfg.Life == 0 {
		cfg.Life = randomLife()
	}
	if cfg.Rand == nil {
		cfg.Rand = mathrand.New(mathrand.NewPCG(cfg.Life, 0))
	}
	return &Prober{
		config: cfg, setups: make(chan Setup, 1),
		watches: map[verdict.Endpoint]*watch{}, results: make(chan outcome),
	}
}

func randomLife() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:]) | 1
}

// Set replaces what is checked, at any time and from any goroutine. An endpoint
// that stays keeps its opinion, even if its settings change; a new one is
// checked at once; one that has gone is no longer reported.
func (p *Prober) Set(s Setup) {
	for {
		select {
		case p.setups <- s:
			return
		default:
		}
		select {
		case <-p.setups: // an older one that Run has not seen
		default:
		}
	}
}

// Run checks and reports until ctx ends; it returns nil when all that it
// started has ended. It can be called once.
func (p *Prober) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer p.running.Wait()
	defer stop()
	references := make(chan []string, 1)
	p.running.Go(func() { p.askReferences(ctx, references) })
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	var gathered <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-p.setups:
			p.configure(ctx, s.Targets)
			select {
			case <-references: // an older one that has not been seen
			default:
			}
			references <- s.References // nobody else sends, so there is room
		case o := <-p.results:
			p.take(o)
			if gathered == nil {
				gathered = time.After(gatherFor)
			}
		case <-gathered:
			gathered = nil
			p.report(false)
		case <-beat.C:
			p.report(p.beats%beatsToFull == 0)
			p.beats++
		}
	}
}

// configure starts and stops watches.
func (p *Prober) configure(ctx context.Context, targets []Target) {
	wanted := make(map[verdict.Endpoint]bool, len(targets))
	for _, t := range targets {
		t = t.withDefaults()
		wanted[t.Endpoint] = true
		old := p.watches[t.Endpoint]
		if old != nil && old.target == t {
			continue
		}
		w := &watch{target: t}
		if old != nil {
			old.stop()
			w.opinion, w.last, w.waiting = old.opinion, old.last, old.waiting
		}
		p.watches[t.Endpoint] = w
		p.start(ctx, w)
	}
	for e, w := range p.watches {
		if !wanted[e] {
			w.stop()
			delete(p.watches, e)
		}
	}
	p.beats = 0 // the next beat is a full report
}

func (p *Prober) start(ctx context.Context, w *watch) {
	ctx, w.stop = context.WithCancel(ctx)
	loop := observing{
		dial: p.config.Dial, self: p.config.Self, watch: w, target: w.target, opinion: w.opinion,
		results: p.results, rand: mathrand.New(mathrand.NewPCG(p.config.Rand.Uint64(), 0)),
	}
	p.running.Go(func() { loop.run(ctx) })
}

// take notes a result, unless its watch has been replaced.
func (p *Prober) take(o outcome) {
	w := p.watches[o.watch.target.Endpoint]
	if w != o.watch {
		return
	}
	p.sequence++
	o.observation.Sequence = p.sequence
	w.last, w.opinion = &o.observation, o.opinion
	if !w.waiting {
		w.waiting = true
		p.pending = append(p.pending, w.target.Endpoint)
	}
	p.config.OnResult(Result{
		Endpoint: w.target.Endpoint, Passed: o.observation.Passed,
		Healthy: o.opinion.Healthy, Latency: o.observation.Latency,
	})
}

// report sends what is pending, or everything.
func (p *Prober) report(full bool) {
	endpoints := p.pending
	if full {
		endpoints = endpoints[:0]
		for e := range p.watches {
			endpoints = append(endpoints, e)
		}
	}
	list := make([]verdict.Observation, 0, len(endpoints))
	for _, e := range endpoints {
		if w := p.watches[e]; w != nil && w.last != nil {
			w.waiting = false
			list = append(list, *w.last)
		}
	}
	p.pending = p.pending[:0]
	full = full && len(list) <= reportObservationsMax
	for first := true; first || len(list) > 0; first = false {
		part := list[:min(len(list), reportObservationsMax)]
		list = list[len(part):]
		p.reports++
		p.config.Report(verdict.Report{
			Observer: p.config.Self, Life: p.config.Life, Sequence: p.reports,
			Full: full, Observations: part,
		})
	}
}
