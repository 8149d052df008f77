package region

import "sync"

// reportsUnderWay bounds the reports on their way to one peer; more are dropped,
// and the next full one makes up for them.
const reportsUnderWay = 8

// couriers bounds what is on its way to each peer.
type couriers struct {
	mu       sync.Mutex // guards underWay and ended
	underWay map[string]int
	ended    bool // running is waited for: nothing more may join it
	running  sync.WaitGroup
}

// wait lets nobody leave any more and waits for all who have.
func (c *couriers) wait() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.running.Wait()
}

func (c *couriers) send(peer string, post func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.underWay == nil {
		c.underWay = map[string]int{}
	}
	if c.ended || c.underWay[peer] >= reportsUnderWay {
		return
	}
	c.underWay[peer]++
	c.running.Go(func() {
		post()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.underWay[peer]--
	})
}
