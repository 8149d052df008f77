package dynamo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/store"
)

// forwardMax bounds the body of a request that is passed on: below what a link
// carries. BatchWriteItem alone can be larger.
const forwardMax = 15 << 20

// What AWS SDKs tell of their retries: a name that all tries of one call share,
// and when the caller gives up.
const (
	headerInvocation = "Amz-Sdk-Invocation-Id"
	headerTry        = "Amz-Sdk-Request" // "ttl=20260501T120000Z; attempt=2; max=3"
	ttlLayout        = "20060102T150405Z"
)

// retries reads what the client tells of its retries.
func (c *call) retries(h http.Header) {
	c.invocation = h.Get(headerInvocation)
	for part := range strings.SplitSeq(h.Get(headerTry), ";") {
		if text, is := strings.CutPrefix(strings.TrimSpace(part), "ttl="); is {
			if at, err := time.Parse(ttlLayout, text); err == nil {
				c.deadline = at
			}
		}
	}
}

// name gives the request the id that its retries have too, and no other request
// of this or any other caller. Without an invocation's name only the tries that
// this region makes are known as such.
func (c *call) name() (id store.RequestID) {
	invocation := c.invocation
	if invocation == "" {
		invocation = rand.Text()
	}
	h := sha256.New()
	for _, part := range []string{c.key.ID, invocation, c.operation, string(c.body)} {
		h.Write([]byte{byte(len(part)), byte(len(part) >> 8), byte(len(part) >> 16), byte(len(part) >> 24)})
		h.Write([]byte(part))
	}
	copy(id[:], h.Sum(nil))
	return id
}

// named reports whether the request has the id of its retries. A region that
// passes requests on gives one to each; of those that come directly to the
// primary, the ones have it whose caller names its invocations.
func (c *call) named() bool {
	if c.id == (store.RequestID{}) && c.invocation != "" {
		c.id = c.name()
	}
	return c.id != (store.RequestID{})
}

// forward passes the request on to the primary, and its answer back.
func (c *call) forward(ctx context.Context, w who) error {
	if !c.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.deadline)
		defer cancel()
	}
	if c.id == (store.RequestID{}) {
		c.id = c.name()
	}
	f := Forwarded{Operation: c.operation, Body: c.body, Key: c.key, Host: c.host, ID: c.id}
	f.Key.Secret = ""
	if len(f.Body) > forwardMax {
		return invalid("The request has %d bytes, and only %s serves table %s: at most %d bytes are passed on to it, send larger ones there", len(f.Body), w.region, w.tables[0].Name, forwardMax)
	}
	c.unburden()
	a, err := c.server.config.Primaries.Forward(ctx, w.region, f)
	switch {
	case err != nil:
		return unavailable("Table %s is served by its primary %s, which cannot be asked from %s: %s. Try again; if %[2]s is lost, move the table: meridian promote %[1]s --to REGION --force",
			w.tables[0].Name, w.region, c.server.config.Region, err)
	case a.Elsewhere:
		return store.ErrElsewhere
	case a.Status != http.StatusOK:
		return (*answered)(&a)
	}
	c.out = append(c.out[:0], a.Body...)
	return nil
}

// Act answers a request that another region has verified and passed on, if this
// one is the primary of its tables.
func (s *Server) Act(ctx context.Context, f Forwarded) Answer {
	start := s.config.Now()
	c := s.calls.Get().(*call)
	defer s.release(c)
	c.operation, c.key, c.host, c.out = f.Operation, f.Key, f.Host, c.out[:0]
	c.body = append(c.body[:0], f.Body...)
	c.from, c.id = f.From, f.ID
	request, err := s.config.NewRequestID(), error(errUnknownOperation)
	if op, known := operations[f.Operation]; known {
		err = c.safely(request, func() error { return c.run(ctx, op) })
	}
	a := Answer{Status: http.StatusOK, Elsewhere: errors.Is(err, store.ErrElsewhere)}
	if err != nil && !a.Elsewhere {
		a.Status, a.Code = c.refuse(ctx, request, err)
	}
	a.Body = append([]byte(nil), c.out...)
	if s.config.Events.Request != nil && !a.Elsewhere {
		s.config.Events.Request(c.operation, a.Code, s.config.Now().Sub(start))
	}
	return a
}
