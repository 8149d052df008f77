package function

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func at(seconds int) time.Time { return time.Unix(1_000_000+int64(seconds), 0) }

func got(t *testing.T, w *waiter[int]) outcome[int] {
	t.Helper()
	select {
	case o := <-w.outcome:
		return o
	default:
		t.Fatal("the call still waits")
		return outcome[int]{}
	}
}

func TestEachWaitingCallStartsOneInstance(t *testing.T) {
	p := &pool[int]{max: 2, queue: 1}
	first, grow1 := p.wait()
	second, grow2 := p.wait()
	third, grow3 := p.wait()
	if !grow1 || !grow2 || grow3 || third == nil {
		t.Errorf("got starts %v %v %v, want two, and a third call in the queue", grow1, grow2, grow3)
	}
	if w, _ := p.wait(); w != nil {
		t.Error("a fourth call was queued")
	}
	p.started(1, at(0))
	p.started(2, at(0))
	if a, b := got(t, first), got(t, second); a.instance != 1 || b.instance != 2 {
		t.Errorf("got instances %d and %d in order, want 1 and 2", a.instance, b.instance)
	}
	p.offer(1, at(1))
	if o := got(t, third); o.instance != 1 {
		t.Errorf("the queued call got instance %d, want the first that was free", o.instance)
	}
}

func TestCallWaitsForAnInstanceThatIsAboutToBeFree(t *testing.T) {
	p := &pool[int]{max: 2, queue: 1}
	p.wait()
	p.started(1, at(0))
	p.freeing = 1
	w, grow := p.wait()
	if grow {
		t.Error("another instance starts at once")
	}
	if !p.growAnyway() {
		t.Error("no other instance starts after the patience")
	}
	p.freeing = 0
	p.offer(1, at(0))
	if o := got(t, w); o.instance != 1 {
		t.Errorf("got %v", o)
	}
}

func TestFailedStartFailsOneCallAndTheNextTriesAgain(t *testing.T) {
	p := &pool[int]{max: 1, queue: 1}
	first, _ := p.wait()
	second, _ := p.wait()
	broken := errors.New("broken")
	if !p.startFailed(broken) {
		t.Error("nothing starts for the second call")
	}
	if o := got(t, first); o.err != broken {
		t.Errorf("the first call got %v, want %v", o.err, broken)
	}
	if len(second.outcome) != 0 {
		t.Error("the second call was failed too")
	}
}

func TestIdleInstancesExpireByTheirLastUse(t *testing.T) {
	p := &pool[int]{max: 4, queue: 1, live: 4}
	for _, r := range []rest[int]{{1, at(3)}, {2, at(1)}, {3, at(2)}} {
		if !p.offer(r.instance, r.since) {
			t.Fatalf("instance %d was not kept", r.instance)
		}
	}
	if p.offer(4, time.Time{}) {
		t.Error("an instance that was never used is kept")
	}
	if ended, next := p.expire(at(2)); !slices.Equal(ended, []int{2, 3}) || next != at(3) {
		t.Errorf("got %v ended, next %v, want 2 and 3, and instance 1's", ended, next)
	}
	if in, ok := p.take(); !ok || in != 1 {
		t.Errorf("got %d, want 1", in)
	}
}

// TestPoolKeepsItsBounds walks at random and checks what must always hold.
func TestPoolKeepsItsBounds(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		p := &pool[int]{max: 1 + rng.IntN(4), queue: rng.IntN(4)}
		var waiting []*waiter[int]
		var busy []int
		starts, instance := 0, 0
		grown := func(more bool) {
			if more {
				starts++
			}
		}
		for step := range 300 {
			now := at(step)
			switch rng.IntN(7) {
			case 0, 1: // a call
				if in, ok := p.take(); ok {
					busy = append(busy, in)
				} else if w, more := p.wait(); w != nil {
					waiting = append(waiting, w)
					grown(more)
				} else if p.live < p.max {
					t.Fatalf("seed %d step %d: refused with %d of %d instances", seed, step, p.live, p.max)
				}
			case 2: // a start succeeds
				if starts > 0 {
					starts--
					instance++
					p.started(instance, now)
				}
			case 3: // or fails
				if starts > 0 {
					starts--
					grown(p.startFailed(errors.New("broken")))
				}
			case 4: // a call ends
				if len(busy) > 0 {
					in := busy[0]
					busy = busy[1:]
					p.offer(in, now)
				}
			case 5: // an instance crashes
				if len(busy) > 0 {
					grown(p.gone(busy[0]))
					busy = busy[1:]
				}
			case 6: // a call leaves, or idle ones expire
				if len(waiting) > 0 && rng.IntN(2) == 0 {
					if p.leave(waiting[0]) {
						waiting = waiting[1:]
					}
				} else {
					ended, _ := p.expire(at(step - 20))
					for _, in := range ended {
						grown(p.gone(in))
					}
				}
			}
			still := waiting[:0]
			for _, w := range waiting {
				select {
				case o := <-w.outcome:
					if o.err == nil {
						busy = append(busy, o.instance)
					}
				default:
					still = append(still, w)
				}
			}
			waiting = still
			if p.live > p.max || p.live != starts+len(busy)+len(p.idle) || p.starting != starts {
				t.Fatalf("seed %d step %d: %d live (at most %d), %d starting; truly %d starting, %d busy, %d idle",
					seed, step, p.live, p.max, p.starting, starts, len(busy), len(p.idle))
			}
			if len(p.waiting) > 0 && (len(p.idle) > 0 || p.starting < len(p.waiting) && p.live < p.max) {
				t.Fatalf("seed %d step %d: %d calls wait beside %d idle and %d starting of %d live", seed, step, len(p.waiting), len(p.idle), p.starting, p.live)
			}
			if len(waiting) != len(p.waiting) {
				t.Fatalf("seed %d step %d: %d calls without an outcome, %d in the queue", seed, step, len(waiting), len(p.waiting))
			}
		}
	}
}
