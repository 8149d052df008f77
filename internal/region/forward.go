package region

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/store"
)

const (
	// forwardWait is how long a primary is tried that does not answer: longer than
	// a handover takes, shorter than clients wait.
	forwardWait = 8 * time.Second
	// forwardPause lies between two tries.
	forwardPause = 100 * time.Millisecond
)

// forwardHead goes before the body of a forwarded request.
type forwardHead struct {
	Operation string          `json:"operation"`
	Key       access.Key      `json:"key"`
	Host      string          `json:"host,omitempty"`
	ID        store.RequestID `json:"id"`
	// Left is how long the client waits.
	Left time.Duration `json:"left"`
}

// forwardedHead goes before the body of the answer.
type forwardedHead struct {
	Status    int    `json:"status"`
	Code      string `json:"code,omitempty"`
	Elsewhere bool   `json:"elsewhere,omitempty"`
	// Revision is what the answering region knows of control.
	Revision uint64 `json:"revision"`
}

// Forward asks the primary of a table, again and again with one id, until it
// answers, another region is the primary, or nobody waits any more.
func (p *primaries) Forward(ctx context.Context, region string, f dynamo.Forwarded) (dynamo.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardWait)
	defer cancel()
	r := p.region
	for {
		changed := r.appliedSignal.wait()
		deadline, _ := ctx.Deadline()
		head := forwardHead{Operation: f.Operation, Key: f.Key, Host: f.Host, ID: f.ID, Left: time.Until(deadline)}
		reply, err := r.link.Post(ctx, region, postForward, frame(head, f.Body))
		if err == nil {
			var said forwardedHead
			body, err := unframe(reply, &said)
			if err != nil {
				return dynamo.Answer{}, err
			}
			if said.Elsewhere {
				r.agree(ctx, said.Revision)
			}
			return dynamo.Answer{Status: said.Status, Code: said.Code, Body: body, Elsewhere: said.Elsewhere}, nil
		}
		select {
		case <-changed: // perhaps of another primary
			return dynamo.Answer{Elsewhere: true}, nil
		case <-ctx.Done():
			return dynamo.Answer{}, err
		case <-time.After(forwardPause):
		}
	}
}

// agree waits a moment until two regions that contradict each other about a
// primary know the same: this one learns what the other knows, or the other way
// round.
func (r *Region) agree(ctx context.Context, revision uint64) {
	if revision <= r.revision() {
		revision = r.revision() + 1
	}
	ctx, cancel := context.WithTimeout(ctx, forwardPause)
	defer cancel()
	_ = r.awaitRevision(ctx, revision)
}

// handleForward acts on a request that another region has verified.
func (r *Region) handleForward(ctx context.Context, from string, payload []byte) ([]byte, error) {
	d := r.data.Load()
	if d == nil {
		return nil, errors.New("the region is starting")
	}
	var head forwardHead
	body, err := unframe(payload, &head)
	if err != nil {
		return nil, fmt.Errorf("read what %s has forwarded: %w", from, err)
	}
	ctx, cancel := context.WithTimeout(ctx, head.Left)
	defer cancel()
	a := d.tables.Act(ctx, dynamo.Forwarded{Operation: head.Operation, Body: body, Key: head.Key, Host: head.Host, ID: head.ID, From: from})
	return frame(forwardedHead{Status: a.Status, Code: a.Code, Elsewhere: a.Elsewhere, Revision: r.revision()}, a.Body), nil
}

// frame puts a head before a body: its length in four bytes, itself as JSON.
func frame(head any, body []byte) []byte {
	encoded, err := json.Marshal(head)
	if err != nil {
		panic("encode a head: " + err.Error()) // plain structs
	}
	out := make([]byte, 0, 4+len(encoded)+len(body))
	out = binary.BigEndian.AppendUint32(out, uint32(len(encoded)))
	return append(append(out, encoded...), body...)
}

// unframe reads a head and answers the body.
func unframe(message []byte, head any) ([]byte, error) {
	if len(message) < 4 {
		return nil, errors.New("a message without a head")
	}
	n, rest := binary.BigEndian.Uint32(message), message[4:]
	if uint64(n) > uint64(len(rest)) {
		return nil, fmt.Errorf("a head of %d bytes in a message of %d", n, len(message))
	}
	if err := json.Unmarshal(rest[:n], head); err != nil {
		return nil, fmt.Errorf("a malformed head: %w", err)
	}
	return rest[n:], nil
}
