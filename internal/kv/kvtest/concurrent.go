package kvtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/meridian-run/meridian/internal/kv"
)

func testSeal(t *testing.T, h Harness) {
	e := open(t, h)
	batch := &kv.Batch{
		Ops: []kv.Op{set("key-........", "value-........"), set("b", "1"), {Kind: kv.Delete, Key: []byte("........")}},
		Seal: func(sequence uint64, ops []kv.Op) {
			copy(ops[0].Key[4:], fmt.Sprintf("%08d", sequence))
			copy(ops[0].Value[6:], fmt.Sprintf("%08d", sequence))
			copy(ops[2].Key, "doomed!!")
		},
	}
	write(t, e, set("doomed!!", "1"))
	sequence, err := kv.Update(t.Context(), e, nil, func(kv.Reader) (*kv.Batch, error) { return batch, nil })
	if err != nil {
		t.Fatalf("update: %v", err)
	}
	number := fmt.Sprintf("%08d", sequence)
	check(t, scan(t, e, kv.Range{}), []pair{{"b", "1"}, {"key-" + number, "value-" + number}})
}

// concurrently runs fn for each of n writers and waits for all.
func concurrently(n int, fn func(writer int)) {
	var all sync.WaitGroup
	for writer := range n {
		all.Go(func() { fn(writer) })
	}
	all.Wait()
}

func testSealOrder(t *testing.T, h Harness) {
	e := open(t, h)
	const writers, each = 8, 50
	var sealed []uint64 // not guarded: seals are called one at a time
	concurrently(writers, func(writer int) {
		for i := range each {
			_, err := kv.Update(t.Context(), e, nil, func(kv.Reader) (*kv.Batch, error) {
				return &kv.Batch{
					Ops:  []kv.Op{set(fmt.Sprintf("%d/%d", writer, i), "x")},
					Seal: func(sequence uint64, _ []kv.Op) { sealed = append(sealed, sequence) },
				}, nil
			})
			if err != nil {
				t.Errorf("update: %v", err)
			}
		}
	})
	want := make([]uint64, writers*each)
	for i := range want {
		want[i] = uint64(i + 1)
	}
	check(t, sealed, want)
}

// testLocks moves amounts between accounts; the sum must not change, and
// writers that lock the same keys in other orders must not wait for ever.
func testLocks(t *testing.T, h Harness) {
	e := open(t, h)
	const accounts, writers, each = 5, 8, 50
	key := func(i int) []byte { return fmt.Appendf(nil, "account%d", i%accounts) }
	add := func(r kv.Reader, k []byte, n int64) (kv.Op, error) {
		raw, err := r.Get(k)
		if err != nil {
			return kv.Op{}, err
		}
		return kv.Op{Key: k, Value: binary.BigEndian.AppendUint64(nil, uint64(int64(binary.BigEndian.Uint64(raw))+n))}, nil
	}
	for i := range accounts {
		write(t, e, kv.Op{Key: key(i), Value: binary.BigEndian.AppendUint64(nil, 1000)})
	}
	concurrently(writers, func(writer int) {
		for i := range each {
			from, to := key(writer+i), key(writer*3+i*2+1)
			if string(from) == string(to) {
				continue
			}
			_, err := kv.Update(t.Context(), e, [][]byte{from, to}, func(r kv.Reader) (*kv.Batch, error) {
				taken, err := add(r, from, -1)
				if err != nil {
					return nil, err
				}
				given, err := add(r, to, 1)
				return &kv.Batch{Ops: []kv.Op{taken, given}}, err
			})
			if err != nil {
				t.Errorf("update: %v", err)
			}
		}
	})
	sum := uint64(0)
	for _, p := range scan(t, e, kv.Range{}) {
		sum += binary.BigEndian.Uint64([]byte(p.Value))
	}
	check(t, sum, uint64(accounts*1000))
}

// testCrash crashes an engine under writers. Each commit writes its sequence as
// a key. Afterwards the keys must be 1 to n without a gap, n not below the
// highest acknowledged (DATA 3, 4).
func testCrash(t *testing.T, h Harness) {
	e := open(t, h)
	const writers, before = 8, 200
	var mu sync.Mutex // guards acknowledged
	var acknowledged uint64
	var once sync.Once
	enough := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for {
				sequence, err := kv.Update(ctx, e, nil, func(kv.Reader) (*kv.Batch, error) {
					return &kv.Batch{
						Ops:  []kv.Op{{Key: make([]byte, 8), Value: make([]byte, 512)}},
						Seal: func(sequence uint64, ops []kv.Op) { binary.BigEndian.PutUint64(ops[0].Key, sequence) },
					}, nil
				})
				if err != nil {
					return // the crash
				}
				mu.Lock()
				if acknowledged = max(acknowledged, sequence); acknowledged >= before {
					once.Do(func() { close(enough) })
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	next := h.Crash(t, e)
	all.Wait()
	defer func() { check(t, next.Close(), nil) }()
	var found []uint64
	for _, p := range scan(t, next, kv.Range{}) {
		found = append(found, binary.BigEndian.Uint64([]byte(p.Key)))
	}
	if !slices.IsSorted(found) || len(found) == 0 || found[0] != 1 || found[len(found)-1] != uint64(len(found)) {
		t.Errorf("what survived is no prefix of what was committed: %d keys, %v", len(found), found)
	}
	if uint64(len(found)) < acknowledged {
		t.Errorf("%d commits survived, %d were acknowledged", len(found), acknowledged)
	}
}
