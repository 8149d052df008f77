package nameserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where a server listens and whom it tells.
type Config struct {
	// PacketConns and Listeners are closed when Run returns.
	PacketConns []net.PacketConn
	Listeners   []net.Listener
	// OnAnswer is called for every query, from many goroutines. Default: nothing.
	OnAnswer func(Answer)
	// Seed of the draws that decide where shares do. Give every nameserver
	// another one.
	Seed uint64
	// TCPConnections at one time; more are closed at once. Default 256.
	TCPConnections int
	// TCPIdle is how long a connection may be silent. Default 10 s.
	TCPIdle time.Duration
}

// Server answers DNS queries.
type Server struct {
	config Config
	world  atomic.Pointer[world]
	draws  atomic.Uint64
}

// New makes a server that answers SERVFAIL until Publish, and nothing until Run.
func New(cfg Config) *Server {
	if cfg.OnAnswer == nil {
		cfg.OnAnswer = func(Answer) {}
	}
	if cfg.TCPConnections <= 0 {
		cfg.TCPConnections = 256
	}
	if cfg.TCPIdle <= 0 {
		cfg.TCPIdle = 10 * time.Second
	}
	return &Server{config: cfg}
}

// Publish makes s what is answered from now on. A snapshot with a bad name is
// refused, the error wraps ErrSnapshot, and the one before stays.
func (s *Server) Publish(snapshot *Snapshot) error {
	w, err := compile(snapshot)
	if err != nil {
		return err
	}
	s.world.Store(w)
	return nil
}

// Run answers until ctx ends, and then gives nil, or until a socket breaks. It
// closes the sockets and waits for all that it started.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	serve := func(what string, closer interface{ Close() error }, loop func(context.Context) error) {
		running.Go(func() {
			defer context.AfterFunc(ctx, func() { closer.Close() })()
			if err := loop(ctx); err != nil {
				stop(fmt.Errorf("nameserver: %s: %w", what, err))
			}
		})
	}
	for _, conn := range s.config.PacketConns {
		serve("udp "+conn.LocalAddr().String(), conn, func(ctx context.Context) error { return s.serveUDP(ctx, conn) })
	}
	for _, listener := range s.config.Listeners {
		serve("tcp "+listener.Addr().String(), listener, func(ctx context.Context) error { return s.serveTCP(ctx, listener) })
	}
	<-ctx.Done()
	running.Wait()
	s.close()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

func (s *Server) close() {
	for _, conn := range s.config.PacketConns {
		conn.Close()
	}
	for _, listener := range s.config.Listeners {
		listener.Close()
	}
}

// draw gives the next number in [0, 1): splitmix64 over a counter, so no lock.
func (s *Server) draw() float64 {
	x := s.config.Seed + s.draws.Add(1)*0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
