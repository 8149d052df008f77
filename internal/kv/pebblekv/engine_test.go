package pebblekv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/kvtest"
)

// small makes memtables small, so that tests see flushes and log rotation.
func small(dir string) Config {
	return Config{Dir: dir, MemtableBytes: 256 << 10, Forgetful: true}
}

func open(t *testing.T, c Config) *Engine {
	t.Helper()
	e, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEngine(t *testing.T) {
	var mu sync.Mutex
	dirs := map[kv.Engine]string{}
	opened := func(t *testing.T, dir string) kv.Engine {
		e := open(t, small(dir))
		mu.Lock()
		defer mu.Unlock()
		dirs[e] = dir
		return e
	}
	kvtest.Run(t, kvtest.Harness{
		Open: func(t *testing.T) kv.Engine { return opened(t, t.TempDir()) },
		Reopen: func(t *testing.T, e kv.Engine) kv.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return opened(t, dirs[e])
		},
		Crash: func(t *testing.T, e kv.Engine) kv.Engine {
			if err := e.(*Engine).Crash(); err != nil {
				t.Fatal(err)
			}
			return opened(t, dirs[e])
		},
	})
}

func put(e kv.Engine, key string, value []byte) error {
	_, err := kv.Update(context.Background(), e, nil, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: []kv.Op{{Key: []byte(key), Value: value}}}, nil
	})
	return err
}

// Many crashes in a row, with flushes between them: every acknowledged write is
// there each time.
func TestCrashesKeepWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	for life := range 6 {
		e := open(t, small(dir))
		for earlier := range life {
			for writer := range 4 {
				key := fmt.Sprintf("%d/%d/149", earlier, writer)
				if _, err := e.Get([]byte(key)); err != nil {
					t.Fatalf("life %d: %s: %v", life, key, err)
				}
			}
		}
		var all sync.WaitGroup
		for writer := range 4 {
			all.Go(func() {
				for i := range 150 {
					if err := put(e, fmt.Sprintf("%d/%d/%d", life, writer, i), make([]byte, 2048)); err != nil {
						t.Errorf("life %d: %v", life, err)
						return
					}
				}
			})
		}
		all.Wait()
		// One writer is still at it while the power goes.
		all.Go(func() {
			for put(e, "unacknowledged", make([]byte, 2048)) == nil {
			}
		})
		if err := e.Crash(); err != nil {
			t.Fatal(err)
		}
		all.Wait()
	}
}

// failing makes an operation on files with a suffix fail once armed.
func failing(suffix string, kinds ...errorfs.OpKind) (fs vfs.FS, arm *atomic.Bool) {
	arm = &atomic.Bool{}
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !arm.Load() || !strings.HasSuffix(op.Path, suffix) {
			return nil
		}
		for _, kind := range kinds {
			if op.Kind == kind {
				return errors.New("injected: input/output error")
			}
		}
		return nil
	})), arm
}

// DATA 4: whatever fails below, the engine freezes, the process lives, what was
// durable is read, and the directory opens again with all that was acknowledged.
func TestFailuresFreeze(t *testing.T) {
	tests := []struct {
		name   string
		suffix string
		kinds  []errorfs.OpKind
	}{
		{"sync of the log", ".log", []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData}},
		{"write of the log", ".log", []errorfs.OpKind{errorfs.OpFileWrite}},
		{"rotation of the log", ".log", []errorfs.OpKind{errorfs.OpCreate, errorfs.OpReuseForWrite}},
		{"flush to a table", ".sst", []errorfs.OpKind{errorfs.OpCreate}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			fs, arm := failing(test.suffix, test.kinds...)
			c := small(dir)
			c.Forgetful, c.inner = false, fs
			e := open(t, c)
			if err := put(e, "before", []byte("1")); err != nil {
				t.Fatal(err)
			}
			arm.Store(true)
			acknowledged, frozen := 0, error(nil)
			for i := 0; frozen == nil; i++ {
				if frozen = put(e, fmt.Sprint(i), make([]byte, 4096)); frozen == nil {
					acknowledged++
				}
			}
			if !errors.Is(frozen, kv.ErrFrozen) {
				t.Errorf("got %v, want %v", frozen, kv.ErrFrozen)
			}
			if err := put(e, "after", nil); !errors.Is(err, kv.ErrFrozen) {
				t.Errorf("write after it: %v", err)
			}
			if err := e.WaitDurable(t.Context(), e.Durable()+1); !errors.Is(err, kv.ErrFrozen) {
				t.Errorf("wait: %v", err)
			}
			if _, err := e.Get([]byte("before")); err != nil {
				t.Errorf("read: %v", err)
			}
			_ = e.Close() // may complain of what the disk refused
			next := open(t, small(dir))
			for i := range acknowledged {
				if _, err := next.Get(fmt.Append(nil, i)); err != nil {
					t.Errorf("acknowledged write %d of %d: %v", i, acknowledged, err)
				}
			}
			if err := next.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFatalFreezesInsteadOfEndingTheProcess(t *testing.T) {
	e := open(t, small(t.TempDir()))
	logger{engine: e}.Fatalf("MANIFEST sync failed: %v", errors.New("no space left"))
	if err := put(e, "a", nil); !errors.Is(err, kv.ErrFrozen) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	_ = e.Close()
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	e := open(t, small(dir))
	if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want an error that names the directory", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// DATA 4: a damaged block is noticed by who reads it, named, and stops writing;
// what is whole is still read.
func TestDamageIsNamed(t *testing.T) {
	dir := t.TempDir()
	e := open(t, small(dir))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 400 { // of bytes that cannot be compressed
		value := make([]byte, 2048)
		for j := range value {
			value[j] = byte(random.Uint32())
		}
		if err := put(e, fmt.Sprintf("%03d", i), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables to damage: %v", err)
	}
	for _, file := range files {
		damage(t, file)
	}
	e = open(t, small(dir))
	defer e.Close()
	var readable, broken int
	var cause error
	for i := range 400 {
		if _, err := e.Get(fmt.Appendf(nil, "%03d", i)); err != nil {
			broken, cause = broken+1, err
		} else {
			readable++
		}
	}
	if readable == 0 || broken == 0 {
		t.Fatalf("%d keys are read, %d are not", readable, broken)
	}
	if err := put(e, "new", nil); !errors.Is(err, kv.ErrCorrupt) || !errors.Is(err, kv.ErrFrozen) || !strings.Contains(err.Error(), ".sst") {
		t.Errorf("a write after %v: %v, want a refusal that names the file", cause, err)
	}
}

// damage changes a byte in the middle of a file.
func damage(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 0xff
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
