package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a spec.
type Error struct {
	File         string
	Line, Column int
	// Path is where in the document it is: "services.api.health.every".
	// Empty for what concerns the file as a whole.
	Path string
	// What is wrong, and what to write instead.
	What, Instead string
	// cause is the system's error, for a file that cannot be read.
	cause error
}

// Unwrap is the system's error, if one is behind it: fs.ErrNotExist for a spec
// that is not there.
func (e Error) Unwrap() error { return e.cause }

func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.What)
	if e.Instead != "" {
		b.WriteString("; " + e.Instead)
	}
	return b.String()
}

// Errors are all mistakes of a file, in its order. Load and Parse return no
// other error.
type Errors []Error

// Error has one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is look through all of them.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// sorted returns the errors by position, without those said twice, and cut
// to errorsMax.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	e = slices.Compact(e)
	if len(e) > errorsMax {
		rest := len(e) - errorsMax
		e = append(e[:errorsMax:errorsMax], Error{
			File: e[0].File, Line: e[errorsMax].Line, Column: e[errorsMax].Column,
			What: fmt.Sprintf("and %d more errors", rest), Instead: "correct the ones above first",
		})
	}
	return e
}
