package gateway

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Config says where a gateway stands and what it may use.
type Config struct {
	// Region is this region's name.
	Region string
	// Log gets failures of targets and handlers. Default: discarded.
	Log *slog.Logger
	// Dial connects to other regions' gateways. Default: the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for the TLS listeners; without it there may be none.
	TLS *tls.Config
	// Checks are the region's own checks for a service's health (its store, its
	// disk); they must be quick. Default: none.
	Checks func(service string) []Check
	// Metrics are called as things happen; nil fields are not.
	Metrics Metrics
	// ReplayMax is the largest body, in bytes, that is kept to repeat a request
	// to a backend in another region. Default 1 MB. Bodies for functions are
	// always whole.
	ReplayMax int64
	// DrainTimeout is how long Run waits for requests in flight. Default 30 s.
	DrainTimeout time.Duration
	// NewID makes request ids. Default: random UUIDs.
	NewID func() string
}

// Metrics are callbacks, called from several goroutines; they must not block.
type Metrics struct {
	// Request: a request to a service has been answered. Probes that were answered
	// by the shared check are counted as Probe instead.
	Request func(service string, status int, took time.Duration)
	// Probe: a health probe was answered; how is "run", "shared", "asleep", "busy"
	// or "region" (the region's own checks or its start decided).
	Probe func(service string, status int, how string)
	// PassedOn: a request was answered by another region.
	PassedOn func(service, region string)
	// Panic: a handler panicked.
	Panic func()
	// Malformed: a connection ended with bytes that were no request.
	Malformed func()
}

// Snapshot is all that the gateway serves. It is not changed after Publish.
type Snapshot struct{ Services []Service }

// Service is a host and where its requests go.
type Service struct {
	Name string
	// Host is the name that all regions share, RegionalHost this region's own;
	// both without a trailing dot.
	Host, RegionalHost string
	// Function or Backend is the target; Backend is a base URL.
	Function Function
	Backend  *url.URL
	// Timeout of a request, all attempts together. Default 30 s. A backend's
	// upgraded connection or event stream may go on beyond it.
	Timeout time.Duration
	// BodyMax bounds a request's body, in bytes. Default 6 MB for a function, the
	// most that one takes, and 10 MB for a backend.
	BodyMax int64
	Health  Health
	// Peers are the other regions that serve it and are healthy, best first. nil
	// is none.
	Peers func() []Peer
}

// Function runs a service's code. id is the call's, as the code and the log see
// it. Check is Invoke without counting as use; while Awake is false, it would
// have to start the code.
type Function interface {
	Invoke(ctx context.Context, id string, payload []byte) ([]byte, error)
	Check(ctx context.Context, id string, payload []byte) ([]byte, error)
	Awake() bool
}

// Peer is another region's gateway, as host:port of plain HTTP.
type Peer struct{ Region, Address string }

// Gateway serves HTTP. It answers 503 to probes until SetReady.
type Gateway struct {
	cfg      Config
	server   *http.Server
	proxy    *httputil.ReverseProxy
	peers    *http.Transport
	backends *http.Transport

	routes   atomic.Pointer[routes]
	notReady atomic.Pointer[string] // why; nil when ready
	leaving  atomic.Bool

	mu sync.Mutex // guards Publish
}

// New returns a gateway without services; it starts nothing.
func New(cfg Config) *Gateway {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.ReplayMax <= 0 {
		cfg.ReplayMax = 1 << 20
	}
	if cfg.DrainTimeout <= 0 {
		cfg.DrainTimeout = 30 * time.Second
	}
	if cfg.NewID == nil {
		cfg.NewID = uuid.NewString
	}
	g := &Gateway{
		cfg:      cfg,
		peers:    newTransport(cfg.Dial),
		backends: newTransport(new(net.Dialer).DialContext),
	}
	g.proxy = g.newProxy()
	g.server = g.newServer()
	g.routes.Store(newRoutes(&Snapshot{}, nil))
	g.SetReady(false, "the region is starting")
	return g
}

func newTransport(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:         dial,
		MaxIdleConns:        1024,
		MaxIdleConnsPerHost: 128,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  true, // bodies pass as they are
	}
}

// Publish replaces what is served. Requests in flight end as they began; health
// results stay where service, target and check are the same.
func (g *Gateway) Publish(s *Snapshot) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.routes.Store(newRoutes(s, g.routes.Load()))
}

// SetReady says whether probes may find the services healthy; if not, why is
// what they are told. Requests are served either way.
func (g *Gateway) SetReady(ready bool, why string) {
	if ready {
		g.notReady.Store(nil)
		return
	}
	g.notReady.Store(&why)
}

// Leave makes every response from here on ask its client to connect anew: one
// that keeps its connection asks DNS again, and is not cut off in the middle of
// a request when Run ends.
func (g *Gateway) Leave() { g.leaving.Store(true) }
