package region

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replica"
	"github.com/meridian-run/meridian/internal/table"
)

// How long a write waits for its second copy before it is answered with an error,
// or, of tables that may, acknowledged with one.
const (
	copyWait    = 10 * time.Second
	degradeWait = 2 * time.Second
)

// copies waits for the second copies of writes (D11).
type copies struct {
	region  *Region
	replica *replica.Replica

	mu      sync.Mutex // guards reduced
	reduced map[record.TableID]time.Time
}

// others are the regions that a table's second copy may be in.
func (c *copies) others(t table.Table) (names []string) {
	for _, r := range t.Replicas {
		if r.Region != c.region.cfg.Name && r.Complete() {
			names = append(names, r.Region)
		}
	}
	return names
}

// Before refuses a write to a table that insists on a second copy while no other
// region pulls from this one.
func (c *copies) Before(tables []table.Table) error {
	for _, t := range tables {
		others := c.others(t)
		if t.Copies < 2 || t.Degrade || c.replica.Pulled(others) {
			continue
		}
		return fmt.Errorf("Table %s asks for a second copy of each write (durability: copies: 2), and %s has no other region to give it to: %s cannot be reached. Nothing was written; reads go on",
			t.Name, c.region.cfg.Name, orNone(others))
	}
	return nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no other region has the table whole, and one that has"
	}
	return strings.Join(names, " or ")
}

// After waits for the second copy of what was written up to a sequence. Tables
// that may do with one then do, visibly.
func (c *copies) After(ctx context.Context, tables []table.Table, sequence uint64) error {
	for _, t := range tables {
		if t.Copies < 2 {
			continue
		}
		wait := copyWait
		if t.Degrade {
			wait = degradeWait
		}
		bounded, cancel := context.WithTimeout(ctx, wait)
		err := c.replica.Copied(bounded, sequence, c.others(t))
		cancel()
		switch {
		case err == nil:
			c.restored(t)
		case t.Degrade && ctx.Err() == nil:
			c.degraded(t)
		case errors.Is(err, context.DeadlineExceeded):
			return fmt.Errorf("none has confirmed it within %v", wait)
		default:
			return err
		}
	}
	return nil
}

// degraded counts a write that was acknowledged with one copy.
func (c *copies) degraded(t table.Table) {
	c.region.metrics.degraded.WithLabelValues(t.Name).Inc()
	c.mu.Lock()
	_, known := c.reduced[t.ID]
	if !known {
		c.reduced[t.ID] = time.Now()
	}
	c.mu.Unlock()
	if !known {
		c.happened(t, fmt.Sprintf("%s acknowledges writes to table %s with one copy: no second region has them in time", c.region.cfg.Name, t.Name))
	}
}

// restored ends that, once a write has its second copy.
func (c *copies) restored(t table.Table) {
	c.mu.Lock()
	_, was := c.reduced[t.ID]
	delete(c.reduced, t.ID)
	c.mu.Unlock()
	if was {
		c.happened(t, fmt.Sprintf("writes to table %s in %s have two copies again", t.Name, c.region.cfg.Name))
	}
}

func (c *copies) happened(_ table.Table, text string) {
	c.region.happened(event.Event{Kind: event.Copies, Region: c.region.cfg.Name, Text: text})
}

// describe lists the tables whose writes do not get their second copy.
func (c *copies) describe(tables []table.Table) (out []client.Copies) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range tables {
		others := c.others(t)
		if t.Copies < 2 || !t.In(c.region.cfg.Name) {
			continue
		}
		since, degraded := c.reduced[t.ID]
		reached := c.replica.Pulled(others)
		if reached && !degraded {
			continue
		}
		out = append(out, client.Copies{Table: t.Name, Refused: !t.Degrade, Since: since})
	}
	slices.SortFunc(out, func(a, b client.Copies) int { return strings.Compare(a.Table, b.Table) })
	return out
}
