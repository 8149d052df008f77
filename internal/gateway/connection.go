package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
)

// connection counts what came of a connection's bytes, because net/http answers
// malformed requests by itself and tells nobody.
type connection struct {
	net.Conn
	began, served atomic.Int64
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
		c.served.Add(1)
	}
}

// connState counts a connection that ends with bytes that were no request.
func (g *Gateway) connState(c net.Conn, state http.ConnState) {
	counted := countedOf(c)
	if counted == nil {
		return
	}
	switch state {
	case http.StateActive:
		counted.began.Add(1)
	case http.StateClosed:
		if counted.began.Load() > counted.served.Load() && g.cfg.Metrics.Malformed != nil {
			g.cfg.Metrics.Malformed()
		}
	}
}
