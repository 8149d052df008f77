package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

const (
	// timeoutOpen bounds the opening of a stream and the wait for the Welcome.
	timeoutOpen = 10 * time.Second
	// inboundMax bounds the messages read ahead of the one being applied; the
	// window bounds their bytes.
	inboundMax = 1024
)

var errSilent = errors.New("it has said nothing for too long")

// pull keeps pulling from a peer until ctx ends.
func (r *Replica) pull(ctx context.Context, p *peer) {
	failures := 0
	for {
		answered, err := r.pullOnce(ctx, p)
		if ctx.Err() != nil {
			r.disconnected(p, ctx.Err())
			return
		}
		again := r.disconnected(p, err)
		if answered {
			failures = 0
		}
		if again {
			continue
		}
		failures++
		if !sleep(ctx, r.backoff(failures)) {
			return
		}
	}
}

func (r *Replica) backoff(failures int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return replicate.Backoff(failures, r.rand)
}

// sleep answers false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// inbound is a message on its way from a stream to the one who applies.
type inbound struct {
	message replicate.Message
	size    int
	err     error
}

// pullOnce pulls over one stream until it ends; answered says that the peer took
// us in.
func (r *Replica) pullOnce(ctx context.Context, p *peer) (answered bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config, err := r.begin(p, cancel)
	if err != nil {
		return false, err
	}
	openCtx, opened := context.WithTimeout(ctx, timeoutOpen)
	defer opened()
	stream, err := r.config.Open(openCtx, p.Name)
	if err != nil {
		return false, err
	}
	messages := make(chan inbound, inboundMax)
	done := make(chan struct{})
	defer func() {
		cancel()
		stream.Close()
		<-done
	}()
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	go func() {
		defer close(done)
		receive(ctx, stream, messages)
	}()
	a := &applier{
		replica: r, peer: p, stream: stream, messages: messages,
		receiver: replicate.NewReceiver(config),
	}
	if err := stream.Send(replicate.Append(nil, a.receiver.Hello())); err != nil {
		return false, err
	}
	err = a.run(ctx)
	return a.welcomed, err
}

// begin notes that a pull begins, with the way to restart it.
func (r *Replica) begin(p *peer, restart context.CancelFunc) (replicate.ReceiverConfig, error) {
	cursor, _ := r.config.Store.Cursor(p.ID)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.control.Revision == 0 {
		return replicate.ReceiverConfig{}, errors.New("the control state is not known yet")
	}
	p.restart = restart
	p.heard, p.live = false, false
	p.scanBegins(r.copying)
	if p.sourceAt.IsZero() && cursor.Sequence > 0 {
		p.sourceAt = cursor.Version.Time.Wall()
	}
	return replicate.ReceiverConfig{
		World: r.config.World, Region: r.config.Region, ID: r.self,
		Peer: p.Name, PeerID: p.ID,
		Cursor: replicate.Cursor(cursor), Resend: p.scanning, Revision: r.control.Revision,
	}, nil
}

// receive parses messages until the stream ends; it waits while the channel is
// full.
func receive(ctx context.Context, stream Stream, to chan<- inbound) {
	for {
		raw, err := stream.Receive()
		in := inbound{size: len(raw), err: err}
		if err == nil {
			in.message, in.err = replicate.Parse(raw)
		}
		select {
		case to <- in:
		case <-ctx.Done():
			return
		}
		if in.err != nil {
			return
		}
	}
}

// connected notes that a peer took us in.
func (r *Replica) connected(p *peer) {
	r.mu.Lock()
	news := p.begun(r.config.Now())
	r.mu.Unlock()
	if news {
		r.tellConnected(p)
	}
}

func (r *Replica) tellConnected(p *peer) {
	if r.config.Events.Connected != nil {
		r.config.Events.Connected(p.Name)
	}
}

// connectedReason stands for "no reason"; the empty string for "nothing said".
const connectedReason = "connected"

// disconnected notes why a pull ended, and answers whether to try again at once:
// when the remedy is a resend.
func (r *Replica) disconnected(p *peer, err error) (again bool) {
	r.mu.Lock()
	was := p.connected
	p.restart = nil
	p.err = err
	var refused *replicate.Refuse
	resend := errors.As(err, &refused) && refused.Resend() && p.resend == ""
	if resend {
		p.resend = refused.Error()
	}
	again = resend || p.resend != "" && !p.scanning
	why := p.resend
	if was {
		now := r.config.Now()
		if !again {
			p.ended(now)
		}
		p.connected, p.since = false, now
	}
	news := !again && p.told(reason(err))
	r.mu.Unlock()
	if again && r.config.Events.Resend != nil {
		r.config.Events.Resend(p.Name, why)
	}
	if news && !errors.Is(err, context.Canceled) && r.config.Events.Disconnected != nil {
		r.config.Events.Disconnected(p.Name, err)
	}
	return again
}

// reason sorts errors, so that each kind is told once and not once for each
// local port. Why a peer cannot be reached is the link's to tell.
func reason(err error) string {
	var refused *replicate.Refuse
	switch {
	case errors.As(err, &refused):
		return refused.Reason.String()
	case errors.Is(err, replicate.ErrOutOfTurn) || errors.Is(err, replicate.ErrMalformed):
		return "protocol"
	case errors.Is(err, kv.ErrFrozen):
		return "own storage"
	}
	return "unreachable"
}

// ended turns a stream's orderly end into an error that says so.
func ended(err error) error {
	if err == io.EOF {
		return errors.New("it ended the stream")
	}
	return err
}

func storeCursor(c replicate.Cursor) store.Cursor { return store.Cursor(c) }

// needRevision says what a frame waits for that no control state has brought.
func needRevision(have, need uint64) error {
	return fmt.Errorf("a frame needs control revision %d, this region has %d", need, have)
}
