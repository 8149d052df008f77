package kvtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/meridian-run/meridian/internal/kv"
)

func testPoints(t *testing.T, h Harness) {
	e := open(t, h)
	write(t, e, set("a", "1"), set("empty", ""))
	write(t, e, set("a", "2"), set("b", "3"))
	write(t, e, kv.Op{Kind: kv.Delete, Key: []byte("b")}, kv.Op{Kind: kv.Delete, Key: []byte("never")})
	got, err := e.Get([]byte("a"))
	if err != nil || string(got) != "2" {
		t.Errorf("get a: %q, %v", got, err)
	}
	if got, err := e.Get([]byte("empty")); err != nil || got == nil || len(got) != 0 {
		t.Errorf("get empty: %v, %v; want an empty value that is not nil", got, err)
	}
	for _, key := range []string{"b", "never", "", "a\x00"} {
		if _, err := e.Get([]byte(key)); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("get %q: %v, want %v", key, err, kv.ErrNotFound)
		}
	}
}

func testScan(t *testing.T, h Harness) {
	e := open(t, h)
	write(t, e, set("b", "2"), set("a", "1"), set("b\x00", "3"), set("c", "4"), set("\xff", "5"))
	all := []pair{{"a", "1"}, {"b", "2"}, {"b\x00", "3"}, {"c", "4"}, {"\xff", "5"}}
	tests := []struct {
		bounds kv.Range
		want   []pair
	}{
		{kv.Range{}, all},
		{kv.Range{From: []byte("b")}, all[1:]},
		{kv.Range{To: []byte("b")}, all[:1]},
		{kv.Range{From: []byte("b"), To: []byte("c")}, all[1:3]},
		{kv.Range{From: []byte("b"), To: []byte("b")}, nil},
		{kv.Range{From: []byte("d"), To: []byte("e")}, nil},
		{kv.Range{From: []byte("b"), To: []byte("c"), Reverse: true}, []pair{all[2], all[1]}},
		{kv.Range{Reverse: true}, []pair{all[4], all[3], all[2], all[1], all[0]}},
	}
	for _, test := range tests {
		check(t, scan(t, e, test.bounds), test.want)
	}
}

func testDeleteRange(t *testing.T, h Harness) {
	e := open(t, h)
	write(t, e, numbered(10)...)
	write(t, e, kv.Op{Kind: kv.DeleteRange, Key: []byte("k02"), Value: []byte("k08")}, set("k05", "again"))
	check(t, scan(t, e, kv.Range{}), []pair{{"k00", "0"}, {"k01", "1"}, {"k05", "again"}, {"k08", "8"}, {"k09", "9"}})
}

func testBatch(t *testing.T, h Harness) {
	e := open(t, h)
	// The last operation on a key counts.
	write(t, e, set("a", "1"), kv.Op{Kind: kv.Delete, Key: []byte("a")}, set("b", "1"), set("b", "2"))
	check(t, scan(t, e, kv.Range{}), []pair{{"b", "2"}})
}

func testDecideError(t *testing.T, h Harness) {
	e := open(t, h)
	before := write(t, e, set("a", "1"))
	refused := errors.New("refused")
	sequence, err := kv.Update(t.Context(), e, [][]byte{[]byte("a")}, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: []kv.Op{set("a", "2")}}, refused
	})
	if err != refused || sequence != 0 { //nolint:errorlint // as it is, not wrapped
		t.Errorf("update: %d, %v; want 0, %v", sequence, err, refused)
	}
	check(t, scan(t, e, kv.Range{}), []pair{{"a", "1"}})
	if next := write(t, e, set("b", "1")); next != before+1 {
		t.Errorf("next sequence %d, want %d", next, before+1)
	}
}

func testNothing(t *testing.T, h Harness) {
	e := open(t, h)
	before := write(t, e, set("a", "1"))
	for _, batch := range []*kv.Batch{nil, {}} {
		sequence, err := kv.Update(t.Context(), e, nil, func(kv.Reader) (*kv.Batch, error) { return batch, nil })
		if err != nil || sequence != 0 {
			t.Errorf("update: %d, %v; want 0, nil", sequence, err)
		}
	}
	if next := write(t, e, set("b", "1")); next != before+1 {
		t.Errorf("next sequence %d, want %d", next, before+1)
	}
}

func testSnapshot(t *testing.T, h Harness) {
	e := open(t, h)
	first := write(t, e, set("a", "1"))
	s := e.Snapshot()
	write(t, e, set("a", "2"), set("b", "2"))
	if s.Sequence() != first {
		t.Errorf("snapshot sequence %d, want %d", s.Sequence(), first)
	}
	check(t, scan(t, s, kv.Range{}), []pair{{"a", "1"}})
	if _, err := s.Get([]byte("b")); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("get b: %v, want %v", err, kv.ErrNotFound)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	check(t, scan(t, e, kv.Range{}), []pair{{"a", "2"}, {"b", "2"}})
}

func testIterator(t *testing.T, h Harness) {
	e := open(t, h)
	write(t, e, numbered(3)...)
	it := e.Scan(kv.Range{})
	if !it.Next() {
		t.Fatalf("no first key: %v", it.Err())
	}
	write(t, e, kv.Op{Kind: kv.Delete, Key: []byte("k01")}, set("k03", "3"))
	got := []string{string(it.Key())}
	for it.Next() {
		got = append(got, string(it.Key()))
	}
	if it.Next() {
		t.Error("an iterator at its end goes on")
	}
	if err := errors.Join(it.Err(), it.Close()); err != nil {
		t.Errorf("iterator: %v", err)
	}
	check(t, got, []string{"k00", "k01", "k02"})
}

func testOwnership(t *testing.T, h Harness) {
	e := open(t, h)
	op := set("key", "value")
	write(t, e, op)
	op.Key[0], op.Value[0] = 'X', 'X'
	got, err := e.Get([]byte("key"))
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	got[0] = 'Y'
	check(t, scan(t, e, kv.Range{}), []pair{{"key", "value"}})
}

func testDurable(t *testing.T, h Harness) {
	e := open(t, h)
	for range 10 {
		if sequence := write(t, e, set("a", "1")); e.Durable() < sequence {
			t.Errorf("durable %d after commit %d", e.Durable(), sequence)
		}
	}
	if err := e.WaitDurable(t.Context(), e.Durable()); err != nil {
		t.Errorf("wait: %v", err)
	}
}

// testBegin begins commits from one goroutine that waits for none of them: each is
// visible, and waiting for the last, or for its sequence, makes all durable.
func testBegin(t *testing.T, h Harness) {
	e := open(t, h)
	for round := range 2 {
		var last *kv.Pending
		for i := range 10 {
			p, err := e.Begin([][]byte{[]byte("k")}, func(kv.Reader) (*kv.Batch, error) {
				return &kv.Batch{Ops: numbered(i + 1)}, nil
			})
			if err != nil || (last != nil && p.Sequence != last.Sequence+1) {
				t.Fatalf("begin: %+v, %v", p, err)
			}
			check(t, scan(t, e, kv.Range{})[i], pair{fmt.Sprintf("k%02d", i), fmt.Sprint(i)})
			last = p
		}
		wait := last.Wait
		if round == 1 {
			wait = func(ctx context.Context) error { return e.WaitDurable(ctx, last.Sequence) }
		}
		if err := wait(t.Context()); err != nil || e.Durable() != last.Sequence {
			t.Errorf("wait for %d: %v, durable %d", last.Sequence, err, e.Durable())
		}
	}
	if err := e.Stopped(); err != nil {
		t.Errorf("stopped: %v", err)
	}
}

func testWaitContext(t *testing.T, h Harness) {
	e := open(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.WaitDurable(ctx, e.Durable()+1); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v, want %v", err, context.Canceled)
	}
}

func testReopen(t *testing.T, h Harness) {
	e := open(t, h)
	write(t, e, numbered(3)...)
	last := write(t, e, kv.Op{Kind: kv.Delete, Key: []byte("k01")})
	next := h.Reopen(t, e)
	defer func() { check(t, next.Close(), nil) }()
	next.StartAt(last)
	if next.Durable() != last {
		t.Errorf("durable %d after StartAt(%d)", next.Durable(), last)
	}
	check(t, scan(t, next, kv.Range{}), []pair{{"k00", "0"}, {"k02", "2"}})
	if sequence := write(t, next, set("a", "1")); sequence != last+1 {
		t.Errorf("sequence %d, want %d", sequence, last+1)
	}
}

func testClosed(t *testing.T, h Harness) {
	e := open(t, h)
	last := write(t, e, set("a", "1"))
	if err := e.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	_, get := e.Get([]byte("a"))
	_, updated := update(t.Context(), e, set("a", "2"))
	it, s := e.Scan(kv.Range{}), e.Snapshot()
	_, snapped := s.Get([]byte("a"))
	for name, err := range map[string]error{
		"get": get, "update": updated, "scan": it.Err(), "snapshot": snapped,
		"wait": e.WaitDurable(t.Context(), last+1), "close": e.Close(), "stopped": e.Stopped(),
	} {
		if !errors.Is(err, kv.ErrClosed) {
			t.Errorf("%s: %v, want %v", name, err, kv.ErrClosed)
		}
	}
	if it.Next() {
		t.Error("a closed engine's iterator has keys")
	}
}
