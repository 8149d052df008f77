package dynamo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"net/http"
	"slices"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/store"
)

var clientToken = parameter{name: "ClientRequestToken", min: 1, max: 36}

// token is the name by which its caller makes a transaction have effect once.
func (c *call) token() string { return c.text(clientToken.name) }

// memory is what remembers requests.
type memory interface {
	Begin(ctx context.Context, id store.RequestID) (*store.Remembering, []byte, error)
}

// beginToken reports whether a transaction with the same token was done before. If
// not, its token is remembered with its effect, and endToken is to be called. The
// same token with another request is an error. While one with the token is under
// way, others wait for it.
func (c *call) beginToken(ctx context.Context, actions []action) (done bool, err error) {
	token := c.token()
	if token == "" {
		return false, nil
	}
	memory, err := c.tokens(actions)
	if err != nil {
		return false, err
	}
	id := sha256.Sum256([]byte("token " + token))
	remembering, was, err := memory.Begin(ctx, store.RequestID(id[:16]))
	if err != nil {
		return false, err
	}
	now := c.fingerprint()
	if remembering != nil {
		c.remembering, c.print = remembering, now
		return false, nil
	}
	if !bytes.Equal(was, now) {
		return false, &apiError{
			status: http.StatusBadRequest, kind: database + "IdempotentParameterMismatchException",
			message: "The request was retried with a different payload, but with an idempotent token that was already used",
		}
	}
	return true, nil
}

func (c *call) endToken() {
	if c.print != nil {
		c.remembering.End()
		c.remembering, c.print = nil, nil
	}
}

// tokens is what remembers a transaction's token: of tables with a primary, what
// goes where their writes go, so that a new primary knows it; of all others, this
// region.
func (c *call) tokens(actions []action) (memory, error) {
	if c.server.config.Primaries != nil {
		for _, a := range actions {
			if a.table.Primary != "" {
				return c.server.config.Primaries.Memory(a.table)
			}
		}
	}
	return c.server.config.Store.Tokens(), nil
}

// fingerprint is the same for the same transaction only, however its client orders
// the members of objects.
func (c *call) fingerprint() []byte {
	h := sha256.New()
	h.Write([]byte(c.operation))
	for _, name := range []string{"TransactItems", "TransactStatements"} {
		h.Write(appendCanonical(nil, c.request.Get(name)))
	}
	return h.Sum(nil)
}

// appendCanonical appends JSON with the members of objects in order.
func appendCanonical(dst []byte, n item.Node) []byte {
	dst = append(dst, byte('0'+n.Form()))
	switch n.Form() {
	case item.Object, item.Array:
	default:
		return item.AppendQuoted(dst, n.Text())
	}
	children := make([]item.Node, 0, n.Len())
	for child, ok := n.First(); ok; child, ok = child.Next() {
		children = append(children, child)
	}
	if n.Form() == item.Object {
		slices.SortStableFunc(children, func(a, b item.Node) int { return cmp.Compare(a.Key(), b.Key()) })
	}
	for _, child := range children {
		dst = appendCanonical(item.AppendQuoted(dst, child.Key()), child)
	}
	return append(dst, 'e')
}
