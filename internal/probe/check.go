package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// Header marks a request as a probe; its value is the observer's name.
const Header = "Meridian-Probe"

const (
	// responseBytesMax bounds what is read of an answer: status and headers.
	responseBytesMax = 64 << 10
	// interimMax is how many 1xx answers may come before the real one.
	interimMax = 5
)

// Kind is how an endpoint is checked.
type Kind string

const (
	HTTP  Kind = "http" // the default
	HTTPS Kind = "https"
	TCP   Kind = "tcp"
)

// Dial opens a connection, like net.Dialer.DialContext.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// request is one check.
type request struct {
	kind    Kind
	address string // host:port
	host    string // Host header and SNI; empty is the address
	path    string
	self    string
	// any: every answer passes, whatever its status (reference points).
	any bool
}

// check makes the request and says what came of it.
func check(ctx context.Context, dial Dial, r request) (passed bool, reason string) {
	start := time.Now()
	conn, err := dial(ctx, "tcp", r.address)
	if err != nil {
		return false, describe(err, "connect", start)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if r.kind == TCP {
		return true, "connected in " + took(start)
	}
	if r.kind == HTTPS {
		// Like Route 53, the certificate is not verified: the check is whether
		// the endpoint serves, and its certificate has alarms of its own.
		secure := tls.Client(conn, &tls.Config{ServerName: r.serverName(), InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return false, describe(err, "TLS", start)
		}
		conn = secure
	}
	return r.ask(ctx, conn, start)
}

// ask sends the HTTP request on a connection and judges the answer.
func (r request) ask(ctx context.Context, conn net.Conn, start time.Time) (passed bool, reason string) {
	req, err := r.http(ctx)
	if err != nil {
		return false, err.Error()
	}
	if err := req.Write(conn); err != nil {
		return false, describe(err, "send", start)
	}
	answer := bufio.NewReader(io.LimitReader(conn, responseBytesMax))
	for range interimMax {
		resp, err := http.ReadResponse(answer, req)
		if err != nil {
			return false, describe(err, "read", start)
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		defer resp.Body.Close()
		if r.any || resp.StatusCode >= 200 && resp.StatusCode < 400 {
			return true, fmt.Sprintf("%d in %s", resp.StatusCode, took(start))
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, quoteReadMax)) // whatever of it came
		return false, quote(resp.StatusCode, body)
	}
	return false, "no final answer"
}

func (r request) http(ctx context.Context) (*http.Request, error) {
	path := r.path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address+path, nil)
	if err != nil {
		return nil, fmt.Errorf("bad path %q", path)
	}
	if r.host != "" {
		req.Host = r.host
	}
	req.Header.Set("User-Agent", "Meridian-Health-Check")
	req.Header.Set("Connection", "close")
	if r.self != "" {
		req.Header.Set(Header, r.self)
	}
	return req, nil
}

func (r request) serverName() string {
	name := r.host
	if name == "" {
		name = r.address
	}
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return name
}

// describe makes a network error short: the step and the system's words.
func describe(err error, step string, start time.Time) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fmt.Sprintf("%s: no answer within %s", step, time.Since(start).Round(100*time.Millisecond))
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return step + ": connection closed by the endpoint"
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return step + ": " + err.Error()
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func took(start time.Time) string {
	d := time.Since(start)
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// reference reads a reference point: "host:port", with or without tcp:// before
// it (package spec writes it), is a TCP connection, "host" port 443 of it, a URL
// any HTTP answer.
func reference(point string) request {
	point = strings.TrimPrefix(point, "tcp://")
	u, err := url.Parse(point)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		if _, _, err := net.SplitHostPort(point); err != nil {
			point = net.JoinHostPort(strings.Trim(point, "[]"), "443")
		}
		return request{kind: TCP, address: point}
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return request{
		kind: Kind(u.Scheme), host: u.Host, path: u.RequestURI(), any: true,
		address: net.JoinHostPort(u.Hostname(), port),
	}
}
