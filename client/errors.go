package client

import (
	"fmt"
	"strings"
)

// Code says what kind of error a region answered.
type Code string

// The codes, with the HTTP status that each one travels with.
const (
	CodeInvalid      Code = "invalid"      // 400: the request or spec is wrong
	CodeUnauthorized Code = "unauthorized" // 401: no token, or not this world's
	CodeNotFound     Code = "not-found"    // 404: no such region, service, name
	CodeConflict     Code = "conflict"     // 409: something else was first, or it is so already
	CodeUnavailable  Code = "unavailable"  // 503: no quorum, or not ready
	CodeUncertain    Code = "uncertain"    // 504: the change was made or not, and may still be
	CodeInternal     Code = "internal"     // 500: a defect; the region's log says more
)

// Error is an error that a region answered. Its message says what to do next.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"error"`
	// Region answered it.
	Region string `json:"region,omitempty"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// UnreachableError says that no region answered.
type UnreachableError struct {
	World    string
	Attempts []Attempt
}

// Attempt is a region that was tried, and what came of it.
type Attempt struct {
	Region string
	URL    string
	Err    error
}

// Error lists every region that was tried.
func (e *UnreachableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no region of world %q answered", e.World)
	for _, a := range e.Attempts {
		fmt.Fprintf(&b, "\n  %s at %s: %v", a.Region, a.URL, a.Err)
	}
	return b.String()
}

// Unwrap returns the attempts' errors.
func (e *UnreachableError) Unwrap() []error {
	errs := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		errs[i] = a.Err
	}
	return errs
}

// unansweredError is what went wrong after a region had been sent a request.
type unansweredError struct{ err error }

func (e *unansweredError) Error() string { return e.err.Error() }
func (e *unansweredError) Unwrap() error { return e.err }
