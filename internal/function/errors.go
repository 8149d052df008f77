package function

import "errors"

// The ways in which a call fails. Returned errors wrap one of these with the
// reason; test with errors.Is.
var (
	// ErrTooManyRequests: all instances are busy and the queue is full, or the
	// call waited in it for QueueWait. The function has not seen the call.
	ErrTooManyRequests = errors.New("too many requests")
	// ErrBusy: a Check found all instances at work. Says nothing of their health.
	ErrBusy = errors.New("function is busy")
	// ErrTimeout: the function was killed at its deadline.
	ErrTimeout = errors.New("function timed out")
	// ErrInit: an instance ended, or reported an error, before it asked for work.
	// The function has not seen the call.
	ErrInit = errors.New("function did not start")
	// ErrCrashed: the instance ended with the call in flight.
	ErrCrashed = errors.New("function crashed")
	// ErrHandler: the function reported an error for the call; the error is a
	// *HandlerError.
	ErrHandler = errors.New("function returned an error")
	// ErrRequestTooLarge and ErrResponseTooLarge: beyond PayloadMax.
	ErrRequestTooLarge  = errors.New("request too large for a function")
	ErrResponseTooLarge = errors.New("response of the function too large")
	// ErrRetired: Retire was called before. The function has not seen the call; the
	// runner that has taken its place will take it.
	ErrRetired = errors.New("function runner is retired")
	// ErrClosed: the runner is ending or has ended.
	ErrClosed = errors.New("function runner is closed")
)

// HandlerError is what a function reported for a call.
type HandlerError struct {
	// Type and Message are the function's errorType and errorMessage; both may be
	// empty.
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// Error implements error.
func (e *HandlerError) Error() string {
	return ErrHandler.Error() + ": " + e.Type + ": " + e.Message
}

// Is makes errors.Is(err, ErrHandler) true.
func (e *HandlerError) Is(target error) bool { return target == ErrHandler }
