package link

import (
	"sync"
)

// Events reports what happens on links. Nil callbacks are skipped; they must not
// block.
type Events struct {
	// Up and Down report a peer that we dial: once for each change, and Down once
	// more for each further reason until it is up.
	Up   func(peer string)
	Down func(peer string, err error)
	// Refused reports a peer that dials us and is refused: once for each who, from
	// (the remote host) and reason, until that peer is accepted. who.Region is
	// empty when it did not say.
	Refused func(who Identity, from string, err error)
	// RefusedCount is called for every refused connection or request.
	RefusedCount func()
	// Message sees every payload that this end of a dialled link sends or receives,
	// before it is encrypted: of posts, their replies, and streams. It must not keep
	// or change it.
	Message func(peer string, payload []byte)
	// Failed reports an internal failure, as a panic of a handler.
	Failed func(text string)
}

func (e Events) up(peer string) {
	if e.Up != nil {
		e.Up(peer)
	}
}

func (e Events) message(peer string, payload []byte) {
	if e.Message != nil {
		e.Message(peer, payload)
	}
}

func (e Events) down(peer string, err error) {
	if e.Down != nil {
		e.Down(peer, err)
	}
}

// statesMax and reasonsMax bound what is remembered of strangers; when full, all
// is forgotten and told anew.
const (
	statesMax  = 1024
	reasonsMax = 16
)

// states remembers what was said about each key since it was last well, so that
// each reason is said once. The zero value is ready.
type states struct {
	// mu guards known.
	mu    sync.Mutex
	known map[string]*state
}

type state struct {
	well bool
	told map[string]bool // reasons, since it was last well
}

// of answers the state of key; the caller holds mu.
func (s *states) of(key string) *state {
	k := s.known[key]
	if k == nil {
		if s.known == nil || len(s.known) >= statesMax {
			s.known = map[string]*state{}
		}
		k = &state{}
		s.known[key] = k
	}
	return k
}

// well notes that all is well with key, and reports whether that is news.
func (s *states) well(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.of(key)
	news := !k.well
	*k = state{well: true}
	return news
}

// wrong notes what is wrong with key, and reports whether that is news.
func (s *states) wrong(key, reason string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.of(key)
	k.well = false
	if k.told[reason] {
		return false
	}
	if k.told == nil || len(k.told) >= reasonsMax {
		k.told = map[string]bool{}
	}
	k.told[reason] = true
	return true
}
