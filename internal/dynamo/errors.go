package dynamo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/dynamo/partiql"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/sigv4"
	"github.com/meridian-run/meridian/internal/store"
)

// Namespaces of AWS's error types.
const (
	service  = "com.amazon.coral.service#"
	validate = "com.amazon.coral.validate#"
	database = "com.amazonaws.dynamodb.v20120810#"
)

// apiError is an error as the wire has it.
type apiError struct {
	status  int
	kind    string // with its namespace
	message string
	item    item.Item // of a failed condition, if asked for
	// whole says that it is an error of the whole request, where it is met in one
	// action of a transaction.
	whole bool
	// reasons are those of a cancelled transaction, by action; nil is none.
	reasons []*apiError
}

// Error is the name and the message.
func (e *apiError) Error() string { return e.code() + ": " + e.message }

// code is the error's name without its namespace.
func (e *apiError) code() string { return e.kind[strings.IndexByte(e.kind, '#')+1:] }

func (e *apiError) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"__type":`...)
	dst = item.AppendQuoted(dst, e.kind)
	if e.reasons != nil {
		dst = appendReasons(append(dst, `,"CancellationReasons":`...), e.reasons)
	}
	name := `,"message":`
	switch e.code() {
	case "SerializationException", "TransactionCanceledException", "IdempotentParameterMismatchException":
		name = `,"Message":` // AWS's spelling for these
	}
	if e.message != "" {
		dst = append(dst, name...)
		dst = item.AppendQuoted(dst, e.message)
	}
	if e.item != nil {
		dst = append(dst, `,"Item":`...)
		dst = e.item.AppendJSON(dst)
	}
	return append(dst, '}')
}

var (
	errUnknownOperation = &apiError{status: http.StatusBadRequest, kind: service + "UnknownOperationException"}
	errTooLarge         = &apiError{status: http.StatusRequestEntityTooLarge, kind: service + "RequestEntityTooLargeException", message: "Request is larger than 16 MB"}
	errBroken           = &apiError{status: http.StatusBadRequest, kind: service + "SerializationException", message: "The request's body ended early"}
	errDuplicate        = &apiError{status: http.StatusBadRequest, kind: database + "DuplicateItemException", message: "Duplicate primary key exists in table"}
	errNotFound         = &apiError{status: http.StatusBadRequest, kind: database + "ResourceNotFoundException", message: "Requested resource not found"}
)

func invalid(format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, kind: validate + "ValidationException", message: fmt.Sprintf(format, args...)}
}

// invalidValues is invalid with the words that most of AWS's begin with.
func invalidValues(format string, args ...any) error {
	return invalid("One or more parameter values were invalid: "+format, args...)
}

// shape refuses JSON of another form than the parameter has.
func shape() error { return &item.SyntaxError{Message: "Unexpected field type", Offset: -1} }

// refusal is an error of the service's own, by its name.
func refusal(name, format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, kind: database + name, message: fmt.Sprintf(format, args...)}
}

func noTable(name string) error {
	return missing("Requested resource not found: Table: %s not found", name)
}

func missing(format string, args ...any) error {
	return refusal("ResourceNotFoundException", format, args...)
}

func inUse(format string, args ...any) error {
	return refusal("ResourceInUseException", format, args...)
}

// conditionFailed is the answer to a condition that does not hold; old goes with
// it if it was asked for.
func conditionFailed(old item.Item) error {
	return &apiError{status: http.StatusBadRequest, kind: database + "ConditionalCheckFailedException", message: "The conditional request failed", item: old}
}

func (c *call) denied(resource string) error {
	name := c.key.Name
	if name == "" {
		name = c.key.ID
	}
	return &apiError{
		status: http.StatusBadRequest,
		kind:   service + "AccessDeniedException",
		message: fmt.Sprintf("User: arn:aws:iam::%s:user/%s is not authorized to perform: dynamodb:%s on resource: %s because no identity-based policy allows the dynamodb:%s action",
			account, name, c.operation, c.server.arn(resource), c.operation),
	}
}

// hint is appended to AWS's message for an unknown key: in this world that means
// that the client has AWS's keys, or another world's.
const hint = " This endpoint is Meridian's, not AWS's: run `meridian env %s` and use the keys it prints."

// wire turns any error into the protocol's. What nobody foresaw is an internal
// error outside and a full line in the log inside.
func (s *Server) wire(ctx context.Context, id, operation string, err error) *apiError {
	if known := s.known(err); known != nil {
		return known
	}
	return s.failure(ctx, id, operation, err)
}

// known is an error that was foreseen; nil is any other.
func (s *Server) known(err error) *apiError {
	var api *apiError
	var wrong *item.InvalidError
	var expression *expr.Error
	var statement *partiql.Error
	var syntax *item.SyntaxError
	var signature *sigv4.Error
	bad := func(kind, message string) *apiError {
		return &apiError{status: http.StatusBadRequest, kind: kind, message: message}
	}
	switch {
	case errors.As(err, &api):
		return api
	case errors.As(err, &wrong):
		return bad(validate+"ValidationException", wrong.Message)
	case errors.As(err, &expression):
		return bad(validate+"ValidationException", expression.Message)
	case errors.As(err, &statement):
		return bad(validate+"ValidationException", statement.Message)
	case errors.As(err, &syntax):
		return bad(service+"SerializationException", syntax.Error())
	case errors.As(err, &signature):
		if signature.Reason == sigv4.UnknownKey {
			return bad(service+string(signature.Reason), signature.Message+fmt.Sprintf(hint, s.config.Region))
		}
		return bad(service+string(signature.Reason), signature.Message)
	case errors.Is(err, ErrTableExists):
		return bad(database+"ResourceInUseException", err.Error())
	case errors.Is(err, ErrTableUnknown), errors.Is(err, store.ErrNoTable):
		return errNotFound
	case errors.Is(err, ErrTableRefused):
		return bad(validate+"ValidationException", err.Error())
	}
	return nil
}

// mistaken reports whether an error is one that is found when a request is looked
// at, before it does anything.
func mistaken(err error) bool {
	var api *apiError
	var wrong *item.InvalidError
	var expression *expr.Error
	return errors.As(err, &wrong) || errors.As(err, &expression) ||
		errors.As(err, &api) && (api.code() == "ValidationException" || api.code() == "ResourceNotFoundException")
}

// failure is an error that is not the client's mistake.
func (s *Server) failure(ctx context.Context, id, operation string, err error) *apiError {
	answer := &apiError{status: http.StatusInternalServerError, kind: database + "InternalServerError", message: "Internal server error"}
	switch {
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return answer // the client is gone
	case errors.Is(err, errPanicked):
		return answer // the log has it
	case errors.Is(err, ErrUnavailable):
		answer.message = err.Error()
	case errors.Is(err, kv.ErrFrozen), errors.Is(err, kv.ErrClosed):
		answer.message = "The storage of this region does not take writes at the moment"
	}
	s.config.Log.Error("table request failed", "operation", operation, "request", id, "error", err)
	return answer
}
