package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/meridian-run/meridian/internal/kv/pebblekv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// cells is how many records a history is about; few, so that writers meet.
const cells = 3

// state is what the records count.
type state [cells]uint64

// operation is one call of a client, and answer what it was told.
type operation struct {
	kind  string // get, add, if-equal, move, both, view
	a, b  int
	value uint64
}

type answer struct {
	seen    [2]uint64
	refused bool // the condition failed
	unknown bool // the call ended without an answer: it may have happened
}

// sequential says what each operation does where there is only one client.
var sequential = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) {
		now, o, got := s.(state), in.(operation), out.(answer)
		want, next := o.apply(now)
		if got.unknown {
			return true, next // a place for it is always there: behind all others it changes nothing seen
		}
		return got == want, next
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

// apply answers what a lone client is told, and the state after it.
func (o operation) apply(s state) (answer, state) {
	switch o.kind {
	case "get":
		return answer{seen: [2]uint64{s[o.a]}}, s
	case "view": // two records of one moment
		return answer{seen: [2]uint64{s[o.a], s[o.b]}}, s
	case "add": // answers the old value, as an update with returned values
		got := answer{seen: [2]uint64{s[o.a]}}
		s[o.a] += o.value
		return got, s
	case "if-equal": // a conditional write; a failed one tells what is there
		got := answer{seen: [2]uint64{s[o.a]}, refused: s[o.a] != o.value}
		if !got.refused {
			s[o.a] = o.value + 1000
		}
		return got, s
	case "move": // a transaction over two records, with a condition on one
		got := answer{seen: [2]uint64{s[o.a], s[o.b]}, refused: s[o.a] < o.value}
		if !got.refused {
			s[o.a] -= o.value
			s[o.b] += o.value
		}
		return got, s
	}
	panic("no such operation: " + o.kind)
}

var errUnmet = errors.New("the condition failed")

func cell(i int) record.Key { return key(fmt.Sprint("cell", i)) }

// perform is the same operation on a store.
func (o operation) perform(ctx context.Context, s *store.Store) (answer, error) {
	keys := []record.Key{cell(o.a)}
	if o.b != o.a {
		keys = append(keys, cell(o.b))
	}
	if o.kind == "get" {
		r, _, err := s.Get(ctx, keys[0])
		return answer{seen: [2]uint64{counted(r)}}, err
	}
	var got answer
	_, err := s.Update(ctx, keys, func(tx *store.Tx) error {
		var before state
		for i, k := range keys {
			r, _, err := tx.Get(k)
			if err != nil {
				return err
			}
			before[[]int{o.a, o.b}[i]] = counted(r)
		}
		var after state
		got, after = o.apply(before)
		if got.refused {
			return errUnmet
		}
		for i, k := range keys {
			at := []int{o.a, o.b}[i]
			if after[at] == before[at] {
				continue
			}
			if err := tx.Put(k, binary.BigEndian.AppendUint64(nil, after[at]), store.PutOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errUnmet) {
		err = nil
	}
	return got, err
}

func counted(r record.Record) uint64 {
	if len(r.Value) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(r.Value)
}

func randomOperation(random *rand.Rand) operation {
	o := operation{a: random.IntN(cells), value: uint64(random.IntN(4))}
	o.b = o.a
	o.kind = []string{"get", "add", "if-equal", "move", "view"}[random.IntN(5)]
	if o.kind == "move" || o.kind == "view" {
		o.b = (o.a + 1 + random.IntN(cells-1)) % cells
	}
	return o
}

// recorder is a history that several clients write.
type recorder struct {
	began time.Time
	mu    sync.Mutex // guards history
	list  []porcupine.Operation
}

// client performs operations until one has no answer.
func (h *recorder) client(ctx context.Context, s *store.Store, id int, random *rand.Rand, count int) {
	for range count {
		o := randomOperation(random)
		call := time.Since(h.began).Nanoseconds()
		got, err := o.perform(ctx, s)
		back := time.Since(h.began).Nanoseconds()
		if err != nil { // nobody was told: it may take effect, from now to the end
			got, back = answer{unknown: true}, math.MaxInt64
		}
		h.mu.Lock()
		h.list = append(h.list, porcupine.Operation{ClientId: id, Input: o, Output: got, Call: call, Return: back})
		h.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// TestD1_HistoriesAreLinearizable: within a region, reads, conditional writes,
// updates with returned values, failed conditions and transactions, by clients
// that run at once, have an order in which each is told what a lone client would
// be. Crashes that forget what was not synced lie between (DATA 1, 3).
func TestD1_HistoriesAreLinearizable(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			h := &recorder{began: time.Now()}
			const lives, clients, calls = 4, 5, 30
			for life := range lives {
				engine := forgetful(t, dir)
				r := newRegion(t, 1, engine, nil)
				var all sync.WaitGroup
				for c := range clients {
					random := rand.New(rand.NewPCG(seed, uint64(life*clients+c)))
					count := calls
					if c == 0 && life+1 < lives {
						// The first to end crashes the region under the others.
						count = calls / 2
					}
					all.Go(func() {
						h.client(t.Context(), r.Store, life*clients+c, random, count)
						if count < calls {
							crash(t, engine)
						}
					})
				}
				all.Wait()
				if life+1 == lives {
					if err := r.Close(); err != nil {
						t.Error(err)
					}
				}
			}
			if result, _ := porcupine.CheckOperationsVerbose(sequential, h.list, time.Minute); result != porcupine.Ok {
				t.Errorf("the history of %d operations is not linearizable: %s", len(h.list), result)
			}
		})
	}
}

func crash(t *testing.T, engine *pebblekv.Engine) {
	if err := engine.Crash(); err != nil {
		t.Error(err)
	}
}

// TestLinearizableNoticesAnomalies: the judge is awake. A read of what was
// overwritten before it began, and a lost update, are refused.
func TestLinearizableNoticesAnomalies(t *testing.T) {
	add := operation{kind: "add", value: 1}
	get := operation{kind: "get"}
	one := func(seen uint64) answer { return answer{seen: [2]uint64{seen}} }
	for name, list := range map[string][]porcupine.Operation{
		"a stale read": {
			{Input: add, Output: one(0), Call: 0, Return: 1},
			{Input: get, Output: one(0), Call: 2, Return: 3},
		},
		"a lost update": {
			{ClientId: 1, Input: add, Output: one(0), Call: 0, Return: 5},
			{ClientId: 2, Input: add, Output: one(0), Call: 1, Return: 4},
		},
		"an acknowledged write that a crash undid": {
			{ClientId: 1, Input: add, Output: one(0), Call: 0, Return: 1},
			{ClientId: 2, Input: add, Output: answer{unknown: true}, Call: 2, Return: math.MaxInt64},
			{ClientId: 3, Input: get, Output: one(0), Call: 4, Return: 5},
		},
	} {
		if porcupine.CheckOperations(sequential, list) {
			t.Errorf("%s passes", name)
		}
	}
}
