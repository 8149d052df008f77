package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
)

// Accept answers the session for a stream that a peer has opened. peer is who the
// link has proven the other end to be. A newer stream of the same peer and kind
// ends an older one.
func (r *Replica) Accept(peer string) Session { return &acceptor{replica: r, peer: peer} }

// acceptor waits for a Hello, and from then on is the session that it asks for.
type acceptor struct {
	replica *Replica
	peer    string
	until   time.Time // when patience ends
	serving ender
}

var _ ender = (*acceptor)(nil)

// Step implements Session.
func (a *acceptor) Step(now time.Time, in [][]byte) (Out, error) {
	if a.serving != nil {
		return a.serving.Step(now, in)
	}
	if len(in) == 0 {
		return a.patience(now)
	}
	welcome, err := a.greet(in[0], now)
	if err != nil {
		return refused(err), err
	}
	out, err := a.serving.Step(now, in[1:])
	out.Send = append([][]byte{welcome}, out.Send...)
	return out, err
}

func (a *acceptor) patience(now time.Time) (Out, error) {
	if a.until.IsZero() {
		a.until = now.Add(timeoutOpen)
	}
	if !now.Before(a.until) {
		return Out{}, errors.New("wait for its hello: it has said nothing for too long")
	}
	return Out{Until: a.until}, nil
}

// greet judges a Hello and answers the Welcome to send.
func (a *acceptor) greet(raw []byte, now time.Time) (welcome []byte, err error) {
	m, err := replicate.Parse(raw)
	if err != nil {
		return nil, &replicate.Refuse{Reason: replicate.RefusedMalformed, Text: err.Error()}
	}
	hello, ok := m.(*replicate.Hello)
	if !ok {
		return nil, malformed("a stream begins with a Hello, not with %T", m)
	}
	var answer *replicate.Welcome
	switch hello.Kind {
	case replicate.KindLog, replicate.KindResend, replicate.KindEnd:
		a.serving, answer, err = a.replica.newSender(a.peer, hello, now)
	case replicate.KindRelay, replicate.KindCopy, replicate.KindTail:
		a.serving, answer, err = a.replica.newGiver(a.peer, hello, now)
	default:
		err = malformed("streams of kind %v are not served", hello.Kind)
	}
	if err != nil {
		a.serving = nil
		return nil, err
	}
	return replicate.Append(nil, answer), nil
}

// ended implements ender.
func (a *acceptor) ended(err error, now time.Time) end {
	if a.serving == nil {
		return end{}
	}
	return a.serving.ended(err, now)
}

// refused is the last message of a session that ends with a refusal of ours.
func refused(err error) Out {
	var refuse *replicate.Refuse
	if !errors.As(err, &refuse) {
		return Out{}
	}
	return Out{Send: [][]byte{replicate.Append(nil, refuse)}}
}

func malformed(format string, args ...any) error {
	return &replicate.Refuse{Reason: replicate.RefusedMalformed, Text: fmt.Sprintf(format, args...)}
}
