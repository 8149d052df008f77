package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

// The exit codes; exitText is their text in `meridian help`.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitNotFound    = 4
	exitStatus      = 5
)

const exitText = `  0  it worked
  1  it did not work: a spec with errors, a refused change, a start that failed
  2  the command line is wrong
  3  no world found, or none of its regions answered
  4  there is no such region, service, name or file
  5  request: the service answered with status 400 or above`

// usageError is a wrong command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// statusError ends request with exitStatus; what to say has been said.
type statusError struct{}

func (statusError) Error() string { return "" }

// message is what a person is told of an error. The errors of a spec begin with
// file and line, so that editors find them.
func message(err error) string {
	var mistakes spec.Errors
	if errors.As(err, &mistakes) {
		return fmt.Sprintf("%v\n%s; nothing was started or changed", err, count(len(mistakes), "error"))
	}
	return "meridian: " + err.Error()
}

// exitCode maps every error to its exit code, here and nowhere else.
func exitCode(err error) int {
	var (
		usage       *usageError
		unreachable *client.UnreachableError
		refused     *client.Error
	)
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &unreachable), errors.Is(err, client.ErrNoContext):
		return exitUnreachable
	case errors.As(err, &refused) && refused.Code == client.CodeNotFound, errors.Is(err, fs.ErrNotExist):
		return exitNotFound
	case errors.As(err, new(statusError)):
		return exitStatus
	}
	return exitFailed
}
