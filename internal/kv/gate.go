package kv

import "sync"

// Gate lets calls into an engine until it closes, and Close wait for those
// inside. The zero value is open.
type Gate struct {
	mu     sync.Mutex // guards what follows
	inside int
	closed bool
	empty  chan struct{} // closed when the last one leaves a closed gate
}

// Enter reports whether the gate is open; if so the caller must Leave.
func (g *Gate) Enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside++
	return true
}

// Leave undoes one Enter.
func (g *Gate) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.closed && g.inside == 0 {
		close(g.empty)
	}
}

// Close lets nobody in any more and waits until all have left. It reports false
// if the gate was closed before.
func (g *Gate) Close() bool {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return false
	}
	g.closed, g.empty = true, make(chan struct{})
	if g.inside == 0 {
		close(g.empty)
	}
	g.mu.Unlock()
	<-g.empty
	return true
}
