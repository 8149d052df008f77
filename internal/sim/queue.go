package sim

import (
	"container/heap"
	"time"
)

// queue is what is to happen, in the order of virtual time; what falls on one
// moment happens in the order in which it was asked for.
type queue struct {
	now    time.Duration // since the start
	number uint64
	events events
}

type event struct {
	at     time.Duration
	number uint64
	do     func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	if q[i].at != q[j].at {
		return q[i].at < q[j].at
	}
	return q[i].number < q[j].number
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return x
}

// after makes do happen once d has passed.
func (q *queue) after(d time.Duration, do func()) { q.at(q.now+max(d, 0), do) }

func (q *queue) at(t time.Duration, do func()) {
	q.number++
	heap.Push(&q.events, event{at: max(t, q.now), number: q.number, do: do})
}

// next moves time to the first event that is due by until and answers it; nil if
// there is none, and time is until.
func (q *queue) next(until time.Duration) func() {
	if len(q.events) == 0 || q.events[0].at > until {
		q.now = max(q.now, until)
		return nil
	}
	x := heap.Pop(&q.events).(event)
	q.now = x.at
	return x.do
}
