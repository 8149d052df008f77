package link

import (
	"sync"
)

// Events reports what happens on links. Nil callbacks are skipped; they must not
// block.
type Events struct {
	// Up and Down report a peer that we dial: once for each change, and again
	// when the reason for being down changes.
	Up   func(peer string)
	Down func(peer string, err error)
	// Refused reports a peer that dials us and is refused: once for each who, from
	// (the remote host) and reason, until that peer has been accepted. who.Region
	// is empty when it did not say.
	Refused func(who Identity, from string, err error)
	// RefusedCount is called for every refused connection or request.
	RefusedCount func()
	// Failed reports an internal failure, as a panic of a handler.
	Failed func(text string)
}

func (e Events) up(peer string) {
	if e.Up != nil {
		e.Up(peer)
	}
}

func (e Events) down(peer string, err error) {
	if e.Down != nil {
		e.Down(peer, err)
	}
}

// statesMax bounds what is remembered of strangers; when full, all is forgotten
// and told anew.
const statesMax = 1024

// states remembers the last thing said about each key, so that it is said once.
// The zero value is ready.
type states struct {
	// mu guards last.
	mu   sync.Mutex
	last map[string]string
}

// change reports whether text is news about key.
func (s *states) change(key, text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ok := s.last[key]; ok && was == text {
		return false
	}
	if s.last == nil || len(s.last) >= statesMax {
		s.last = map[string]string{}
	}
	s.last[key] = text
	return true
}

// forget drops what was said about key.
func (s *states) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, key)
}
