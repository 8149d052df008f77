package replica

import (
	"errors"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
)

// link is a stream that this region wants to have, over all its attempts;
// Replica.mu guards it.
type link struct {
	dial     Dial
	dialing  bool
	session  ender // nil while there is none
	failures int   // in a row
	at       time.Time
}

var errUnwanted = errors.New("it is not wanted any more")

// wanted lists the streams that this region wants to have, in a fixed order: a pull
// from every peer (which asks for a resend where one is due), relays of those that
// are gone, copies of tables. It answers when that changes by itself. The caller
// holds mu.
func (r *Replica) wanted(now time.Time) (list []Dial, until time.Time) {
	list = make([]Dial, 0, len(r.control.Peers))
	for _, p := range r.control.Peers {
		list = append(list, Dial{Peer: p.Name, Kind: replicate.KindLog})
	}
	relays, until := r.relays(now)
	joins, next := r.joins(now)
	return append(append(list, relays...), joins...), sooner(until, next)
}

// dials brings the links in line with what is wanted, and answers which to dial
// now and when the next is due; the caller holds mu.
func (r *Replica) dials(now time.Time) (due []Dial, until time.Time) {
	wanted, until := r.wanted(now)
	r.links = slices.DeleteFunc(r.links, func(l *link) bool { return !slices.Contains(wanted, l.dial) })
	for _, d := range wanted {
		l := r.linkOf(d)
		if l == nil {
			l = &link{dial: d}
			r.links = append(r.links, l)
		}
		switch {
		case l.dialing || l.session != nil:
		case now.Before(l.at):
			until = sooner(until, l.at)
		default:
			l.dialing = true
			due = append(due, d)
		}
	}
	return due, until
}

func (r *Replica) linkOf(d Dial) *link {
	for _, l := range r.links {
		if l.dial == d {
			return l
		}
	}
	return nil
}

// Dialed answers the session for a stream that was opened. An error closes the
// stream; it is taken note of.
func (r *Replica) Dialed(d Dial, now time.Time) (Session, error) {
	cursor := r.cursorOf(d.Peer)
	r.mu.Lock()
	s, err := r.opened(d, cursor, now)
	r.mu.Unlock()
	if err != nil {
		r.DialFailed(d, err, now)
		return nil, err
	}
	return s, nil
}

func (r *Replica) opened(d Dial, cursor replicate.Cursor, now time.Time) (Session, error) {
	l := r.linkOf(d)
	if l == nil || !l.dialing {
		return nil, errUnwanted
	}
	s, err := r.begin(d, cursor, now)
	if err != nil {
		return nil, err
	}
	l.dialing, l.session = false, s
	return s, nil
}

// begin makes the session of a stream of any kind; the caller holds mu.
func (r *Replica) begin(d Dial, cursor replicate.Cursor, now time.Time) (ender, error) {
	switch d.Kind {
	case replicate.KindLog:
		return r.newPuller(d.Peer, cursor, now)
	case replicate.KindRelay:
		return r.newRelay(d, now)
	case replicate.KindCopy:
		return r.newCopy(d, now)
	case replicate.KindTail:
		return r.newTail(d, now)
	}
	return nil, errUnwanted
}

// DialFailed notes that no stream could be opened; the next attempt comes after a
// pause that grows.
func (r *Replica) DialFailed(d Dial, err error, now time.Time) {
	r.mu.Lock()
	l := r.linkOf(d)
	if l == nil || !l.dialing { // no longer wanted, or by an attempt that came after
		r.mu.Unlock()
		return
	}
	l.dialing = false
	r.pause(l, end{}, now)
	r.wake()
	r.mu.Unlock()
	if d.Kind == replicate.KindLog {
		r.disconnected(d.Peer, nil, err, now)
	}
}

// Ended notes that a session is over and its stream closed. A nil error is an end
// in good order.
func (r *Replica) Ended(s Session, err error, now time.Time) {
	e, ok := s.(ender)
	if !ok {
		return
	}
	how := e.ended(err, now)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.links {
		if l.session == e {
			l.session = nil
			r.pause(l, how, now)
		}
	}
	r.wake()
}

// pause decides when a link is dialled next; the caller holds mu.
func (r *Replica) pause(l *link, how end, now time.Time) {
	if how.answered {
		l.failures = 0
	}
	if how.again {
		l.at = now
		return
	}
	if !how.at.IsZero() {
		l.at, l.failures = how.at, 0
		return
	}
	l.failures++
	l.at = now.Add(replicate.Backoff(l.failures, r.rand))
}

// sooner answers the earlier of two moments; the zero time is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
