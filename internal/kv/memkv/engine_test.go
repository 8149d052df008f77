package memkv_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/kvtest"
	"github.com/meridian-run/meridian/internal/kv/memkv"
)

func TestEngine(t *testing.T) {
	kvtest.Run(t, kvtest.Harness{
		Open: func(*testing.T) kv.Engine { return memkv.New(memkv.Config{}) },
		Reopen: func(t *testing.T, e kv.Engine) kv.Engine {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return e.(*memkv.Engine).Reopen(memkv.Config{})
		},
		Crash: func(t *testing.T, e kv.Engine) kv.Engine {
			if err := e.(*memkv.Engine).Crash(); err != nil {
				t.Fatal(err)
			}
			return e.(*memkv.Engine).Reopen(memkv.Config{})
		},
	})
}

func put(e kv.Engine, key, value string) error {
	_, err := kv.Update(context.Background(), e, nil, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: []kv.Op{{Key: []byte(key), Value: []byte(value)}}}, nil
	})
	return err
}

func TestHeldCommitsWaitForSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memkv.New(memkv.Config{Hold: true})
		result := make(chan error, 1)
		go func() { result <- put(e, "a", "1") }()
		synctest.Wait()
		if value, err := e.Get([]byte("a")); err != nil || string(value) != "1" || e.Durable() != 0 {
			t.Errorf("before the sync: %q, %v, durable %d", value, err, e.Durable())
		}
		e.Sync()
		if err := <-result; err != nil || e.Durable() != 1 {
			t.Errorf("after the sync: %v, durable %d", err, e.Durable())
		}
	})
}

// One goroutine drives a disk that is slow: what it has synced is durable, the
// rest is not, and a crash forgets that (DATA 3).
func TestSyncToIsPartial(t *testing.T) {
	e := memkv.New(memkv.Config{Hold: true})
	for _, key := range []string{"a", "b", "c"} {
		_, err := e.Begin(nil, func(kv.Reader) (*kv.Batch, error) {
			return &kv.Batch{Ops: []kv.Op{{Key: []byte(key)}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sequence := range []uint64{0, 2} {
		if e.SyncTo(sequence); e.Durable() != sequence {
			t.Errorf("synced to %d: durable %d", sequence, e.Durable())
		}
	}
	if err := e.Crash(); err != nil {
		t.Fatal(err)
	}
	next := e.Reopen(memkv.Config{})
	for key, want := range map[string]error{"a": nil, "b": nil, "c": kv.ErrNotFound} {
		if _, err := next.Get([]byte(key)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", key, err, want)
		}
	}
}

func TestCrashForgetsWhatWasNotSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memkv.New(memkv.Config{Hold: true})
		result := make(chan error, 2)
		go func() { result <- put(e, "a", "1") }()
		synctest.Wait()
		e.Sync()
		go func() { result <- put(e, "b", "1") }()
		synctest.Wait()
		if err := e.Crash(); err != nil {
			t.Fatal(err)
		}
		if first, second := <-result, <-result; first != nil || !errors.Is(second, kv.ErrClosed) {
			t.Errorf("got %v and %v", first, second)
		}
		next := e.Reopen(memkv.Config{})
		if _, err := next.Get([]byte("a")); err != nil {
			t.Errorf("synced key: %v", err)
		}
		if _, err := next.Get([]byte("b")); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("unsynced key: %v", err)
		}
	})
}

// DATA 4: a failed sync freezes the watermark.
func TestFailedSyncFreezes(t *testing.T) {
	e := memkv.New(memkv.Config{})
	if err := put(e, "a", "1"); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no space left")
	e.Fail(broken)
	if err := put(e, "b", "1"); !errors.Is(err, kv.ErrFrozen) || !errors.Is(err, broken) {
		t.Errorf("failed sync: %v", err)
	}
	if err := put(e, "c", "1"); !errors.Is(err, kv.ErrFrozen) {
		t.Errorf("write after it: %v", err)
	}
	if err := e.WaitDurable(t.Context(), 2); !errors.Is(err, kv.ErrFrozen) || e.Durable() != 1 {
		t.Errorf("wait: %v, durable %d", err, e.Durable())
	}
	if _, err := e.Get([]byte("a")); err != nil {
		t.Errorf("read: %v", err)
	}
}

// A backup is of what was durable, and stays as it is; an engine on it goes on
// from there (DATA 5).
func TestBackup(t *testing.T) {
	e := memkv.New(memkv.Config{Hold: true})
	begin := func(key string) {
		t.Helper()
		_, err := e.Begin(nil, func(kv.Reader) (*kv.Batch, error) {
			return &kv.Batch{Ops: []kv.Op{{Key: []byte(key)}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	begin("a")
	e.Sync()
	begin("b")
	backup := e.Backup()
	begin("c")
	if _, err := e.Synced().Get([]byte("b")); !errors.Is(err, kv.ErrNotFound) || e.Last() != 3 {
		t.Errorf("unsynced key among the durable ones: %v; last %d", err, e.Last())
	}
	e.Sync()
	if _, err := e.Synced().Get([]byte("c")); err != nil {
		t.Errorf("synced key: %v", err)
	}
	old := memkv.From(backup).Reopen(memkv.Config{})
	for key, want := range map[string]error{"a": nil, "b": kv.ErrNotFound, "c": kv.ErrNotFound} {
		if _, err := old.Get([]byte(key)); !errors.Is(err, want) {
			t.Errorf("%s of the copy: %v, want %v", key, err, want)
		}
	}
}
