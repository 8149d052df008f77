package dynamo

import (
	"slices"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// burst is how long unused throughput is kept for later, as on AWS.
const burst = 300 * time.Second

// throttledMax bounds the tables whose consumption is remembered.
const throttledMax = 2 * tablesMax

// bucket is what may still be consumed of one kind of throughput. It begins
// full, with a burst; a request may begin while there is anything left, and what
// it costs is taken afterwards, also beyond zero.
type bucket struct {
	spent float64 // of a full bucket
	at    time.Time
}

// left is what may be consumed now, at a rate of units a second.
func (b *bucket) left(rate float64, now time.Time) float64 {
	full := rate * burst.Seconds()
	if passed := now.Sub(b.at); passed > 0 {
		b.spent = max(0, b.spent-rate*passed.Seconds())
		b.at = now
	}
	b.spent = min(b.spent, 2*full) // the rate may have been lowered, or many began at once
	return full - b.spent
}

func (b *bucket) take(units float64) { b.spent += units }

// throttles are the buckets of the tables that want to be throttled.
type throttles struct {
	mu      sync.Mutex // guards buckets
	buckets map[record.TableID]*buckets
}

type buckets struct{ reads, writes bucket }

// with calls fn with a table's bucket of reads, or of writes.
func (t *throttles) with(id record.TableID, writes bool, fn func(*bucket)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buckets) >= throttledMax {
		t.buckets = nil // most are of tables that are gone
	}
	b := t.buckets[id]
	if b == nil {
		b = &buckets{}
		if t.buckets == nil {
			t.buckets = map[record.TableID]*buckets{}
		}
		t.buckets[id] = b
	}
	if writes {
		fn(&b.writes)
	} else {
		fn(&b.reads)
	}
}

// throttled is a table of a request that wants to be throttled.
type throttled struct {
	table  table.Table
	writes bool
	units  float64 // what the request has cost
}

// admit refuses a request on a table that wants to be throttled and has nothing
// left. Tables and their indexes share one throughput.
func (c *call) admit(t table.Table) error {
	rate := t.Settings.Enforced(c.server.config.Region)
	if rate == (table.Throughput{}) {
		return nil
	}
	x := throttled{table: t, writes: slices.Contains(c.touched, touched{t.Name, writes})}
	of := rate.Read
	if x.writes {
		of = rate.Write
	}
	if of == 0 || slices.ContainsFunc(c.throttled, func(x throttled) bool { return x.table.ID == t.ID }) {
		return nil // and it is charged once
	}
	var left float64
	c.server.throttles.with(t.ID, x.writes, func(b *bucket) { left = b.left(float64(of), c.server.config.Now()) })
	if left > 0 {
		c.throttled = append(c.throttled, x)
		return nil
	}
	if t.Settings.Provisioned == nil {
		return refusal("ThrottlingException", "Throughput exceeds the maximum OnDemandThroughput configured on table or index")
	}
	return refusal("ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.")
}

// measures reports whether somebody wants to know what the request costs.
func (c *call) measures() bool { return c.wantsCapacity() || len(c.throttled) > 0 }

// charge notes what the request has cost a table.
func (c *call) charge(name string, units consumed) {
	for i := range c.throttled {
		if c.throttled[i].table.Name == name {
			c.throttled[i].units = units.total()
		}
	}
}

// settle takes what the request has cost from its tables.
func (c *call) settle() {
	for _, x := range c.throttled {
		c.server.throttles.with(x.table.ID, x.writes, func(b *bucket) { b.take(x.units) })
	}
	c.throttled = c.throttled[:0]
}
