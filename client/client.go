package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says which world to talk to.
type Config struct {
	Context Context
	// Token is the admin token; default: read from Context.TokenFile.
	Token string
	// Region is asked first; default: the region that answered last, else
	// the context's order.
	Region string
	// TimeoutConnect bounds the wait for one region to accept a connection
	// before the next one is tried; default 2 s.
	TimeoutConnect time.Duration
	// TimeoutRead bounds the wait for one region's answer to a question;
	// default 5 s. Changes and requests have a minute.
	TimeoutRead time.Duration
	// Transport carries the requests; default: one of its own.
	Transport http.RoundTripper
}

// timeoutChange is how long a change or a request may take: longer than the
// region's own timeouts, so that its reason is heard.
const timeoutChange = time.Minute

// answerBytesMax bounds what a region may answer.
const answerBytesMax = 64 << 20

// Client calls the admin API. It may be used by several goroutines.
type Client struct {
	config Config
	http   *http.Client

	mu sync.Mutex
	// answered, guarded by mu, is the region that answered last.
	answered string
}

// New returns a client. It connects to nothing yet.
func New(config Config) (*Client, error) {
	if len(config.Context.Regions) == 0 && config.Context.Controller == "" {
		return nil, errors.New("the context names no region")
	}
	if config.Token == "" {
		token, err := config.Context.token()
		if err != nil {
			return nil, err
		}
		config.Token = token
	}
	if config.TimeoutConnect == 0 {
		config.TimeoutConnect = 2 * time.Second
	}
	if config.TimeoutRead == 0 {
		config.TimeoutRead = 5 * time.Second
	}
	if config.Transport == nil {
		transport, err := newTransport(config)
		if err != nil {
			return nil, err
		}
		config.Transport = transport
	}
	return &Client{config: config, http: &http.Client{Transport: config.Transport}}, nil
}

// newTransport returns a transport that gives up on a silent region quickly
// and never asks a proxy of the environment.
func newTransport(config Config) (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DialContext = (&net.Dialer{Timeout: config.TimeoutConnect}).DialContext
	transport.TLSHandshakeTimeout = config.TimeoutConnect
	if config.Context.CAFile == "" {
		return transport, nil
	}
	pem, err := os.ReadFile(config.Context.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the world's certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", config.Context.CAFile)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}

// Answered returns the region that answered last; empty before the first call.
func (c *Client) Answered() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered
}

// Status returns the world's state as the first region that answers sees it.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, c.inTurn(""), http.MethodGet, "/v1/status", nil)
}

// Lookup returns what the nameserver answers, and why.
func (c *Client) Lookup(ctx context.Context, q LookupRequest) (Lookup, error) {
	path := "/v1/lookup?" + url.Values{"name": {q.Name}, "from": {q.From}}.Encode()
	return call[Lookup](ctx, c, c.inTurn(""), http.MethodGet, path, nil)
}

// Drain takes traffic away from a region.
func (c *Client) Drain(ctx context.Context, d DrainRequest) (Drained, error) {
	return call[Drained](ctx, c, c.inTurn(""), http.MethodPost, "/v1/drain", d)
}

// Undrain gives traffic back to a region.
func (c *Client) Undrain(ctx context.Context, d DrainRequest) (Drained, error) {
	return call[Drained](ctx, c, c.inTurn(""), http.MethodPost, "/v1/undrain", d)
}

// Replace lets a node that lost its disk be one of control's members again. It
// cannot be asked itself: whoever knows it better must answer.
func (c *Client) Replace(ctx context.Context, r ReplaceRequest) (Done, error) {
	return call[Done](ctx, c, c.inTurn(""), http.MethodPost, "/v1/replace", r)
}

// Promote makes a region the primary of a table. A forced promotion that was not
// told yes answers what it may lose, and does nothing.
func (c *Client) Promote(ctx context.Context, p PromoteRequest) (Promoted, error) {
	return call[Promoted](ctx, c, c.inTurn(p.To), http.MethodPost, "/v1/promote", p)
}

// RemoveRegion takes a region out of the world, or says how far that is: asking
// again begins nothing anew. The region cannot be asked itself.
func (c *Client) RemoveRegion(ctx context.Context, r RemoveRequest) (Removal, error) {
	return call[Removal](ctx, c, c.inTurn(""), http.MethodPost, "/v1/remove", r)
}

// Apply makes a spec the world's.
func (c *Client) Apply(ctx context.Context, a ApplyRequest) (Applied, error) {
	return call[Applied](ctx, c, c.inTurn(""), http.MethodPost, "/v1/apply", a)
}

// Spec returns the applied spec.
func (c *Client) Spec(ctx context.Context) (Spec, error) {
	return call[Spec](ctx, c, c.inTurn(""), http.MethodGet, "/v1/spec", nil)
}

// Environment returns what AWS SDKs need to use the region's tables.
func (c *Client) Environment(ctx context.Context, region string) (Environment, error) {
	path := "/v1/env?" + url.Values{"region": {region}}.Encode()
	return call[Environment](ctx, c, c.inTurn(region), http.MethodGet, path, nil)
}

// Request makes an HTTP request as a client somewhere else would, through a
// dev world's simulated network. Worlds of `meridian serve` refuse it.
func (c *Client) Request(ctx context.Context, r Request) (Response, error) {
	return call[Response](ctx, c, c.controllers(), http.MethodPost, "/v1/request", r)
}

// StopRegion crashes a region of a dev world: what it had not synced is lost.
func (c *Client) StopRegion(ctx context.Context, region string) (Done, error) {
	return c.dev(ctx, region, "stop", "")
}

// StartRegion starts a stopped region of a dev world.
func (c *Client) StartRegion(ctx context.Context, region string) (Done, error) {
	return c.dev(ctx, region, "start", "")
}

// CutRegion cuts a dev world's network between a region and a peer; an empty
// peer is everyone.
func (c *Client) CutRegion(ctx context.Context, region, peer string) (Done, error) {
	return c.dev(ctx, region, "cut", peer)
}

// HealRegion undoes CutRegion.
func (c *Client) HealRegion(ctx context.Context, region, peer string) (Done, error) {
	return c.dev(ctx, region, "heal", peer)
}

func (c *Client) dev(ctx context.Context, region, verb, peer string) (Done, error) {
	path := "/v1/region/" + url.PathEscape(region) + "/" + verb
	return call[Done](ctx, c, c.controllers(), http.MethodPost, path, CutRequest{Region: region, Peer: peer})
}

// inTurn orders the regions to ask: first, then the one that answered last,
// then the others, at last a dev world's controller.
func (c *Client) inTurn(first string) []Endpoint {
	if first == "" {
		first = c.config.Region
	}
	answered := c.Answered()
	var front, middle, rest []Endpoint
	for _, e := range c.config.Context.Regions {
		switch e.Region {
		case first:
			front = append(front, e)
		case answered:
			middle = append(middle, e)
		default:
			rest = append(rest, e)
		}
	}
	return append(append(front, middle...), rest...)
}

// controllers is who can act on a dev world: its own controller, which runs
// while every region is stopped, else the regions.
func (c *Client) controllers() []Endpoint {
	if c.config.Context.Controller != "" {
		return []Endpoint{{Region: "dev", URL: c.config.Context.Controller}}
	}
	return c.inTurn("")
}

// call asks the endpoints in turn until one answers. An answer that is an
// error ends it, for the next region would say the same, unless it is that
// this one is not available: it has then changed nothing. A change that a region
// took without an answer ends it too, with CodeUncertain: it may take effect
// later than what the next region would do.
func call[T any](ctx context.Context, c *Client, endpoints []Endpoint, method, path string, in any) (T, error) {
	var out T
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return out, fmt.Errorf("encode the request: %w", err)
		}
	}
	var unavailable error
	unreachable := &UnreachableError{World: c.config.Context.World}
	for _, e := range endpoints {
		answer, err := c.ask(ctx, e, method, path, body)
		var refused *Error
		switch {
		case err == nil:
			c.setAnswered(e.Region)
			if err := json.Unmarshal(answer, &out); err != nil {
				return out, fmt.Errorf("region %s answered what is not understood: %w", e.Region, err)
			}
			return out, nil
		case errors.As(err, &refused) && refused.Code == CodeUnavailable:
			if unavailable == nil { // the first one asked knows best
				unavailable = err
			}
		case errors.As(err, &refused):
			c.setAnswered(e.Region)
			return out, err
		case method != http.MethodGet && errors.As(err, new(*unansweredError)) && ctx.Err() == nil:
			uncertain := Errorf(CodeUncertain, "region %s took the change and did not answer (%v): it may have taken effect, or still do so; look before you repeat it", e.Region, err)
			uncertain.Region = e.Region
			return out, uncertain
		}
		unreachable.Attempts = append(unreachable.Attempts, Attempt{Region: e.Region, URL: e.URL, Err: err})
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
	}
	if unavailable != nil {
		return out, unavailable
	}
	return out, unreachable
}

func (c *Client) setAnswered(region string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = region
}

// ask sends one request to one region.
func (c *Client) ask(ctx context.Context, e Endpoint, method, path string, body []byte) ([]byte, error) {
	timeout := timeoutChange
	if method == http.MethodGet {
		timeout = c.config.TimeoutRead
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(e.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.config.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.config.Token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		err = shorter(err)
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if sent.Load() {
			err = &unansweredError{err}
		}
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return nil, &unansweredError{fmt.Errorf("read the answer: %w", err)}
	}
	if response.StatusCode == http.StatusOK {
		return answer, nil
	}
	refused := &Error{Region: e.Region}
	if err := json.Unmarshal(answer, refused); err != nil || refused.Message == "" {
		err := fmt.Errorf("%s is no admin API: it answered %s", e.URL, response.Status)
		if response.StatusCode >= http.StatusInternalServerError { // of a proxy, which may have passed it on
			err = &unansweredError{err}
		}
		return nil, err
	}
	refused.Region = e.Region
	return nil, refused
}

// shorter drops what url.Error repeats: the method and the URL.
func shorter(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
