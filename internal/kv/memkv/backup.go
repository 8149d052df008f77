package memkv

import "github.com/meridian-run/meridian/internal/kv"

// Backup is a copy of what an engine had made durable. The zero Backup is an
// empty directory.
type Backup struct{ root *node }

// Backup copies what is durable now, as a copy of the directory would.
func (e *Engine) Backup() Backup {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return Backup{e.synced}
}

// From answers an engine that is closed and has the content of a backup: Reopen
// starts on it.
func From(b Backup) *Engine {
	e := &Engine{root: b.root, synced: b.root, closed: true}
	e.watermark.Close()
	return e
}

// Synced reads what is durable, also of an engine that is closed or crashed.
func (e *Engine) Synced() kv.Reader {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return view{root: e.synced, sequence: e.watermark.Reached()}
}

// Last is the highest commit that is visible.
func (e *Engine) Last() uint64 {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.last
}
