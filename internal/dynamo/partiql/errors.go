package partiql

import "fmt"

// Error is a mistake in a statement, in AWS's words; the wire's
// ValidationException.
type Error struct {
	Message string
	// At is where the mistake is, also where AWS's words do not say it.
	At Place
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Place is a part of a statement, in characters: the first line and column are 1.
type Place struct{ Line, Column, Length int }

// String is the place as AWS's messages have it.
func (p Place) String() string { return fmt.Sprintf("%d:%d:%d", p.Line, p.Column, p.Length) }

// Details of statements that are not well formed, in the words of AWS's parser.
const (
	expectedStatement = "Expected data manipulation"
	expectedPath      = "Expected identifier for simple path"
	expectedType      = "Expected type name"
	unexpectedTerm    = "Unexpected term"
	unexpectedKeyword = "Unexpected keyword"
	unexpectedSign    = "Unexpected operator"
	leftOver          = "Unexpected token after expression"
	missingOperand    = "Missing right-hand side expression of infix operator"
	wrongComponent    = "Invalid path dot component"
)

// malformed stops parsing: the statement is not well formed. AWS's lexer gives
// no detail.
func malformed(at Place, detail string) {
	panic(&Error{Message: "Statement wasn't well formed, can't be processed: " + detail, At: at})
}

// refuse stops parsing a statement that AWS's parser reads and DynamoDB does not
// take.
func refuse(at Place, format string, args ...any) {
	panic(refusal(at, format, args...))
}

func refusal(at Place, format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...), At: at}
}

// caught turns what malformed and refuse throw into an error.
func caught(err *error) {
	switch thrown := recover().(type) {
	case nil:
	case *Error:
		*err = thrown
	default:
		panic(thrown)
	}
}
