package item

import "fmt"

// SyntaxError says that bytes are not JSON, or not the shape of values; the
// wire's SerializationException.
type SyntaxError struct {
	Message string
	// Offset is where in the document, in bytes; -1 if it is about a shape.
	Offset int
}

// Error is the message, with the place if there is one.
func (e *SyntaxError) Error() string {
	if e.Offset < 0 {
		return e.Message
	}
	return fmt.Sprintf("%s at byte %d", e.Message, e.Offset)
}

// InvalidError says that a value is not one that DynamoDB accepts, in its
// words; the wire's ValidationException.
type InvalidError struct {
	Message string
	// Content says that it is about a number or the elements of a set. DynamoDB
	// does not say then where the value stands.
	Content bool
}

// Error is the message.
func (e *InvalidError) Error() string { return e.Message }

func shape(message string) error { return &SyntaxError{Message: message, Offset: -1} }
