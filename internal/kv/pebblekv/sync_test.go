package pebblekv

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meridian-run/meridian/internal/kv"
)

// cut is a disk whose power goes at the n-th sync, of a file or a directory, once
// it is armed: that one and everything after it fails.
type cut struct {
	at    int64
	armed atomic.Bool
	met   atomic.Int64
}

func (c *cut) disk() vfs.FS {
	gone := errors.New("injected: the power is gone")
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !c.armed.Load() {
			return nil
		}
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			if c.met.Add(1) >= c.at {
				return gone
			}
		default:
			if c.met.Load() >= c.at && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				return gone
			}
		}
		return nil
	}))
}

// DATA 3, 4: whichever sync the power goes at, of the log, of a table, of the
// manifest, of the directory, what was acknowledged before is there afterwards.
// The workload makes flushes, so that each kind is met.
func TestPowerCutAtEverySync(t *testing.T) {
	const writers, writes = 3, 40
	value := make([]byte, 7<<10)
	config := func(dir string) Config {
		return Config{Dir: dir, MemtableBytes: 256 << 10, Forgetful: true, uncompacted: true}
	}
	for n := int64(1); ; n++ {
		dir := t.TempDir()
		power := &cut{at: n}
		c := config(dir)
		c.inner = power.disk()
		e := open(t, c)
		power.armed.Store(true)
		acknowledged := fill(e, writers, writes, value)
		power.armed.Store(false) // undoing what was not synced is not the disk's work
		if err := e.Crash(); err != nil {
			t.Fatal(err)
		}
		after := open(t, config(dir))
		for key := range acknowledged {
			if _, err := after.Get([]byte(key)); err != nil {
				t.Errorf("power cut at sync %d: %s was acknowledged: %v", n, key, err)
			}
		}
		if err := after.Close(); err != nil {
			t.Error(err)
		}
		if power.met.Load() >= n && !t.Failed() {
			continue
		}
		if n < writes {
			t.Errorf("only %d syncs were met", n)
		}
		return
	}
}

// A disk that fails while the directory is opened is an error that says so, not
// a start that hangs.
func TestOpenOnAFailingDisk(t *testing.T) {
	dir := t.TempDir()
	e := open(t, small(dir))
	fill(e, 1, 20, make([]byte, 6<<10))
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".sst", ".log"} {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		fs, arm := failing(suffix, errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileSync)
		arm.Store(true)
		c := small(copied)
		c.inner = fs
		if e, err := Open(c); err == nil {
			e.Close()
			t.Errorf("%s cannot be written, and Open succeeds", suffix)
		} else if !errors.Is(err, kv.ErrFrozen) {
			t.Errorf("%s cannot be written: %v, want %v", suffix, err, kv.ErrFrozen)
		}
	}
}

// fill writes from several at once until all is written or the engine fails, and
// answers what was acknowledged.
func fill(e *Engine, writers, writes int, value []byte) map[string]bool {
	var all sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	for w := range writers {
		all.Go(func() {
			for i := range writes {
				key := fmt.Sprintf("%d/%02d", w, i)
				if put(e, key, value) != nil {
					return
				}
				mu.Lock()
				acknowledged[key] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return acknowledged
}
