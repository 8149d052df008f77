package region

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/replica"
)

const (
	// watchEvery is how often the region looks at what tells no event by itself.
	watchEvery = 250 * time.Millisecond
	// caughtUpLag is how far behind a peer a region is at most when it has
	// caught up, as for its readiness (DATA 24).
	caughtUpLag = 2 * time.Second
	// quorumGrace is longer than an election takes: while its leader is being
	// replaced control has no quorum either, which is no news.
	quorumGrace = 5 * time.Second
)

// watch makes events of what has to be looked at: the end of a catch-up, of a
// drain's time, and control's quorum.
func (r *Region) watch(ctx context.Context) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	agreed, drained := quorumWatch{}, drainWatch{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if d := r.data.Load(); d != nil {
			for peer, lag := range d.replica.Lag() {
				if e, ended := r.catchUps.look(r.cfg.Name, peer, lag); ended {
					r.happened(e)
				}
			}
		}
		for _, d := range drained.look(r.applied.Load().state.Drains, time.Now()) {
			r.happened(event.Event{Kind: event.Undrained, Region: d.Region, Service: d.Service, Text: undrainText(d) + ": its time is over"})
		}
		quorum, since := r.control.QuorumOK()
		if e, changed := agreed.look(quorum, since, r.control.Missing()); changed {
			e.Region = r.cfg.Name
			r.happened(e)
		}
	}
}

// catchUps follows, for each peer, what is applied from the moment that
// replication runs until nothing is missing.
type catchUps struct {
	mu    sync.Mutex // guards peers
	peers map[string]*catchUp
}

type catchUp struct {
	began   time.Time // when it connected
	records int       // that came since
	over    bool
}

// begin notes that replication from a peer runs.
func (c *catchUps) begin(peer string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peers == nil {
		c.peers = map[string]*catchUp{}
	}
	c.peers[peer] = &catchUp{began: now}
}

// applied counts records of a peer.
func (c *catchUps) applied(peer string, records int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.peers[peer]; p != nil && !p.over {
		p.records += records
	}
}

// look answers the event of a catch-up that has ended just now. One that brought
// nothing is no news.
func (c *catchUps) look(self, peer string, lag replica.PeerLag) (event.Event, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.peers[peer]
	if p == nil || p.over || !lag.Connected || lag.Resend || lag.Entries > 0 || lag.Behind > caughtUpLag {
		return event.Event{}, false
	}
	p.over = true
	took := time.Since(p.began).Seconds()
	return event.Event{
		Kind: event.CaughtUp, Region: peer, Took: took,
		Text: fmt.Sprintf("%s has caught up with %s: %s in %.1f s", self, peer, count(p.records, "record"), took),
	}, p.records > 0
}

// count is a number of things in words: "1 record", "2 records".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// quorumWatch remembers whether control had its quorum.
type quorumWatch struct{ lost time.Time }

// look answers the event of a quorum that was lost, or is back. A start counts
// as a loss: a region that starts alone says so after the grace.
func (q *quorumWatch) look(quorum bool, since time.Time, missing []string) (event.Event, bool) {
	switch {
	case quorum && !q.lost.IsZero():
		away := since.Sub(q.lost).Seconds()
		q.lost = time.Time{}
		return event.Event{Kind: event.Quorum, Took: away, Text: fmt.Sprintf("a quorum of control is reached again, after %.1f s: changes go on", away)}, true
	case !quorum && q.lost.IsZero() && time.Since(since) >= quorumGrace:
		q.lost = since
		text := "no quorum of control is reached from here: serving goes on, changes wait"
		if len(missing) > 0 {
			text += " for " + strings.Join(missing, ", ")
		}
		return event.Event{Kind: event.Quorum, Text: text}, true
	}
	return event.Event{}, false
}

// drainWatch knows which drains for a time were active when it last looked.
type drainWatch map[control.Drain]bool

// look answers the drains whose time has ended since.
func (w drainWatch) look(drains []control.Drain, now time.Time) (over []control.Drain) {
	for d := range w {
		if !slices.Contains(drains, d) {
			delete(w, d)
		}
	}
	for _, d := range drains {
		if d.Until.IsZero() {
			continue
		}
		active := d.Active(now)
		if w[d] && !active {
			over = append(over, d)
		}
		w[d] = active
	}
	return over
}
