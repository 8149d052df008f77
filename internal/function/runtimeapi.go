package function

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The Runtime API's paths, version 2018-06-01.
const (
	apiPrefix      = "/2018-06-01/runtime/"
	apiNext        = "invocation/next"
	apiInvocation  = "invocation/"
	apiInitError   = "init/error"
	apiErrorMax    = 256 << 10 // bytes of an error report that are read
	apiHeaderMax   = 64 << 10
	apiHeaderDelay = 10 * time.Second
)

func (in *instance) newServer() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(in.serveAPI),
		ReadHeaderTimeout: apiHeaderDelay,
		MaxHeaderBytes:    apiHeaderMax,
		ErrorLog:          slog.NewLogLogger(in.log.Handler(), slog.LevelDebug),
	}
}

func (in *instance) serveAPI(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, apiPrefix)
	if !ok {
		apiError(w, http.StatusNotFound, "InvalidPath", "the runtime API has no "+r.URL.Path)
		return
	}
	if path == apiNext {
		if r.Method != http.MethodGet {
			apiError(w, http.StatusMethodNotAllowed, "InvalidMethod", "ask for the next invocation with GET")
			return
		}
		in.serveNext(w, r)
		return
	}
	if r.Method != http.MethodPost {
		apiError(w, http.StatusMethodNotAllowed, "InvalidMethod", "report with POST")
		return
	}
	if path == apiInitError {
		in.serveInitError(w, r)
		return
	}
	id, what, _ := strings.Cut(strings.TrimPrefix(path, apiInvocation), "/")
	switch what {
	case "response":
		in.serveResponse(w, r, id)
	case "error":
		in.serveError(w, r, id)
	default:
		apiError(w, http.StatusNotFound, "InvalidPath", "the runtime API has no "+r.URL.Path)
	}
}

// serveNext parks the request until there is work.
func (in *instance) serveNext(w http.ResponseWriter, r *http.Request) {
	in.asked()
	select {
	case inv := <-in.work:
		in.hand(w, inv)
	case <-in.gone:
	case <-r.Context().Done():
		// Its connection broke; the work waits for the next request.
	}
}

// asked notes that the process has no work: it has just started, or is done with
// its last call. Asking twice changes nothing.
func (in *instance) asked() {
	in.mu.Lock()
	first, done := !in.ready, in.current
	if !first && (done == nil || len(in.work) > 0) {
		in.mu.Unlock()
		return
	}
	in.ready, in.current = true, nil
	in.watch.Stop()
	if done != nil {
		done.answer(nil, fmt.Errorf("%w: it asked for the next call without answering this one", ErrCrashed))
	}
	in.mu.Unlock()
	if first {
		in.runner.started(in, time.Since(in.began))
	} else {
		in.runner.free(in)
	}
}

func (in *instance) hand(w http.ResponseWriter, inv *invocation) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.Itoa(len(inv.payload))}
	h["Lambda-Runtime-Aws-Request-Id"] = []string{inv.id}
	h["Lambda-Runtime-Deadline-Ms"] = []string{strconv.FormatInt(inv.deadline.UnixMilli(), 10)}
	h["Lambda-Runtime-Invoked-Function-Arn"] = []string{arn(in.runner.cfg)}
	h["Lambda-Runtime-Trace-Id"] = []string{traceID(inv.id, inv.deadline)}
	w.Write(inv.payload) // a process that is gone is noticed by wait
}

// serveResponse takes the response of a call. A streamed one is read to its end.
func (in *instance) serveResponse(w http.ResponseWriter, r *http.Request, id string) {
	body, err := readBounded(w, r, PayloadMax)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		in.answer(id, nil, fmt.Errorf("%w: more than %d bytes", ErrResponseTooLarge, PayloadMax))
		apiError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the response is larger than "+strconv.Itoa(PayloadMax)+" bytes")
		return
	}
	if err != nil {
		return // the connection broke; the process may report again
	}
	// A streamed response tells of an error on its way in a trailer.
	if kind := r.Trailer.Get("Lambda-Runtime-Function-Error-Type"); kind != "" {
		in.reported(w, id, &HandlerError{Type: kind, Message: "the response broke off"})
		return
	}
	if !in.answer(id, body, nil) {
		unknownInvocation(w, id)
		return
	}
	accepted(w)
}

// serveError takes a function's report that a call failed.
func (in *instance) serveError(w http.ResponseWriter, r *http.Request, id string) {
	in.reported(w, id, readReport(w, r))
}

func (in *instance) reported(w http.ResponseWriter, id string, report *HandlerError) {
	if !in.answer(id, nil, report) {
		unknownInvocation(w, id)
		return
	}
	in.log.Error("function returned an error", "request", id, "type", report.Type, "message", report.Message)
	accepted(w)
}

// serveInitError takes a function's report that it cannot start, and ends it.
func (in *instance) serveInitError(w http.ResponseWriter, r *http.Request) {
	report := readReport(w, r)
	accepted(w)
	in.mu.Lock()
	ready := in.ready
	in.mu.Unlock()
	if !ready {
		in.end(fmt.Errorf("%w: %s: %s", ErrInit, report.Type, report.Message))
	}
}

// answer gives the call its outcome; false says that id is not in flight.
func (in *instance) answer(id string, response []byte, err error) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.current == nil || in.current.id != id || in.current.answered {
		return false
	}
	// First, so that a caller who comes back at once finds it about to be free.
	in.runner.answered(in)
	in.current.answer(response, err)
	return true
}

// readReport reads an error report; one that is no JSON becomes the message.
func readReport(w http.ResponseWriter, r *http.Request) *HandlerError {
	report := &HandlerError{}
	body, err := readBounded(w, r, apiErrorMax)
	if err != nil {
		report.Message = "its error report could not be read: " + err.Error()
	} else if json.Unmarshal(body, report) != nil {
		report.Message = string(body)
	}
	if report.Type == "" {
		report.Type = r.Header.Get("Lambda-Runtime-Function-Error-Type")
	}
	return report
}

func readBounded(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body := http.MaxBytesReader(w, r.Body, limit)
	if n := r.ContentLength; n >= 0 && n <= limit {
		whole := make([]byte, n)
		_, err := io.ReadFull(body, whole)
		return whole, err
	}
	return io.ReadAll(body)
}

func accepted(w http.ResponseWriter) {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`)
}

func unknownInvocation(w http.ResponseWriter, id string) {
	apiError(w, http.StatusBadRequest, "InvalidRequestID", "no call "+id+" is in flight")
}

func apiError(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(HandlerError{Type: kind, Message: message})
}
