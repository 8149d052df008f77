package region

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/meridian-run/meridian/client"
)

// gossipEvery is how often a region tells the others how it is, when nothing
// changes; a change of readiness is told at once.
const gossipEvery = time.Second

// word is what a region tells the others of itself.
type word struct {
	// Life is random for each start; Sequence rises in one life.
	Life     uint64 `json:"life"`
	Sequence uint64 `json:"sequence"`
	// Leaving says that the region is going away on purpose: it wants out of
	// the answers now, before any probe fails.
	Leaving bool `json:"leaving,omitempty"`
	// Revision of control that it knows.
	Revision uint64        `json:"revision"`
	Region   client.Region `json:"region"`
}

// heardWord is the latest word of a peer and when it came.
type heardWord struct {
	word
	at     time.Time
	former map[uint64]bool // lives before this one
}

// gossip keeps the latest word of every peer.
type gossip struct {
	mu    sync.Mutex // guards words
	words map[string]*heardWord
}

// hear takes in a peer's word; it reports whether the word changes what the
// peer may be answered for.
func (g *gossip) hear(from string, w word, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.words == nil {
		g.words = map[string]*heardWord{}
	}
	last := g.words[from]
	switch {
	case last == nil:
		last = &heardWord{former: map[uint64]bool{}}
		g.words[from] = last
	case last.former[w.Life], last.Life == w.Life && w.Sequence <= last.Sequence:
		return false // delayed
	case last.Life != w.Life:
		last.former[last.Life] = true
	}
	changed := last.Leaving != w.Leaving || last.Region.Ready != w.Region.Ready || last.Life != w.Life
	last.word, last.at = w, now
	return changed
}

// last returns a peer's latest word.
func (g *gossip) last(peer string) (word, time.Time, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if h := g.words[peer]; h != nil {
		return h.word, h.at, true
	}
	return word{}, time.Time{}, false
}

// tell sends this region's word to every peer, once a second and when woken.
func (r *Region) tell(ctx context.Context) error {
	ticker := time.NewTicker(gossipEvery)
	defer ticker.Stop()
	for {
		r.tellAll(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-r.toldSoon:
		}
	}
}

// tellSoon wakes tell.
func (r *Region) tellSoon() {
	select {
	case r.toldSoon <- struct{}{}:
	default: // it is awake already
	}
}

// tellAll posts to all peers at once; each post is bounded by gossipEvery, so
// that a dead peer costs nothing but its own goroutine.
func (r *Region) tellAll(ctx context.Context) {
	body, err := json.Marshal(word{
		Life: r.life, Sequence: r.told.Add(1), Leaving: r.leaving.Load(),
		Revision: r.revision(), Region: r.self(),
	})
	if err != nil {
		r.log.Error("encode gossip", "error", err)
		return
	}
	var posts sync.WaitGroup
	for _, peer := range r.peers() {
		posts.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 2*gossipEvery)
			defer cancel()
			// A peer that cannot be reached is reported by link, once.
			_, _ = r.link.Post(ctx, peer, postWord, body)
		})
	}
	posts.Wait()
}

// handleWord takes in what a peer tells.
func (r *Region) handleWord(_ context.Context, from string, payload []byte) ([]byte, error) {
	var w word
	if err := json.Unmarshal(payload, &w); err != nil {
		return nil, fmt.Errorf("read the word of %s: %w", from, err)
	}
	now := time.Now()
	r.board.Hear(from, now)
	if r.gossip.hear(from, w, now) {
		r.evaluateSoon()
	}
	return nil, nil
}
