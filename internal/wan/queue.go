package wan

import (
	"os"
	"sync"
	"time"
)

// queueBytesMax bounds what is under way in one direction of a connection: more
// than link's window of 8 MB, so that it is the peers' windows that act. A full
// queue makes a stream's writer wait and drops datagrams.
const queueBytesMax = 16 << 20

// retransmission is added, with a round trip, to a stream's chunk that was lost:
// the least retransmission timeout of common systems.
const retransmission = 200 * time.Millisecond

// chunk is what one write, or one datagram, carries. A chunk with end set
// carries no data: its side writes no more, for that reason.
type chunk struct {
	data []byte
	due  time.Time
	end  error
}

// queue holds the chunks of one direction of a connection until each is due and
// the way is open. One goroutine at a time pushes and one pops.
type queue struct {
	net      *Network
	way      pair
	datagram bool
	sticky   bool // an end stays, so that every later pop meets it

	arrived chan struct{} // size 1: one token wakes the one who pops
	room    chan struct{} // size 1: one token wakes the one who pushes
	failed  chan struct{} // closed by fail

	// mu guards what follows.
	mu     sync.Mutex
	chunks []chunk
	bytes  int
	last   time.Time // streams keep their order: no chunk is due before this
	err    error
}

func newQueue(n *Network, way pair, datagram bool) *queue {
	return &queue{
		net: n, way: way, datagram: datagram,
		arrived: make(chan struct{}, 1),
		room:    make(chan struct{}, 1),
		failed:  make(chan struct{}),
	}
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fail ends the queue and forgets what is in it; pushes and pops answer err.
func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
		q.chunks, q.bytes = nil, 0
		close(q.failed)
	}
}

// push enqueues a chunk; a stream waits for room until expired is closed.
func (q *queue) push(c chunk, expired <-chan struct{}) error {
	delay := q.net.delay(q.way)
	if q.net.lost(q.way) {
		if q.datagram {
			return nil
		}
		delay += 2*delay + retransmission
	}
	c.due = time.Now().Add(delay)
	for {
		full, err := q.add(c)
		if err != nil || !full || q.datagram {
			return err
		}
		select {
		case <-q.room:
		case <-q.failed:
		case <-expired:
			return os.ErrDeadlineExceeded
		}
	}
}

func (q *queue) add(c chunk) (full bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return false, q.err
	}
	if q.bytes > 0 && q.bytes+len(c.data) > queueBytesMax {
		return true, nil
	}
	if !q.datagram && c.due.Before(q.last) {
		c.due = q.last
	}
	q.last = c.due
	q.chunks = append(q.chunks, c)
	q.bytes += len(c.data)
	token(q.arrived)
	return false, nil
}

// pop waits until the next chunk is due and the way is open, and answers it; at
// most limit bytes of a stream's. It ends with os.ErrDeadlineExceeded when
// expired is closed, with the queue's error, or with the chunk's end.
func (q *queue) pop(limit int, expired <-chan struct{}) ([]byte, error) {
	for {
		c, wait, healed, err := q.next(limit)
		if err != nil {
			return nil, err
		}
		if wait == 0 && healed == nil {
			return c.data, c.end
		}
		var due <-chan time.Time
		arrived := q.arrived
		if wait > 0 {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			due, arrived = timer.C, nil
		} else if wait == 0 {
			arrived = nil
		}
		select {
		case <-arrived:
		case <-due:
		case <-healed:
		case <-q.failed:
		case <-expired:
			return nil, os.ErrDeadlineExceeded
		}
	}
}

// next answers the first chunk if it may leave now. Otherwise it answers how
// long to wait (negative: until one arrives), or what to wait for when the way
// is cut. Datagrams that become due during a cut are dropped.
func (q *queue) next(limit int) (c chunk, wait time.Duration, healed <-chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.err != nil {
			return chunk{}, 0, nil, q.err
		}
		if len(q.chunks) == 0 {
			return chunk{}, -1, nil, nil
		}
		first := &q.chunks[0]
		if left := time.Until(first.due); left > 0 {
			return chunk{}, left, nil, nil
		}
		size := len(first.data)
		if !q.datagram {
			size = min(size, limit)
		}
		open, changed := q.net.open(q.way, size)
		if !open && !q.datagram {
			return chunk{}, 0, changed, nil
		}
		c = *first
		if size < len(first.data) {
			c.data, first.data = first.data[:size], first.data[size:]
		} else if first.end == nil || !q.sticky {
			q.chunks = q.chunks[1:]
		}
		q.bytes -= size
		token(q.room)
		if open {
			return c, 0, nil, nil
		}
	}
}
