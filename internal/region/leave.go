package region

import (
	"context"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/event"
)

const (
	// leaveExtra is how long a leaving region serves beyond the largest TTL:
	// resolvers round, and clients finish what they began.
	leaveExtra = 5 * time.Second
	// leaveFlush is how long a leaving region waits for peers to have its log.
	leaveFlush = 30 * time.Second
	// leaveFinish is how long requests of the tables may go on; those of the
	// gateway have its DrainTimeout.
	leaveFinish = 10 * time.Second
)

// Leave takes the region out of service without an error for anyone (U2): it
// leaves the answers of every nameserver, serves on until no resolver knows it
// (the largest TTL and 5 s), finishes its requests, ships its log to all peers
// that can be reached, and ends Run. If ctx ends first it ends at once; nothing
// is lost then either, but peers lack the tail until the region is back.
func (r *Region) Leave(ctx context.Context) {
	r.leaving.Store(true)
	r.happened(event.Event{Kind: event.Stopping, Region: r.cfg.Name, Text: r.cfg.Name + " leaves the answers"})
	r.evaluateSoon()
	r.tellSoon()
	if !r.cfg.Witness && r.applied.Load() != nil {
		ttl := r.ttlMax()
		r.log.Info("leaving: serving on until resolvers have forgotten this region", "for", ttl+leaveExtra)
		r.pause(ctx, ttl)
		r.gateway.Leave() // clients that keep their connections now find another region
		r.pause(ctx, leaveExtra)
		r.finishRequests(ctx)
		if d := r.data.Load(); d != nil {
			r.flush(ctx, d)
		}
	}
	r.end(errLeft)
	<-r.ended
}

func (r *Region) ttlMax() time.Duration {
	longest := time.Duration(0)
	for _, s := range r.applied.Load().world.Services {
		if s.In(r.cfg.Name) {
			longest = max(longest, s.Routing.TTL)
		}
	}
	return longest
}

// pause waits for d, or until ctx or the region ends.
func (r *Region) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-r.ended:
	}
}

// finishRequests lets the gateway, then the tables, end what they have begun:
// requests in the gateway need the tables.
func (r *Region) finishRequests(ctx context.Context) {
	for _, s := range []*stoppable{&r.gatewayServer, &r.tablesServer} {
		s.end()
		select {
		case <-s.done:
		case <-ctx.Done():
		case <-r.ended:
		}
	}
}

// stoppable is a server that Leave ends before the rest.
type stoppable struct {
	stop chan struct{} // closed by end
	done chan struct{} // closed when run has returned
	once sync.Once
}

func newStoppable() stoppable {
	return stoppable{stop: make(chan struct{}), done: make(chan struct{})}
}

func (s *stoppable) end() { s.once.Do(func() { close(s.stop) }) }

// run runs a server until ctx ends or end is called.
func (s *stoppable) run(ctx context.Context, server func(context.Context) error) error {
	defer close(s.done)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return server(ctx)
}

// flush ships what peers lack.
func (r *Region) flush(ctx context.Context, d *data) {
	ctx, cancel := context.WithTimeout(ctx, leaveFlush)
	defer cancel()
	began := time.Now()
	if err := d.replica.Flush(ctx); err != nil {
		r.log.Warn("leaving: some peers lack the end of this region's log until it is back", "error", err)
		return
	}
	r.log.Info("leaving: every reachable peer has this region's log", "took", time.Since(began))
}
