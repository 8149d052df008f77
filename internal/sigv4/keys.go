package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"strconv"
	"sync"
)

// keysMax bounds the cache: one entry a key, day and region.
const keysMax = 1024

// signingKey is a derived key, ready to sign.
type signingKey struct {
	secret string
	hashes sync.Pool // of hash.Hash: a keyed HMAC, used again after Reset
}

// sum appends the text's signature.
func (k *signingKey) sum(dst, text []byte) []byte {
	h := k.hashes.Get().(hash.Hash)
	defer k.hashes.Put(h)
	h.Reset()
	h.Write(text) // never fails
	return h.Sum(dst)
}

// keyCache remembers derived signing keys: deriving one costs four HMACs, more
// than the rest of a check. The zero value is ready.
type keyCache struct {
	mu      sync.RWMutex
	entries map[scope]*signingKey // guarded by mu
}

// get answers the signing key of the scope. An entry of another secret, left
// from before a key was rotated under its id, is replaced.
func (c *keyCache) get(s scope, secret string) *signingKey {
	c.mu.RLock()
	known := c.entries[s]
	c.mu.RUnlock()
	if known != nil && known.secret == secret {
		return known
	}
	key := sum([]byte("AWS4"+secret), []byte(s.day))
	for _, part := range [...]string{s.region, s.service, s.terminator} {
		key = sum(key, []byte(part))
	}
	derived := &signingKey{secret: secret}
	derived.hashes.New = func() any { return hmac.New(sha256.New, key) }
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.entries) >= keysMax {
		c.entries = make(map[scope]*signingKey) // the next requests fill it again
	}
	c.entries[cloned(s)] = derived
	return derived
}

func sum(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}

// cloned is a scope that does not hold on to the request it was read from.
func cloned(s scope) scope {
	all := s.id + s.day + s.region + s.service + s.terminator
	take := func(n int) string { part := all[:n]; all = all[n:]; return part }
	return scope{take(len(s.id)), take(len(s.day)), take(len(s.region)), take(len(s.service)), take(len(s.terminator))}
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func trimFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
