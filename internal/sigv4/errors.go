package sigv4

// Reason is why a request was refused, by the name of AWS's error.
type Reason string

// The reasons.
const (
	MissingToken     Reason = "MissingAuthenticationTokenException"
	Incomplete       Reason = "IncompleteSignatureException"
	InvalidSignature Reason = "InvalidSignatureException"
	UnknownKey       Reason = "UnrecognizedClientException"
)

// Error says why a request was refused, in AWS's words.
type Error struct {
	Reason  Reason
	Message string
}

// Error is the reason and the message.
func (e *Error) Error() string { return string(e.Reason) + ": " + e.Message }

// Unsigned reports whether a request was refused because it has no signature.
func Unsigned(err error) bool {
	e, is := err.(*Error)
	return is && e == errMissing
}

func incomplete(message string) error { return &Error{Incomplete, message} }
func invalid(message string) error    { return &Error{InvalidSignature, message} }

var (
	errMissing  = &Error{MissingToken, "Request is missing Authentication Token"}
	errUnknown  = &Error{UnknownKey, "The security token included in the request is invalid."}
	errMismatch = &Error{InvalidSignature, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
	errBoth     = &Error{InvalidSignature, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."}
	errTwice    = &Error{Incomplete, "A parameter of the authorization is there more than once."}
	errUnsigned = &Error{InvalidSignature, "There were headers present in the request which were not signed: x-amz-target"}
	errTooLong  = &Error{Incomplete, "The authorization is longer than any signer makes it."}
)
