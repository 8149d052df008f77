package trouble

import (
	"sync"
	"time"
)

// Every is the least time between two mentions of one trouble.
const Every = time.Minute

// Trouble is one thing that can go wrong. The zero value is ready; its methods
// may be called from several goroutines.
type Trouble struct {
	mu     sync.Mutex // guards what follows
	lasts  bool
	told   time.Time
	untold int
}

// Again notes that it went wrong at now. It reports whether to tell of it, and
// how often it went wrong since it was last told of.
func (t *Trouble) Again(now time.Time) (tell bool, untold int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lasts && now.Sub(t.told) < Every {
		t.untold++
		return false, 0
	}
	untold = t.untold
	t.lasts, t.told, t.untold = true, now, 0
	return true, untold
}

// Quiet reports whether it would not be told of if it went wrong at now.
func (t *Trouble) Quiet(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lasts && now.Sub(t.told) < Every
}

// Over notes that it went right, and reports whether that is news.
func (t *Trouble) Over() (news bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	news = t.lasts
	t.lasts, t.untold = false, 0
	return news
}
