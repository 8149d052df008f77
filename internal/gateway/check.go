package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/function"
	"github.com/meridian-run/meridian/internal/trouble"
)

// Health says how a service's deep check is asked for.
type Health struct {
	// Path that probes ask for; "" is no shared check.
	Path string
	// Every is the least time between two runs of the check. Default 30 s.
	Every time.Duration
	// Timeout of one run. Default 4 s.
	Timeout time.Duration
	// DeepEvery is how often a function that is scaled to zero and was healthy is
	// woken for a check. Default 5 min.
	DeepEvery time.Duration
}

func (h *Health) fill() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&h.Every, 30 * time.Second}, {&h.Timeout, 4 * time.Second}, {&h.DeepEvery, 5 * time.Minute}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
}

// Check is one of the region's own checks.
type Check struct {
	Name    string
	Healthy bool
	Reason  string // why not
	Latency time.Duration
}

// checkResult is what a run of the deep check gave.
type checkResult struct {
	at     time.Time // when it was asked for
	made   time.Time // when the answer was made: earlier if a busy function's is repeated
	how    string    // "run" or "busy"
	status int
	kind   string // content type
	body   []byte
}

const checkBodyMax = 64 << 10

func (c *checkResult) healthy() bool { return c.status >= 200 && c.status < 400 }

// due reports whether the check must run: not more often than Every; and not
// while a healthy function sleeps, except every DeepEvery. A function that was
// last found unhealthy is asked again although it sleeps, or it could not come
// back before somebody uses it, and nobody will.
func (h Health) due(last *checkResult, now time.Time, asleep bool) bool {
	if last == nil {
		return true
	}
	age := now.Sub(last.at)
	if asleep && last.healthy() {
		return age >= max(h.Every, h.DeepEvery)
	}
	return age >= h.Every
}

// sharedCheck is a service's deep check and its last result, shared by all who
// ask.
type sharedCheck struct {
	failing trouble.Trouble // the check gets no answer

	mu      sync.Mutex // guards what follows
	last    *checkResult
	running chan struct{} // closed when the run in flight ends; nil without one
}

// result returns the last result if none is due; otherwise it runs the check, or
// waits for whoever does.
func (c *sharedCheck) result(ctx context.Context, h Health, asleep func() bool, run func(last *checkResult) *checkResult) (*checkResult, string, error) {
	for {
		c.mu.Lock()
		if !h.due(c.last, time.Now(), asleep()) {
			defer c.mu.Unlock()
			if asleep() {
				return c.last, "asleep", nil
			}
			return c.last, "shared", nil
		}
		if c.running == nil {
			done := make(chan struct{})
			c.running = done
			last := c.last
			c.mu.Unlock()
			result := c.run(done, last, run)
			return result, result.how, nil
		}
		running := c.running
		c.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
}

func (c *sharedCheck) run(done chan struct{}, last *checkResult, run func(*checkResult) *checkResult) (result *checkResult) {
	begin := time.Now()
	result = &checkResult{status: http.StatusInternalServerError} // if it panics
	defer func() {
		result.at = begin
		if result.how == "" {
			result.made, result.how = begin, "run"
		}
		c.mu.Lock()
		c.last, c.running = result, nil
		c.mu.Unlock()
		close(done)
	}()
	return run(last)
}

// isProbe reports whether the shared check answers the request.
func (rt *route) isProbe(r *http.Request) bool {
	return rt.Health.Path != "" && r.URL.Path == rt.Health.Path && r.Header.Get(headerProbe) != "" &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// serveProbe answers a probe: by the region's state and its own checks first,
// then by the service's shared check.
func (g *Gateway) serveProbe(w *recorder, r *http.Request, rt *route) {
	how := "region"
	result := g.regionResult(rt)
	if result == nil {
		var err error
		result, how, err = rt.check.result(r.Context(), rt.Health, rt.asleep, func(last *checkResult) *checkResult {
			return g.runCheck(r, rt, last)
		})
		if err != nil {
			g.fail(w, r, err)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", result.kind)
	h.Set("Cache-Control", "no-store")
	h.Set(headerRegion, g.cfg.Region)
	h.Set(headerCheck, how)
	if !result.made.IsZero() {
		h.Set("Age", strconv.Itoa(int(time.Since(result.made).Seconds())))
	}
	w.WriteHeader(result.status)
	if r.Method != http.MethodHead {
		w.Write(result.body)
	}
	if g.cfg.Metrics.Probe != nil {
		g.cfg.Metrics.Probe(rt.Name, result.status, how)
	}
}

func (rt *route) asleep() bool { return rt.Function != nil && !rt.Function.Awake() }

// regionResult is nil when the region has nothing against the service.
func (g *Gateway) regionResult(rt *route) *checkResult {
	if why := g.notReady.Load(); why != nil {
		return answerOf([]Check{{Name: "region", Reason: *why}})
	}
	if g.cfg.Checks == nil {
		return nil
	}
	checks := g.cfg.Checks(rt.Name)
	for _, c := range checks {
		if !c.Healthy {
			return answerOf(checks)
		}
	}
	return nil
}

// answerOf is the answer that a deep check gives of these: 200, or 503 if one is
// not healthy.
func answerOf(checks []Check) *checkResult {
	type one struct {
		Status  string  `json:"status"`
		Reason  string  `json:"reason,omitempty"`
		Latency float64 `json:"latency_ms"`
	}
	body := struct {
		Status string         `json:"status"`
		Checks map[string]one `json:"checks"`
	}{"healthy", map[string]one{}}
	code := http.StatusOK
	for _, c := range checks {
		status := "healthy"
		if !c.Healthy {
			status, body.Status, code = "unhealthy", "unhealthy", http.StatusServiceUnavailable
		}
		body.Checks[c.Name] = one{status, c.Reason, float64(c.Latency.Microseconds()) / 1000}
	}
	text, _ := json.Marshal(body) // plain data: it cannot fail
	return &checkResult{status: code, kind: "application/json", body: append(text, '\n')}
}

// runCheck asks the service. It goes on when the observer that asked leaves: the
// others wait for it too.
func (g *Gateway) runCheck(r *http.Request, rt *route, last *checkResult) *checkResult {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), rt.Health.Timeout)
	defer cancel()
	id := g.cfg.NewID()
	ex := &exchange{gateway: g, route: rt, id: id, invocation: id, in: r}
	ask := r.Clone(ctx)
	ask.Method, ask.Body, ask.ContentLength, ask.RequestURI = http.MethodGet, http.NoBody, 0, ""
	ask.Header[headerRequestID] = []string{ex.id}
	resp, err := g.askDeep(ask, ex)
	if errors.Is(err, function.ErrBusy) || errors.Is(err, function.ErrRetired) {
		return whileBusy(rt.Name, last)
	}
	if err != nil {
		p := problemOf(err)
		if tell, untold := rt.check.failing.Again(time.Now()); tell {
			g.cfg.Log.Warn("health check failed", "service", rt.Name, "request", id, "error", err, "others_since_last_line", untold)
		}
		return answerOf([]Check{{Name: rt.Name, Reason: p.message}})
	}
	if rt.check.failing.Over() {
		g.cfg.Log.Info("health check is answered again", "service", rt.Name, "status", resp.status)
	}
	return resp
}

// whileBusy is the result for a function whose instances all work, which is no
// reason to send its load to other regions: the last one, or healthy if there is
// none. It ends when an instance is free for a check, or when the function says
// that calls are lost and none is answered.
func whileBusy(service string, last *checkResult) *checkResult {
	if last == nil {
		last = answerOf([]Check{{Name: service, Healthy: true, Reason: "all instances are busy; it has not been checked yet"}})
		last.made = time.Now()
	}
	return &checkResult{status: last.status, kind: last.kind, body: last.body, made: last.made, how: "busy"}
}

func (g *Gateway) askDeep(r *http.Request, ex *exchange) (*checkResult, error) {
	var resp *http.Response
	var err error
	if f := ex.route.Function; f != nil {
		resp, err = callFunction(r, ex, nil, f.Check)
	} else {
		resp, err = g.askBackend(r, ex.route.Backend)
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := io.Copy(&body, io.LimitReader(resp.Body, checkBodyMax)); err != nil {
		return nil, err
	}
	return &checkResult{status: resp.StatusCode, kind: resp.Header.Get("Content-Type"), body: body.Bytes()}, nil
}
