package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// connection counts what came of a connection's bytes, because net/http answers
// malformed requests by itself and tells nobody.
type connection struct {
	net.Conn
	heard atomic.Bool // anything at all

	// first and told are Read's own: the first bytes, kept until they tell whether
	// the connection is HTTP/2, and whether that is so. Set for TLS, whose
	// handshake tells it.
	first []byte
	told  bool

	mu            sync.Mutex // guards what follows
	began, served int        // requests
}

// prefaceLine is what net/http waits for before it takes a connection in the
// clear for HTTP/1: the first line of HTTP/2's preface (RFC 9113, 3.4).
const prefaceLine = "PRI * HTTP/2.0"

// errNotHTTP2 ends that waiting.
var errNotHTTP2 = errors.New("the connection is not HTTP/2")

// Read implements net.Conn. Where net/http looks whether a connection is HTTP/2
// it waits for as many bytes as the preface has, although the first few may have
// ruled it out: a line that is too short to be a request, "GET /", would get its
// answer only when the time for the header is over. So the Read after such bytes
// fails once, which net/http takes for "no HTTP/2", and reads on.
func (c *connection) Read(p []byte) (int, error) {
	if !c.told && len(c.first) > 0 && !strings.HasPrefix(prefaceLine, string(c.first)) {
		c.told = true
		return 0, errNotHTTP2
	}
	n, err := c.Conn.Read(p)
	if n > 0 && !c.heard.Load() {
		c.heard.Store(true)
	}
	if !c.told {
		if c.first = append(c.first, p[:n]...); len(c.first) >= len(prefaceLine) {
			c.told, c.first = true, nil // net/http has all it waits for
		}
	}
	return n, err
}

// counted makes a listener's connections count; secure says that they are TLS.
type counted struct {
	net.Listener
	secure bool
}

// Accept implements net.Listener.
func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, told: l.secure}, nil
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
