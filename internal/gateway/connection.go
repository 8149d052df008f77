package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// connection counts what came of a connection's bytes, because net/http answers
// malformed requests by itself and tells nobody.
type connection struct {
	net.Conn
	heard atomic.Bool // anything at all

	mu            sync.Mutex // guards what follows
	began, served int        // requests
}

// Read implements net.Conn.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
	}
	return n, err
}

// counted makes a listener's connections count.
type counted struct{ net.Listener }

// Accept implements net.Listener.
func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c}, nil
}

type connectionKey struct{}

func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, countedOf(c))
}

func countedOf(c net.Conn) *connection {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	counted, _ := c.(*connection)
	return counted
}

func countServed(r *http.Request) {
	if c, _ := r.Context().Value(connectionKey{}).(*connection); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.served++
		// A first request may not be told as begun: the server had read it while
		// it looked which protocol it is.
		c.began = max(c.began, c.served)
	}
}

// connState counts a connection that ends with bytes that were no request.
func (g *Gateway) connState(conn net.Conn, state http.ConnState) {
	c := countedOf(conn)
	if c == nil || state != http.StateActive && state != http.StateClosed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateActive {
		c.began++
		return
	}
	nothingServed := c.served == 0 && c.heard.Load()
	if (c.began > c.served || nothingServed) && g.cfg.Metrics.Malformed != nil {
		g.cfg.Metrics.Malformed()
	}
}
