package kv

import (
	"hash/maphash"
	"slices"
	"sync"
)

// stripes is how many locks all keys share: enough that thousands of writers
// seldom meet, few enough to fit a cache.
const stripes = 4096

// Locks locks sets of keys without deadlock: keys share a fixed number of
// locks, which are always taken in one order. The zero value is ready. Engines
// use it to keep Update's promise.
type Locks struct {
	once sync.Once
	seed maphash.Seed
	mu   [stripes]sync.Mutex
}

// Lock waits for all keys and answers what lets them go.
func (l *Locks) Lock(keys [][]byte) (unlock func()) {
	l.once.Do(func() { l.seed = maphash.MakeSeed() })
	if len(keys) == 1 {
		mu := &l.mu[maphash.Bytes(l.seed, keys[0])%stripes]
		mu.Lock()
		return mu.Unlock
	}
	held := make([]int, len(keys))
	for i, key := range keys {
		held[i] = int(maphash.Bytes(l.seed, key) % stripes)
	}
	slices.Sort(held)
	held = slices.Compact(held)
	for _, i := range held {
		l.mu[i].Lock()
	}
	return func() {
		for _, i := range held {
			l.mu[i].Unlock()
		}
	}
}
