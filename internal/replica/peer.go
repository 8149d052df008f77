package replica

import (
	"time"

	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// peer is what is known of another region; Replica.mu guards all but Peer.
type peer struct {
	Peer

	connected bool
	since     time.Time // when connected last changed
	err       error     // why not connected
	reason    string    // its kind, as last reported
	flaps     int       // how many pulls in a row ended before they had lasted

	heard    bool          // this pull has brought a frame
	live     bool          // this pull has brought a frame of the log: no resend is under way
	scanning bool          // a resend is under way
	outdated int           // records of it that were judged to be
	sourceAt time.Time     // up to when everything of the peer is applied, by its clock
	backlog  uint64        // of its log, at the last frame
	latency  time.Duration // of the last frame that reached the log's end
	frameAt  time.Time     // when the last frame was applied; at first, the start

	resend    string            // why to ask for all records; empty: do not
	asked     int               // counts what asked for them; a resend answers what came before it
	answers   int               // asked, as the resend under way began
	restoring bool              // one of the two has lost history that the other holds (DATA 5)
	lacking   bool              // we lost history, or were away for longer than this peer's log is kept
	proof     replicate.Cursor  // of ours, that this peer has last shown
	judges    bool              // it is to look at all our records: what it pulls otherwise is refused
	shown     []store.TableMark // what it holds of what we lost, after its resend
	restart   bool              // the pull under way is to end, for another to begin
}

func newPeer(p Peer, now time.Time) *peer {
	return &peer{Peer: p, since: now, frameAt: now}
}

// askResend makes the next pull ask for all records, and ends the one under way;
// Replica.wake has to follow.
func (p *peer) askResend(why string) {
	p.resend = why
	p.asked++
	p.restart = true
}

// scanBegins notes that a resend begins, if one was asked for.
func (p *peer) scanBegins() { p.scanning, p.answers = p.resend != "", p.asked }

// scanEnded notes that the resend has come. What was asked for while its end was
// being applied is not in it.
func (p *peer) scanEnded() {
	p.scanning = false
	if p.asked == p.answers {
		p.resend, p.lacking = "", false
	}
}

const (
	// lasting is how long a state lasts that is worth telling: longer than the
	// longest pause between two attempts.
	lasting = 3 * time.Second
	// flapsTold is how many short pulls in a row are told like any other: a region
	// may well be restarted twice.
	flapsTold = 2
)

// begun notes that the peer took us in, and answers whether to tell: a peer that
// flaps is told of when it has stayed.
func (p *peer) begun(now time.Time) (news bool) {
	if now.Sub(p.since) >= lasting {
		p.flaps = 0
	}
	p.connected, p.since, p.err = true, now, nil
	return p.flaps < flapsTold && p.told(connectedReason)
}

// stayed notes that a frame has come, and answers whether to tell now that the
// peer is connected.
func (p *peer) stayed(now time.Time) (news bool) {
	if !p.connected || now.Sub(p.since) < lasting {
		return false
	}
	p.flaps = 0
	return p.told(connectedReason)
}

// ended notes that a pull ended, and not because another one is to begin at once.
func (p *peer) ended(now time.Time) {
	if now.Sub(p.since) < lasting || !p.heard {
		p.flaps++
	}
}

// told notes what is told, and answers whether that is news.
func (p *peer) told(reason string) (news bool) {
	news = p.reason != reason
	p.reason = reason
	return news
}

// behind is how far we are behind the peer, in time.
func (p *peer) behind(now time.Time, beat time.Duration) time.Duration {
	switch {
	case p.connected && p.live && p.backlog == 0:
		return p.latency + max(0, now.Sub(p.frameAt)-2*beat)
	case p.sourceAt.IsZero():
		return now.Sub(time.Unix(0, 0))
	}
	return max(0, now.Sub(p.sourceAt))
}

// PeerLag is how far we and a peer are behind each other.
type PeerLag struct {
	// Behind is how far we are behind the peer.
	Behind time.Duration
	// Entries is how many commits of the peer's log we have not applied, as far as
	// we know.
	Entries uint64
	// Connected says that we pull from the peer now; Since when that last changed.
	Connected bool
	Since     time.Time
	// LastError is why we do not; empty while connected.
	LastError string
	// Resend says that the peer sends, or will send, all its records anew.
	Resend bool
	// Serving says that the peer pulls from us now; Unshipped is how many entries
	// of our log it has not acknowledged since it last connected.
	Serving   bool
	Unshipped uint64
}

// Lag answers the state of replication with each peer.
func (r *Replica) Lag() map[string]PeerLag {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config.Now()
	out := make(map[string]PeerLag, len(r.peers))
	for name, p := range r.peers {
		lag := PeerLag{
			Behind: p.behind(now, r.config.Beat), Entries: p.backlog,
			Connected: p.connected, Since: p.since, Resend: p.scanning || p.resend != "",
		}
		if !p.connected && p.err != nil {
			lag.LastError = p.err.Error()
		}
		if s := r.served[name]; s != nil {
			lag.Serving = s.serving
			lag.Unshipped = r.config.Store.Behind(storeCursor(s.applied))
		}
		out[name] = lag
	}
	return out
}
