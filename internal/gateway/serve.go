package gateway

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/meridian-run/meridian/internal/probe"
)

// Headers that gateways set, beside the usual ones.
const (
	headerRequestID = "X-Request-Id"
	headerRegion    = "Meridian-Region" // of the target that answered
	headerVia       = "Meridian-Via"    // the region that passed the request on
	headerHop       = "Meridian-Hop"    // on a request: the same; it is passed on no further
	headerError     = "Meridian-Error"  // on a response: the gateway made it, and why
	headerProbe     = probe.Header      // on a request: the observer that probes
	headerCheck     = "Meridian-Check"  // on a probe's response: how it came about
)

const requestIDMax = 128 // bytes of a client's X-Request-Id that is kept

// exchange is one request on its way to a service.
type exchange struct {
	gateway *Gateway
	route   *route
	// id is the request's, for the client and the log; given says that the client
	// chose it. invocation is the function's: the same if we made it. What clients
	// send must not be what functions take for unique.
	id         string
	given      bool
	invocation string
	in         *http.Request
	writer     *recorder
	timer      *time.Timer
	// passedOn is the region that answered instead of this one.
	passedOn string
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange { return r.Context().Value(exchangeKey{}).(*exchange) }

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(writer http.ResponseWriter, r *http.Request) {
	countServed(r)
	w := &recorder{ResponseWriter: writer}
	id := requestID(r.Header)
	given := id != ""
	if !given {
		id = g.cfg.NewID()
	}
	w.Header()[headerRequestID] = []string{id}
	if g.leaving.Load() {
		w.Header().Set("Connection", "close") // in HTTP/2: no further requests on this connection
	}
	defer g.recover(w, r)

	routes := g.routes.Load()
	rt := routes.find(r.Host)
	switch {
	case rt == nil:
		g.fail(w, r, routes.unknown(r.Host))
	case rt.isProbe(r):
		g.serveProbe(w, r, rt)
	default:
		g.serve(w, r, &exchange{gateway: g, route: rt, id: id, given: given, in: r, writer: w})
	}
}

// requestID returns the client's id if it may be repeated, else "".
func requestID(h http.Header) string {
	id := h.Get(headerRequestID)
	if len(id) > requestIDMax {
		return ""
	}
	for _, c := range []byte(id) {
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && !strings.ContainsRune("-_.:=+/@", rune(c)) {
			return ""
		}
	}
	return id
}

// recover turns a panic into a 500; one after the response has begun can only
// cut the connection.
func (g *Gateway) recover(w *recorder, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p) // the response broke off: net/http cuts the connection
	}
	if g.cfg.Metrics.Panic != nil {
		g.cfg.Metrics.Panic()
	}
	g.cfg.Log.Error("request handler panicked", "panic", p, "request", w.Header().Get(headerRequestID),
		"method", r.Method, "path", r.URL.Path, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	g.writeError(w, r, problem{status: http.StatusInternalServerError, kind: "internal", message: "the gateway failed"})
}

// serve sends a request to its service and the response back.
func (g *Gateway) serve(w *recorder, r *http.Request, ex *exchange) {
	begin, rt := time.Now(), ex.route
	ex.invocation = ex.id
	if ex.given {
		ex.invocation = g.cfg.NewID()
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	ex.timer = time.AfterFunc(rt.Timeout, func() { cancel(errTimeout) })
	defer ex.timer.Stop()
	ex.setDeadline(begin.Add(rt.Timeout))
	defer func() { // a response that breaks off is a panic, and counts too
		if g.cfg.Metrics.Request != nil {
			g.cfg.Metrics.Request(rt.Name, w.result(), time.Since(begin))
		}
		if ex.passedOn != "" && g.cfg.Metrics.PassedOn != nil {
			g.cfg.Metrics.PassedOn(rt.Name, ex.passedOn)
		}
	}()
	if r.ContentLength > rt.BodyMax {
		g.fail(w, r, &http.MaxBytesError{Limit: rt.BodyMax})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, rt.BodyMax)
	g.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, exchangeKey{}, ex)))
}

// What a client has beyond the timeout. While a handler runs net/http reads on,
// and takes a deadline there for the client's leaving: it must come after ours.
const (
	readGrace  = time.Second      // to send its body
	writeGrace = 30 * time.Second // to take its response
)

// setDeadline bounds how slowly a client may send and take; zero is no bound. A
// connection that cannot be bounded has the server's limits.
func (ex *exchange) setDeadline(at time.Time) {
	read, write := at, at
	if !at.IsZero() {
		read, write = at.Add(readGrace), at.Add(writeGrace)
	}
	control := http.NewResponseController(ex.writer)
	_ = control.SetReadDeadline(read)
	_ = control.SetWriteDeadline(write)
}

// newProxy carries requests and responses; where to is transport's matter.
func (g *Gateway) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        rewrite,
		Transport:      transport{g},
		ModifyResponse: g.modifyResponse,
		ErrorHandler:   g.fail,
		ErrorLog:       log.New(io.Discard, "", 0), // it tells of clients that left
	}
}

func rewrite(r *httputil.ProxyRequest) {
	ex := exchangeOf(r.In)
	r.Out.URL.RawQuery = r.In.URL.RawQuery // as it came, whatever it is
	r.Out.Host = r.In.Host
	if forwarded, ok := r.In.Header["X-Forwarded-For"]; ok {
		r.Out.Header["X-Forwarded-For"] = forwarded // to be appended to
	}
	r.SetXForwarded()
	r.Out.Header[headerRequestID] = []string{ex.id}
	r.Out.Header.Del(headerHop)
}

// modifyResponse says who answered, and lets long-lived responses live.
func (g *Gateway) modifyResponse(resp *http.Response) error {
	ex := exchangeOf(resp.Request)
	resp.Header.Del(headerRequestID) // ServeHTTP has set ours
	if ex.passedOn == "" {
		resp.Header[headerRegion] = []string{g.cfg.Region}
		resp.Header.Del(headerVia)
		resp.Header.Del(headerError)
	} else {
		resp.Header[headerVia] = []string{g.cfg.Region}
	}
	if resp.StatusCode == http.StatusSwitchingProtocols || isEventStream(resp.Header) {
		ex.timer.Stop()
		ex.setDeadline(time.Time{})
	}
	return nil
}

func isEventStream(h http.Header) bool {
	return httpguts.HeaderValuesContainsToken([]string{strings.SplitN(h.Get("Content-Type"), ";", 2)[0]}, "text/event-stream")
}

// fail answers a request that no target answered.
func (g *Gateway) fail(w http.ResponseWriter, r *http.Request, err error) {
	if cause := context.Cause(r.Context()); cause != nil {
		err = errors.Join(cause, err)
	}
	p := problemOf(err)
	if p.status >= 500 || p.status == http.StatusTooManyRequests {
		attributes := []slog.Attr{
			slog.String("kind", p.kind), slog.Any("error", err),
			slog.String("request", w.Header().Get(headerRequestID)), slog.String("method", r.Method),
			slog.String("host", r.Host), slog.String("path", r.URL.Path),
		}
		if ex, ok := r.Context().Value(exchangeKey{}).(*exchange); ok && ex.given && ex.route.Function != nil {
			attributes = append(attributes, slog.String("invocation", ex.invocation))
		}
		g.cfg.Log.LogAttrs(r.Context(), p.level(), "request failed", attributes...)
	}
	g.writeError(w, r, p)
}

// recorder remembers a response's status.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter. Informational statuses do not
// count.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 || status == http.StatusSwitchingProtocols {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) result() int {
	if w.status == 0 {
		return statusClientGone
	}
	return w.status
}
