package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/meridian-run/meridian/internal/function"
)

var (
	errTimeout  = errors.New("the request's time is over")
	errResponse = errors.New("the function's response is not one for HTTP")
	errBackend  = errors.New("no response from the backend")
)

// hostError is a request for a host that no service has.
type hostError struct {
	host  string
	hosts []string
}

func (e *hostError) Error() string {
	if len(e.hosts) == 0 {
		return fmt.Sprintf("no service has the host %q: there is no service here", e.host)
	}
	return fmt.Sprintf("no service has the host %q: use one of %s", e.host, strings.Join(e.hosts, ", "))
}

func (rs *routes) unknown(host string) error { return &hostError{host: host, hosts: rs.hosts} }

// statusClientGone counts requests whose client left; nobody sees it (nginx
// uses the same number).
const statusClientGone = 499

// problem is an error as a client sees it. What exactly went wrong inside is for
// the log alone.
type problem struct {
	status        int
	kind, message string
}

// problemOf maps errors to answers. One that nobody mapped is a 502: it came
// from a transport.
func problemOf(err error) problem {
	var tooLarge *http.MaxBytesError
	var host *hostError
	switch {
	case errors.As(err, &host):
		return problem{http.StatusNotFound, "unknown-host", host.Error()}
	case errors.As(err, &tooLarge):
		return problem{http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit)}
	case errors.Is(err, errBodyRead) && errors.Is(err, os.ErrDeadlineExceeded):
		return problem{http.StatusRequestTimeout, "slow-body", "the body did not come in time"}
	case errors.Is(err, errTimeout), errors.Is(err, context.DeadlineExceeded):
		return problem{http.StatusGatewayTimeout, "timeout", "the service did not answer in time"}
	case errors.Is(err, context.Canceled):
		return problem{statusClientGone, "client-gone", "the client left"}
	case errors.Is(err, errBodyRead):
		return problem{http.StatusBadRequest, "bad-body", "the body could not be read"}
	case errors.Is(err, errResponse):
		return problem{http.StatusBadGateway, "function-response", "the function's response could not be understood"}
	case errors.Is(err, errBackend):
		return problem{http.StatusBadGateway, "backend", "the backend did not answer"}
	}
	if p, ok := functionProblem(err); ok {
		return p
	}
	return problem{http.StatusBadGateway, "target", "the service did not answer"}
}

func functionProblem(err error) (problem, bool) {
	for _, m := range []struct {
		is error
		problem
	}{
		{function.ErrTooManyRequests, problem{http.StatusTooManyRequests, "too-many-requests", "TooManyRequests"}},
		{function.ErrTimeout, problem{http.StatusGatewayTimeout, "timeout", "the service did not answer in time"}},
		{function.ErrInit, problem{http.StatusBadGateway, "function-init", "the function did not start"}},
		{function.ErrCrashed, problem{http.StatusBadGateway, "function-crashed", "the function ended before it answered"}},
		{function.ErrHandler, problem{http.StatusBadGateway, "function-error", "the function reported an error"}},
		{function.ErrRequestTooLarge, problem{http.StatusRequestEntityTooLarge, "too-large", "the request is larger than a function takes"}},
		{function.ErrResponseTooLarge, problem{http.StatusBadGateway, "response-too-large", "the function's response is too large"}},
		{function.ErrRetired, problem{http.StatusServiceUnavailable, "stopping", "the function was replaced"}},
		{function.ErrClosed, problem{http.StatusServiceUnavailable, "stopping", "the region is stopping"}},
	} {
		if errors.Is(err, m.is) {
			return m.problem, true
		}
	}
	return problem{}, false
}

// elsewhere reports whether another region might do better. A refused or late
// request stays: a full region must not fill the others, and its time is over.
func elsewhere(err error) bool {
	switch problemOf(err).kind {
	case "function-init", "function-crashed", "function-error", "stopping", "backend":
		return true
	}
	return false
}

func (p problem) level() slog.Level {
	if p.status == http.StatusTooManyRequests {
		return slog.LevelWarn
	}
	return slog.LevelError
}

func (g *Gateway) writeError(w http.ResponseWriter, r *http.Request, p problem) {
	if p.status == statusClientGone {
		panic(http.ErrAbortHandler) // nobody is there to read an answer
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set(headerRegion, g.cfg.Region)
	h.Set(headerError, p.kind)
	if p.status == http.StatusTooManyRequests {
		h.Set("Retry-After", "1")
	}
	if p.status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close") // the rest of the body is not wanted
	}
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		json.NewEncoder(w).Encode(map[string]string{
			"message": p.message, "kind": p.kind, "region": g.cfg.Region, "requestId": h.Get(headerRequestID),
		})
	}
}
