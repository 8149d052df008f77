package link

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// ErrRemote is wrapped by the errors that the peer answered, as opposed to those
// of reaching it.
var ErrRemote = errors.New("the peer answered")

// ClientConfig configures a Client.
type ClientConfig struct {
	// Identity is who this end is.
	Identity Identity
	// TLS has the certificate (GetClientCertificate for renewal without a restart)
	// and the world's authority: RootCAs, or a VerifyConnection that checks the
	// chain. Names are link's to check.
	TLS *tls.Config
	// Address answers a region's host:port; it is asked at every dial.
	Address func(region string) (string, bool)
	// Dial opens connections. Default: net.Dialer with 5 s.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Events Events
}

// Client is the end of links that dials. It is safe for concurrent use.
type Client struct {
	config  ClientConfig
	peers   states
	streams *http.Transport
	posts   *http.Transport
}

// NewClient answers a client; it dials nothing before it is asked to.
func NewClient(c ClientConfig) *Client {
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	client := &Client{config: c}
	client.streams = client.transport()
	client.posts = client.transport()
	return client
}

func (c *Client) transport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	return &http.Transport{
		DialTLSContext:     c.dial,
		Protocols:          protocols,
		DisableCompression: true,
		IdleConnTimeout:    time.Minute,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     windowBytes,
			MaxReceiveBufferPerConnection: 4 * windowBytes,
			MaxReadFrameSize:              1 << 20,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
		},
	}
}

// Close ends idle connections; streams and posts end with their contexts.
func (c *Client) Close() error {
	c.streams.CloseIdleConnections()
	c.posts.CloseIdleConnections()
	return nil
}

// dial connects to the region that stands in the request's URL as its host.
func (c *Client) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	region, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	address, ok := c.config.Address(region)
	if !ok {
		return nil, fmt.Errorf("no address of region %s is known", region)
	}
	raw, err := c.config.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, clientTLS(c.config.TLS, Identity{World: c.config.Identity.World, Region: region}))
	ctx, cancel := context.WithTimeout(ctx, timeoutHandshake)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("link with %s at %s: %w", region, address, err)
	}
	return conn, nil
}

// Open opens a stream to a service of a region. ctx bounds the opening only;
// Close ends the stream.
func (c *Client) Open(ctx context.Context, region, service string) (*Stream, error) {
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	body, out := io.Pipe()
	response, err := c.do(whole, c.streams, region, pathStream+service, body)
	if err == nil && !stop() { // ctx ended just now
		response.Body.Close()
		err = ctx.Err()
	}
	if err != nil {
		stop()
		cancel()
		body.Close()
		return nil, c.state(ctx, region, err)
	}
	c.state(ctx, region, nil)
	return &Stream{
		reader: response.Body, writer: out,
		seen:  func(message []byte) { c.config.Events.message(region, message) },
		flush: func() error { return nil },
		close: func() {
			out.Close()
			cancel()
			response.Body.Close()
		},
	}, nil
}

// Post sends a small message to a handler of a region and answers its reply.
func (c *Client) Post(ctx context.Context, region, kind string, payload []byte) ([]byte, error) {
	c.config.Events.message(region, payload)
	response, err := c.do(ctx, c.posts, region, pathPost+kind, bytes.NewReader(payload))
	if err != nil {
		return nil, c.state(ctx, region, err)
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(response.Body, PostMax+1))
	if err == nil && len(reply) > PostMax {
		err = fmt.Errorf("%w: a reply over the limit of %d bytes", ErrRemote, PostMax)
	}
	c.config.Events.message(region, reply)
	return reply, c.state(ctx, region, err)
}

// do sends a request and turns an error status into an error.
func (c *Client) do(ctx context.Context, t *http.Transport, region, path string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+region+path, body)
	if err != nil {
		return nil, err
	}
	response, err := t.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return nil, fmt.Errorf("%w: %s (%d)", ErrRemote, strings.TrimSpace(string(text)), response.StatusCode)
}

// state tells Events when a peer goes up or down, and answers err. An error that
// comes from the caller's own context, or as the peer's answer, says nothing
// about whether the peer can be reached, but a deadline does.
func (c *Client) state(ctx context.Context, region string, err error) error {
	switch {
	case err == nil || errors.Is(err, ErrRemote):
		if c.peers.well(region) {
			c.config.Events.up(region)
		}
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
	default:
		if c.peers.wrong(region, reason(err)) {
			c.config.Events.down(region, err)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", region, err)
	}
	return nil
}

// reason sorts errors, so that each kind is told once: who is no peer of ours,
// or does not take us for one, and all that a network does when a peer is gone,
// from a timeout to a refusal.
func reason(err error) string {
	var stranger strangerError
	var network *net.OpError
	switch {
	case errors.As(err, &stranger):
		return stranger.Error()
	case errors.As(err, &network) && network.Op == opAlert:
		return network.Error()
	}
	return "not reached"
}

// opAlert is the Op of crypto/tls for an alert of the other side.
const opAlert = "remote error"
