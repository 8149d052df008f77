package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
)

// inboundMax bounds the messages that are read ahead of the session, the window of
// its source their bytes.
const inboundMax = 256

// Run drives the replica in production: it steps it, opens the streams that it
// wants and drives their sessions, until ctx ends; it waits for all of it.
func (r *Replica) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		changed := r.Changed()
		work := r.Step(r.config.Now())
		for _, d := range work.Dial {
			running.Go(func() { r.dial(ctx, d) })
		}
		if !r.rest(ctx, Out{Durable: work.Durable, Until: work.Until}, changed, &running) {
			return nil
		}
	}
}

// rest waits for what a step of the region asked for; false once ctx has ended. A
// sync that hangs does not hold up the rest.
func (r *Replica) rest(ctx context.Context, out Out, changed <-chan struct{}, running *sync.WaitGroup) bool {
	var durable chan struct{}
	if out.Durable > 0 {
		durable = make(chan struct{})
		running.Go(func() {
			defer close(durable)
			_ = r.config.Store.WaitDurable(ctx, out.Durable) // the step sees what came of it
		})
	}
	due, stop := r.timer(out.Until)
	defer stop()
	select {
	case <-durable:
	case <-changed:
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

// timer answers a channel that tells when a moment has come; nil, which never
// does, for the zero time.
func (r *Replica) timer(until time.Time) (<-chan time.Time, func() bool) {
	if until.IsZero() {
		return nil, func() bool { return true }
	}
	t := time.NewTimer(until.Sub(r.config.Now()))
	return t.C, t.Stop
}

// dial opens a stream and drives its session until it ends.
func (r *Replica) dial(ctx context.Context, d Dial) {
	open, opened := context.WithTimeout(ctx, timeoutOpen)
	defer opened()
	stream, err := r.config.Open(open, d.Peer)
	if err != nil {
		r.DialFailed(d, errors.Join(ctx.Err(), err), r.config.Now())
		return
	}
	s, err := r.Dialed(d, r.config.Now())
	if err != nil {
		stream.Close()
		return
	}
	_ = r.drive(ctx, s, stream) // Ended has taken note
}

// Serve serves our log to a peer over a stream until ctx or the stream ends.
// peer is who the link has proven the other end to be. A newer stream of the
// same peer ends an older one. A refusal is an end in good order.
func (r *Replica) Serve(ctx context.Context, peer string, stream Stream) error {
	err := r.drive(ctx, r.Accept(peer), stream)
	var refused *replicate.Refuse
	if err == nil || errors.As(err, &refused) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", peer, err)
}

// drive steps a session over a stream until either ends, and closes the stream.
func (r *Replica) drive(ctx context.Context, s Session, stream Stream) error {
	ctx, cancel := context.WithCancel(ctx)
	w := &wire{replica: r, stream: stream, inbox: make(chan received, inboundMax)}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	go func() {
		defer close(done)
		w.receive(ctx)
	}()
	err := w.run(ctx, s)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	cancel()
	stop()
	stream.Close()
	<-done
	r.Ended(s, err, r.config.Now())
	return err
}

// wire is a stream that is read by a goroutine of its own.
type wire struct {
	replica *Replica
	stream  Stream
	inbox   chan received
}

type received struct {
	message []byte
	err     error
}

// receive reads messages until the stream ends; it waits while the inbox is full.
func (w *wire) receive(ctx context.Context) {
	for {
		raw, err := w.stream.Receive()
		select {
		case w.inbox <- received{raw, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// run steps the session until it or the stream ends.
func (w *wire) run(ctx context.Context, s Session) error {
	var in [][]byte
	for {
		changed, appended := w.replica.Changed(), w.replica.config.Store.Appended()
		out, err := s.Step(w.replica.config.Now(), in)
		for _, m := range out.Send {
			if sent := w.stream.Send(m); sent != nil {
				return errors.Join(err, sent)
			}
		}
		if err != nil || out.Finished {
			return err
		}
		if !out.Appended {
			appended = nil
		}
		if in, err = w.wait(ctx, out, changed, appended); err != nil {
			return err
		}
	}
}

// wait waits for what a step asked for and answers the messages that came. An
// error is the end of the stream or of ctx, after the last message. What waits for
// durability is finished before the end of the stream is looked at.
func (w *wire) wait(ctx context.Context, out Out, changed, appended <-chan struct{}) ([][]byte, error) {
	switch {
	case out.Again:
		return w.more(nil)
	case out.Durable > 0:
		_ = w.replica.config.Store.WaitDurable(ctx, out.Durable) // the step sees what came of it
		return nil, ctx.Err()
	}
	due, stop := w.replica.timer(out.Until)
	defer stop()
	select {
	case first := <-w.inbox:
		if first.err != nil {
			return nil, orderly(first.err)
		}
		return w.more([][]byte{first.message})
	case <-changed:
	case <-appended:
	case <-due:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return w.more(nil)
}

// more adds the messages that are here by now.
func (w *wire) more(in [][]byte) ([][]byte, error) {
	for len(in) < inboundMax {
		select {
		case next := <-w.inbox:
			if next.err != nil && len(in) > 0 { // the messages first
				w.inbox <- next
				return in, nil
			}
			if next.err != nil {
				return nil, orderly(next.err)
			}
			in = append(in, next.message)
		default:
			return in, nil
		}
	}
	return in, nil
}

// orderly turns a stream's orderly end into an error that says so.
func orderly(err error) error {
	if err == io.EOF {
		return errors.New("it ended the stream")
	}
	return err
}
