package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of a connection. Requests and responses have their service's timeout.
const (
	headerDelayMax = 10 * time.Second // to send a request's header
	headerBytesMax = 64 << 10
	idleMax        = 2 * time.Minute
	streamsMax     = 250 // of one HTTP/2 connection at a time
)

// Listeners are where a gateway listens. Run closes them.
type Listeners struct{ Plain, TLS []net.Listener }

func (g *Gateway) newServer() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           g,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streamsMax},
		TLSConfig:         g.cfg.TLS,
		ReadHeaderTimeout: headerDelayMax,
		IdleTimeout:       idleMax,
		MaxHeaderBytes:    headerBytesMax,
		ErrorLog:          slog.NewLogLogger(g.cfg.Log.Handler(), slog.LevelDebug),
		ConnContext:       withConnection,
		ConnState:         g.connState,
	}
}

// Run serves until ctx ends; then it takes no new connection, finishes the
// requests in flight, for DrainTimeout at most, and returns. It runs once.
func (g *Gateway) Run(ctx context.Context, on Listeners) error {
	if len(on.TLS) > 0 && g.cfg.TLS == nil {
		return errors.New("gateway: a TLS listener needs Config.TLS")
	}
	failed := make(chan error, len(on.Plain)+len(on.TLS))
	var group sync.WaitGroup
	for _, l := range on.Plain {
		group.Go(func() { failed <- g.server.Serve(counted{Listener: l}) })
	}
	for _, l := range on.TLS {
		group.Go(func() { failed <- g.server.ServeTLS(counted{Listener: l, secure: true}, "", "") })
	}
	var err error
	select {
	case <-ctx.Done():
		err = g.drain(ctx)
	case err = <-failed:
		g.server.Close()
	}
	group.Wait()
	g.peers.CloseIdleConnections()
	g.backends.CloseIdleConnections()
	if errors.Is(err, http.ErrServerClosed) {
		return nil // Close was called
	}
	return err
}

func (g *Gateway) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.DrainTimeout)
	defer cancel()
	err := g.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		g.cfg.Log.Warn("requests cut off at the end of draining", "after", g.cfg.DrainTimeout)
		g.server.Close()
		return nil
	}
	return err
}

// Close ends all connections at once, as a crash would; Run then returns.
func (g *Gateway) Close() error { return g.server.Close() }
