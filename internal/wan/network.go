package wan

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Outside is the site of every address that nobody placed: the world beyond.
const Outside = ""

// Config says how far apart the sites are.
type Config struct {
	// RoundTrip answers the round-trip time between two sites; it is asked once
	// for a pair. Default: none, everything is next door.
	RoundTrip func(a, b string) time.Duration
	// Rand draws what is lost. Default: seeded with 1.
	Rand *rand.Rand
	// DialTimeout ends a dial over a cut. Default: 3 s.
	DialTimeout time.Duration
}

// Network joins sites. Its methods are safe for concurrent use.
type Network struct {
	config Config

	// mu guards what follows.
	mu       sync.Mutex
	rand     *rand.Rand
	places   []placement
	paths    map[pair]*path
	isolated map[string]bool
	conns    map[*conn]struct{}
	closed   bool

	// running counts the goroutines of all connections.
	running sync.WaitGroup
}

type pair struct{ from, to string }

type placement struct {
	site      string
	prefix    netip.Prefix
	low, high uint16
}

// path is one direction between two sites.
type path struct {
	delay time.Duration // half the round trip

	// guarded by Network.mu
	cut   bool
	loss  float64
	bytes int64
	// changed is closed and replaced when cut changes.
	changed chan struct{}
}

// New answers a network in which nothing is placed or cut.
func New(c Config) *Network {
	if c.RoundTrip == nil {
		c.RoundTrip = func(string, string) time.Duration { return 0 }
	}
	if c.Rand == nil {
		c.Rand = rand.New(rand.NewPCG(1, 1))
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = 3 * time.Second
	}
	return &Network{
		config:   c,
		rand:     c.Rand,
		paths:    map[pair]*path{},
		isolated: map[string]bool{},
		conns:    map[*conn]struct{}{},
	}
}

// Place says that the addresses of prefix, with ports low to high (0, 0 is every
// port), belong to site. Where placements overlap the last one counts.
func (n *Network) Place(site string, prefix netip.Prefix, low, high uint16) {
	if low == 0 && high == 0 {
		high = 65535
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.places = append(n.places, placement{site, prefix.Masked(), low, high})
}

// Site answers to whom an address belongs.
func (n *Network) Site(addr netip.AddrPort) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	ip := addr.Addr().Unmap()
	for i := len(n.places) - 1; i >= 0; i-- {
		p := n.places[i]
		if p.prefix.Contains(ip) && p.low <= addr.Port() && addr.Port() <= p.high {
			return p.site
		}
	}
	return Outside
}

// Cut lets nothing pass between a and b, in both directions, until Heal.
func (n *Network) Cut(a, b string) {
	n.setCut(a, b, true)
	n.setCut(b, a, true)
}

// CutOneWay lets nothing pass from one site to another; the way back stays open.
func (n *Network) CutOneWay(from, to string) { n.setCut(from, to, true) }

// Heal undoes Cut and CutOneWay between a and b: what was held back flows.
func (n *Network) Heal(a, b string) {
	n.setCut(a, b, false)
	n.setCut(b, a, false)
}

// Isolate cuts a site from every other one, Outside included, until Rejoin.
func (n *Network) Isolate(site string) { n.setIsolated(site, true) }

// Rejoin undoes Isolate; cuts made by Cut stay.
func (n *Network) Rejoin(site string) { n.setIsolated(site, false) }

// Loss loses each chunk between a and b with probability p. A datagram is gone;
// a stream's chunk arrives late by a retransmission: a round trip and 200 ms.
func (n *Network) Loss(a, b string, p float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.path(a, b).loss = p
	n.path(b, a).loss = p
}

// Bytes is how many bytes have been delivered from one site to another.
func (n *Network) Bytes(from, to string) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.path(from, to).bytes
}

// RoundTrip answers the configured round-trip time between two sites.
func (n *Network) RoundTrip(a, b string) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return 2 * n.path(a, b).delay
}

// Close ends every connection, at once and without delivering what is under way,
// and waits for their goroutines. Later dials fail.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	conns := make([]*conn, 0, len(n.conns))
	for c := range n.conns {
		conns = append(conns, c)
	}
	n.mu.Unlock()
	for _, c := range conns {
		c.abort()
	}
	n.running.Wait()
	return nil
}

// path answers a direction's state; the caller holds mu.
func (n *Network) path(from, to string) *path {
	k := pair{from, to}
	p := n.paths[k]
	if p == nil {
		p = &path{changed: make(chan struct{})}
		if from != to {
			p.delay = n.config.RoundTrip(from, to) / 2
		}
		n.paths[k] = p
	}
	return p
}

func (n *Network) setCut(from, to string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.path(from, to).cut = cut
	n.wake()
}

func (n *Network) setIsolated(site string, isolated bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isolated[site] = isolated
	n.wake()
}

// wake tells every waiter to look at the cuts again; the caller holds mu.
func (n *Network) wake() {
	for _, p := range n.paths {
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

// open reports whether bytes pass now and, if not, a channel that is closed when
// that may have changed. With count > 0 an open path counts these bytes.
func (n *Network) open(k pair, count int) (bool, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.path(k.from, k.to)
	if p.cut || k.from != k.to && (n.isolated[k.from] || n.isolated[k.to]) {
		return false, p.changed
	}
	p.bytes += int64(count)
	return true, nil
}

// anyCut reports whether a site is isolated or cut from any other, either way.
func (n *Network) anyCut(site string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for k, p := range n.paths {
		if p.cut && (k.from == site || k.to == site) {
			return true
		}
	}
	return n.isolated[site]
}

// lost draws whether a chunk is lost.
func (n *Network) lost(k pair) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.path(k.from, k.to)
	return p.loss > 0 && n.rand.Float64() < p.loss
}

func (n *Network) delay(k pair) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.path(k.from, k.to).delay
}
