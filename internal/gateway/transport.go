package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/meridian-run/meridian/internal/function"
)

// attemptsMax is how many other regions are tried for one request.
const attemptsMax = 2

var errBodyRead = errors.New("read the request's body")

// transport takes a request to the local target, and on to other regions.
type transport struct{ g *Gateway }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ex := exchangeOf(r)
	body, whole, err := ex.readBody(r)
	if err != nil {
		return nil, err
	}
	resp, err := t.local(r, ex, body, whole)
	if err == nil || !whole || !ex.mayPassOn(err) {
		return resp, err
	}
	return t.passOn(r, ex, body, err)
}

func (t transport) local(r *http.Request, ex *exchange, body []byte, whole bool) (*http.Response, error) {
	if f := ex.route.Function; f != nil {
		resp, err := callFunction(r, ex, body, f.Invoke)
		for errors.Is(err, function.ErrRetired) && ex.renew() {
			resp, err = callFunction(r, ex, body, ex.route.Function.Invoke)
		}
		return resp, err
	}
	out := r
	if whole {
		out = withBody(r, body)
	}
	return t.g.askBackend(out, ex.route.Backend)
}

// renew turns to the function that has taken the place of the exchange's since
// the request came; false if there is none.
func (ex *exchange) renew() bool {
	now := ex.gateway.routes.Load().named(ex.route.Name)
	if now == nil || now.Function == nil || now.Function == ex.route.Function {
		return false
	}
	ex.route = now
	return true
}

// readBody reads a body that may be sent more than once: always for a function;
// for a backend only if the request is safe to repeat and the body fits. If it
// is not whole, what was read is put back before the rest.
func (ex *exchange) readBody(r *http.Request) (body []byte, whole bool, err error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, true, nil
	}
	limit := ex.route.BodyMax + 1 // the body itself fails before
	if ex.route.Function == nil {
		if !repeatable(r) {
			return nil, false, nil
		}
		limit = ex.gateway.cfg.ReplayMax
	}
	body, err = readAtMost(r, limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", errBodyRead, err)
	}
	if int64(len(body)) <= limit {
		return body, true, nil
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	return nil, false, nil
}

func readAtMost(r *http.Request, limit int64) ([]byte, error) {
	if n := r.ContentLength; n >= 0 && n < limit {
		body := make([]byte, n)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	return io.ReadAll(io.LimitReader(r.Body, limit))
}

// withBody returns the request with a body of its own, which the standard
// transport may send again on a fresh connection.
func withBody(r *http.Request, body []byte) *http.Request {
	out := r.WithContext(r.Context())
	out.ContentLength = int64(len(body))
	out.Body, out.GetBody = http.NoBody, nil
	if len(body) > 0 {
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		out.Body, _ = out.GetBody() // never fails
	}
	return out
}

// repeatable reports whether a request may take effect twice.
func repeatable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}

// mayPassOn reports whether the request may go to another region after err. One
// to a regional name means this region; one that was passed on stays.
func (ex *exchange) mayPassOn(err error) bool {
	return elsewhere(err) && repeatable(ex.in) && ex.in.Header.Get(headerHop) == "" &&
		ex.route.Peers != nil && ex.in.Context().Err() == nil &&
		normalHost(ex.in.Host) != normalHost(ex.route.RegionalHost)
}

// passOn asks the other regions in turn; failure is what happened here.
func (t transport) passOn(r *http.Request, ex *exchange, body []byte, failure error) (*http.Response, error) {
	for i, peer := range ex.route.Peers() {
		if i == attemptsMax || r.Context().Err() != nil {
			break
		}
		resp, err := t.askPeer(r, ex, body, peer)
		if err == nil {
			ex.passedOn = peer.Region
			t.g.cfg.Log.Warn("request passed on to another region", "to", peer.Region, "service", ex.route.Name,
				"request", ex.id, "there", ex.takeID(resp), "because", failure)
			return resp, nil
		}
		failure = errors.Join(failure, fmt.Errorf("region %s: %w", peer.Region, err))
	}
	return nil, failure
}

// askPeer sends the request to another region's gateway. An error that this one
// made is an error here too.
func (t transport) askPeer(r *http.Request, ex *exchange, body []byte, peer Peer) (*http.Response, error) {
	out := withBody(r.Clone(r.Context()), body)
	out.URL.Scheme, out.URL.Host = "http", peer.Address
	if ex.route.Host != "" {
		out.Host = ex.route.Host // a bare address is our own
	}
	out.Header[headerHop] = []string{t.g.cfg.Region}
	if !ex.given {
		// The gateway there would take it for the client's, and its function's
		// call would get another.
		out.Header.Del(headerRequestID)
	}
	resp, err := t.g.peers.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	if kind := resp.Header.Get(headerError); kind != "" && resp.StatusCode >= 500 {
		resp.Body.Close()
		return nil, fmt.Errorf("answered %d (%s)", resp.StatusCode, kind)
	}
	resp.Request = r
	return resp, nil
}

// takeID makes the id of a response from another region this request's, if it
// has none of the client, and returns it: that is what the function there saw.
func (ex *exchange) takeID(resp *http.Response) string {
	id := requestID(resp.Header)
	if id != "" && !ex.given {
		ex.writer.Header()[headerRequestID] = []string{id}
	}
	return id
}

// askBackend sends a request to the backend at base.
func (g *Gateway) askBackend(r *http.Request, base *url.URL) (*http.Response, error) {
	target := *r.URL
	target.Scheme, target.Host = base.Scheme, base.Host
	target.Path, target.RawPath = joinPath(base, r.URL)
	if base.RawQuery != "" && target.RawQuery != "" {
		target.RawQuery = base.RawQuery + "&" + target.RawQuery
	} else {
		target.RawQuery += base.RawQuery
	}
	out := r.WithContext(r.Context())
	out.URL = &target
	resp, err := g.backends.RoundTrip(out)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, err
		}
		return nil, fmt.Errorf("%w %s: %w", errBackend, base.Host, err)
	}
	resp.Request = r
	return resp, nil
}

func joinPath(base, in *url.URL) (path, raw string) {
	if base.Path == "" || base.Path == "/" {
		return in.Path, in.RawPath
	}
	prefix := strings.TrimSuffix(base.Path, "/")
	if in.RawPath == "" && base.RawPath == "" {
		return prefix + in.Path, ""
	}
	return prefix + in.Path, strings.TrimSuffix(base.EscapedPath(), "/") + in.EscapedPath()
}

// callFunction turns a request into an event, and the function's response into
// one for HTTP. call is Invoke or Check.
func callFunction(r *http.Request, ex *exchange, body []byte, call func(context.Context, string, []byte) ([]byte, error)) (*http.Response, error) {
	event, err := newEvent(r, ex.route.Name, ex.invocation, body)
	if err != nil {
		return nil, fmt.Errorf("make the event: %w", err)
	}
	payload, err := call(r.Context(), ex.invocation, event)
	if err != nil {
		return nil, err
	}
	return newResponse(r, payload)
}
