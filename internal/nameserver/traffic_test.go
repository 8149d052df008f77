package nameserver

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/internal/probe"
	"github.com/meridian-run/meridian/internal/route"
	"github.com/meridian-run/meridian/internal/verdict"
)

// trafficWorld is the whole traffic side of a world on real sockets: a backend,
// a prober, a board and a nameserver for each region.
type trafficWorld struct {
	t        *testing.T
	snapshot *Snapshot
	backends map[string]*backend
	boards   map[string]*verdict.Board
	servers  map[string]*Server
	at       map[string]string // region → address of its nameserver
	changed  chan struct{}

	mu sync.Mutex // makes judging and publishing one step
}

// backend is a region's endpoint, which can break.
type backend struct {
	server *httptest.Server
	mu     sync.Mutex
	broken bool
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken || r.Header.Get(probe.Header) == "" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (b *backend) set(broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = broken
}

func newTrafficWorld(t *testing.T) *trafficWorld {
	w := &trafficWorld{
		t: t, snapshot: testSnapshot(t), backends: map[string]*backend{}, boards: map[string]*verdict.Board{},
		servers: map[string]*Server{}, at: map[string]string{}, changed: make(chan struct{}, 1),
	}
	var names []string
	var setup probe.Setup
	var targets []verdict.Target
	for _, r := range w.snapshot.Regions {
		b := &backend{}
		b.server = httptest.NewServer(b)
		t.Cleanup(b.server.Close)
		w.backends[r.Name] = b
		names = append(names, r.Name)
		endpoint := verdict.Endpoint{Service: "api", Region: r.Name}
		const every = 50 * time.Millisecond
		setup.Targets = append(setup.Targets, probe.Target{Endpoint: endpoint, Address: b.server.Listener.Addr().String(), Every: every})
		targets = append(targets, verdict.Target{Endpoint: endpoint, Every: every})
	}
	for _, name := range names {
		w.boards[name] = verdict.NewBoard(verdict.Config{Self: name}, time.Now())
		w.boards[name].Configure(verdict.Setup{Observers: names, Targets: targets})
		w.servers[name], w.at[name] = serve(t, Config{})
	}
	for _, name := range names {
		w.start(name, setup)
	}
	w.settle()
	return w
}

// settle waits until every board knows every endpoint.
func (w *trafficWorld) settle() {
	deadline := time.After(20 * time.Second)
	for {
		settled := true
		for _, board := range w.boards {
			settled = settled && board.Settled(time.Now())
		}
		if settled {
			return
		}
		select {
		case <-w.changed:
		case <-deadline:
			w.t.Fatal("the boards do not settle")
		}
	}
}

// start runs a prober whose reports reach all boards over their wire format.
func (w *trafficWorld) start(name string, setup probe.Setup) {
	prober := probe.New(probe.Config{Self: name, Report: func(r verdict.Report) {
		packed, err := r.Encode()
		if err != nil {
			w.t.Error(err)
		}
		received, err := verdict.Decode(packed)
		if err != nil {
			w.t.Error(err)
		}
		w.deliver(received)
	}})
	prober.Set(setup)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { prober.Run(ctx); close(ended) }()
	w.t.Cleanup(func() { stop(); <-ended })
}

func (w *trafficWorld) deliver(r verdict.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, board := range w.boards {
		now := time.Now()
		if err := board.Add(r, now); err != nil {
			w.t.Error(err)
		}
		if len(board.Evaluate(now)) == 0 {
			continue
		}
		s := *w.snapshot
		s.Services = slices.Clone(s.Services)
		s.Services[0].Candidates = slices.Clone(s.Services[0].Candidates)
		for i, c := range s.Services[0].Candidates {
			s.Services[0].Candidates[i] = c.Judged(board.Verdict("api", c.Region, now))
		}
		if err := w.servers[name].Publish(&s); err != nil {
			w.t.Error(err)
		}
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// wait asks all nameservers after each report until they answer want.
func (w *trafficWorld) wait(city, want string) {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	client := where(w.t, city).Network
	for {
		equal := true
		for name, address := range w.at {
			reply, err := dns.Exchange(withSubnet(question("api.notes.test.", dns.TypeA), client.String()), address)
			if err != nil {
				w.t.Fatalf("nameserver of %s: %v", name, err)
			}
			equal = equal && slices.Equal(answers(reply), []string{want})
		}
		if equal {
			return
		}
		select {
		case <-w.changed:
		case <-deadline:
			w.t.Fatalf("%s does not get %s from every nameserver", city, want)
		}
	}
}

func TestR2_AnUnhealthyRegionLeavesTheAnswersAndComesBack(t *testing.T) {
	w := newTrafficWorld(t)
	w.wait("New York", "127.0.10.1")
	w.backends["us-east-1"].set(true)
	w.wait("New York", "127.0.20.1")
	e, err := w.servers["eu-west-1"].Explain("api", where(t, "New York").Network)
	if err != nil || len(e.Decision.Excluded) != 1 || e.Decision.Excluded[0].Region != "us-east-1" ||
		e.Decision.Excluded[0].Cause != route.CauseUnhealthy || len(e.Decision.Excluded[0].SeenBy) < 2 {
		t.Errorf("explained by %+v, %v", e, err)
	}
	w.backends["us-east-1"].set(false)
	w.wait("New York", "127.0.10.1")
}

func TestH8_WithEveryRegionUnhealthyTheNearestIsAnswered(t *testing.T) {
	w := newTrafficWorld(t)
	for _, b := range w.backends {
		b.set(true)
	}
	w.wait("Auckland", "127.0.30.1")
	deadline := time.After(20 * time.Second)
	for {
		e, err := w.servers["us-east-1"].Explain("api", where(t, "Auckland").Network)
		if err == nil && e.Decision.FailOpen && e.Region == "ap-southeast-2" {
			return
		}
		select {
		case <-w.changed:
		case <-deadline:
			t.Fatalf("explained by %+v, %v", e, err)
		}
	}
}

// A client that asks over a socket bound to all addresses gets its answer from
// the address that it asked.
func TestAnswersLeaveFromTheAddressThatWasAsked(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8 on loopback")
	}
	udp, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{PacketConns: []net.PacketConn{udp}})
	if err := s.Publish(testSnapshot(t)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() { stop(); <-ended }()
	port := udp.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	asked := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.77"), port).String()
	// A connected socket only accepts answers of the address it is connected to.
	if _, err := dns.Exchange(question("api.notes.test.", dns.TypeA), asked); err != nil {
		t.Error(err)
	}
}
