package region

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/admin"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/gateway"
	"github.com/meridian-run/meridian/internal/link"
	"github.com/meridian-run/meridian/internal/nameserver"
	"github.com/meridian-run/meridian/spec"
)

// The kinds of posts between regions.
const (
	postWord   = "word"   // how a region is, see gossip.go
	postReport = "report" // what it observed, see traffic.go
	postAgree  = "agree"  // what control is to know of it, see agree.go
	postHeard  = "heard"  // when it was last heard, see remove.go
	postMember = "member" // whether the caller is part of the world, see membership.go

	postForward  = "forward"  // a request for a table's primary, see forward.go
	postHandover = "handover" // to give a table up, see handover.go
	postPromote  = "promote"  // and postStanding: see promote.go
	postStanding = "standing"
	postVerify   = "verify" // parts of a comparison of tables, see compare.go
)

// timeoutHead bounds how long a caller of the admin API or the tables may take
// to send a request's head.
const timeoutHead = 10 * time.Second

// What the tables' callers have for a request of 16 MB, and with it for its
// answer: they are not known before their body is read, and could hold it forever.
const (
	timeoutRequest = time.Minute
	timeoutAnswer  = 2 * time.Minute
)

// serveAdmin serves the admin API from the first moment: a region that waits
// for control can be asked what it waits for.
func (r *Region) serveAdmin(ctx context.Context) error {
	cfg := admin.Config{Region: r, Token: r.cfg.Token, Metrics: r.metrics.handler(), Log: r.log.With("part", "admin")}
	if !r.cfg.Witness {
		cfg.Tables = r
	}
	if r.cfg.Dev != nil {
		cfg.Dev = r.cfg.Dev.Controller
	}
	return r.serveHTTP(ctx, r.cfg.Listen.Admin, &http.Server{Handler: admin.New(cfg)})
}

// serveTables serves the tables' API until ctx ends.
func (r *Region) serveTables(ctx context.Context, l net.Listener, h http.Handler) error {
	return r.serveHTTP(ctx, l, &http.Server{Handler: h, ReadTimeout: timeoutRequest, WriteTimeout: timeoutAnswer})
}

// serveHTTP serves until ctx ends, then finishes what is under way: for a second,
// for leaveFinish if the region leaves.
func (r *Region) serveHTTP(ctx context.Context, l net.Listener, server *http.Server) error {
	server.ReadHeaderTimeout, server.IdleTimeout = timeoutHead, 2*time.Minute
	server.ErrorLog = slog.NewLogLogger(r.log.Handler(), slog.LevelDebug)
	// A listener that is gone leaves connections behind: a crash ends them too.
	defer server.Close()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case <-ctx.Done():
		finish := time.Second
		if r.leaving.Load() {
			finish = leaveFinish
		}
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), finish)
		defer cancel()
		_ = server.Shutdown(ending) // what is not done by then is cut off
		<-failed
		return nil
	case err := <-failed:
		if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	}
}

func gatewayListeners(l Listeners) gateway.Listeners {
	return gateway.Listeners{Plain: listeners(l.Gateway)}
}

func listeners(l net.Listener) []net.Listener {
	if l == nil {
		return nil
	}
	return []net.Listener{l}
}

func packetConns(c net.PacketConn) []net.PacketConn {
	if c == nil {
		return nil
	}
	return []net.PacketConn{c}
}

func (r *Region) identity() link.Identity {
	return link.Identity{World: r.cfg.Spec.Name, Region: r.cfg.Name}
}

func (r *Region) newLinkClient() *link.Client {
	return link.NewClient(link.ClientConfig{
		Identity: r.identity(), TLS: r.cfg.Identity.Client(""), Dial: r.cfg.Dial,
		Address: func(region string) (string, bool) {
			world := r.cfg.Spec
			if a := r.applied.Load(); a != nil {
				world = a.world
			}
			address := r.cfg.Addresses(world, region).Link
			return address, address != ""
		},
		Events: r.linkEvents(),
	})
}

// serveLink serves the other regions.
func (r *Region) serveLink(ctx context.Context) error {
	posts := map[string]link.Handler{postWord: r.handleWord, postReport: r.handleReport, postHeard: r.handleHeard, postAgree: r.handleAgree}
	server := link.ServerConfig{
		Identity: r.identity(), Listen: r.cfg.Listen.Link, TLS: r.cfg.Identity.Server(),
		Known: r.known, Posts: posts, Public: map[string]link.Handler{postMember: r.handleMember}, Events: r.linkEvents(),
	}
	if d := r.data.Load(); d != nil {
		posts[postForward], posts[postHandover] = r.handleForward, r.handleHandover
		posts[postPromote], posts[postStanding] = r.handlePromote, r.handleStanding
		server.Streams = d.streams()
		posts[postVerify] = r.handleVerify
	}
	defer r.link.Close()
	err := link.NewServer(server).Run(ctx)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// known reports whether a peer is part of the applied world.
func (r *Region) known(region string) bool {
	a := r.applied.Load()
	if a == nil {
		return true
	}
	_, is := a.world.Region(region)
	return is || a.world.Witness != nil && region == spec.WitnessName
}

func (r *Region) linkEvents() link.Events {
	return link.Events{
		Message: r.cfg.Messages,
		Up:      func(peer string) { r.log.Info("peer reached", "peer", peer) },
		Down:    func(peer string, err error) { r.log.Warn("peer not reached", "peer", peer, "error", err) },
		Refused: func(who link.Identity, from string, err error) {
			r.happened(event.Event{Kind: event.Refused, Region: who.Region, Text: "a peer at " + from + " was refused: " + err.Error()})
		},
		RefusedCount: r.metrics.linkRefused.Inc,
		Failed: func(text string) {
			r.metrics.panics.Inc()
			r.log.Error("link failed inside", "error", text)
		},
	}
}

// trafficWindows are the requests of each service in this region.
type trafficWindows struct {
	mu      sync.Mutex // guards windows
	windows map[string]*window
}

func (t *trafficWindows) of(service string) *window {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.windows == nil {
		t.windows = map[string]*window{}
	}
	w := t.windows[service]
	if w == nil {
		w = &window{}
		t.windows[service] = w
	}
	return w
}

// keep forgets services that are gone.
func (t *trafficWindows) keep(w *spec.World) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.windows, func(name string, _ *window) bool { _, is := w.Service(name); return !is })
}

func (t *trafficWindows) digest(r *Region, now time.Time) []client.Traffic {
	a := r.applied.Load()
	if a == nil || r.cfg.Witness {
		return nil
	}
	var out []client.Traffic
	for _, s := range a.world.Services {
		if !s.In(r.cfg.Name) {
			continue
		}
		one := client.Traffic{Service: s.Name}
		var p50, p99 time.Duration
		one.Requests, one.Errors, p50, p99 = t.of(s.Name).digest(now)
		one.P50Millis, one.P99Millis = millis(p50), millis(p99)
		if f := r.functions.get(s.Name); f != nil {
			one.Instances = f.Instances()
		}
		out = append(out, one)
	}
	return out
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (r *Region) gatewayMetrics() gateway.Metrics {
	return gateway.Metrics{
		Request: func(service string, status int, took time.Duration) {
			failed := status >= 500
			r.metrics.requests.WithLabelValues(service, codeClass(status)).Inc()
			if failed {
				r.metrics.requestErrors.WithLabelValues(service).Inc()
			}
			observe(r.metrics.requestSeconds, took, service)
			r.traffic.of(service).add(time.Now(), took, failed)
		},
		Probe: func(service string, _ int, how string) { r.metrics.probed.WithLabelValues(service, how).Inc() },
		PassedOn: func(service, region string) {
			r.metrics.passedOn.WithLabelValues(service, region).Inc()
		},
		Panic:     r.metrics.panics.Inc,
		Malformed: r.metrics.malformed.Inc,
	}
}

// codeClass keeps the number of series small: "2xx", "5xx".
func codeClass(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return string(rune('0'+status/100)) + "xx"
}

// answerCounts are the DNS answers of this region's nameserver by region.
type answerCounts struct {
	mu     sync.Mutex // guards counts
	counts map[string]uint64
}

func (c *answerCounts) add(region string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]uint64{}
	}
	c.counts[region]++
}

func (c *answerCounts) copy() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

func (r *Region) answered(a nameserver.Answer) {
	r.metrics.dnsReplies.WithLabelValues(a.Rcode).Inc()
	if a.Region != "" {
		r.metrics.answers.WithLabelValues(a.Service, a.Region).Inc()
		r.answers.add(a.Region)
	}
}
