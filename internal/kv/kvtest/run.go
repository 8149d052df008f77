package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/kv"
)

// Harness is how the suite gets at an engine.
type Harness struct {
	// Open answers an empty engine, started at sequence 0.
	Open func(t *testing.T) kv.Engine
	// Reopen closes e and answers a new engine over the same data.
	Reopen func(t *testing.T, e kv.Engine) kv.Engine
	// Crash ends e like a power cut and answers a new engine over what was left.
	Crash func(t *testing.T, e kv.Engine) kv.Engine
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	tests := []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"what was set is read, what was deleted is not", testPoints},
		{"a scan visits its range in order, both ways", testScan},
		{"a deleted range is empty and its neighbours stay", testDeleteRange},
		{"a batch commits whole", testBatch},
		{"an error of decide changes nothing and comes back as it is", testDecideError},
		{"nothing to commit takes no sequence", testNothing},
		{"a seal patches keys and values in place", testSeal},
		{"seals are called once, in commit order", testSealOrder},
		{"a snapshot stands still", testSnapshot},
		{"an iterator stands still", testIterator},
		{"bytes that reads return are the caller's", testOwnership},
		{"locks make read-modify-write atomic", testLocks},
		{"an update is durable when it returns", testDurable},
		{"a commit that was begun is visible, and durable with those before it", testBegin},
		{"waits end with their context", testWaitContext},
		{"data and order go on after reopening", testReopen},
		{"what was acknowledged survives a crash, and a prefix of the rest", testCrash},
		{"a closed engine says so", testClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, h) })
	}
}

// pair is a key and its value.
type pair struct{ Key, Value string }

func set(key, value string) kv.Op { return kv.Op{Key: []byte(key), Value: []byte(value)} }

// write commits ops and fails the test if that fails.
func write(t *testing.T, e kv.Engine, ops ...kv.Op) uint64 {
	t.Helper()
	sequence, err := update(t.Context(), e, ops...)
	if err != nil {
		t.Fatalf("update: %v", err)
	}
	return sequence
}

func update(ctx context.Context, e kv.Engine, ops ...kv.Op) (uint64, error) {
	return kv.Update(ctx, e, nil, func(kv.Reader) (*kv.Batch, error) { return &kv.Batch{Ops: ops}, nil })
}

// scan reads a range.
func scan(t *testing.T, r kv.Reader, bounds kv.Range) []pair {
	t.Helper()
	it := r.Scan(bounds)
	var out []pair
	for it.Next() {
		out = append(out, pair{string(it.Key()), string(it.Value())})
	}
	if err := errors.Join(it.Err(), it.Close()); err != nil {
		t.Fatalf("scan: %v", err)
	}
	return out
}

func check(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
}

// numbered answers n pairs k00, k01, …
func numbered(n int) []kv.Op {
	ops := make([]kv.Op, n)
	for i := range ops {
		ops[i] = set(fmt.Sprintf("k%02d", i), fmt.Sprint(i))
	}
	return ops
}

func open(t *testing.T, h Harness) kv.Engine {
	e := h.Open(t)
	t.Cleanup(func() {
		if err := e.Close(); err != nil && !errors.Is(err, kv.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return e
}
