package control

import (
	"context"
	"slices"
	"time"
)

const (
	// quorumEvery is how often an embedded member looks at its leader, and
	// externalEvery how often an external cluster is asked.
	quorumEvery   = 250 * time.Millisecond
	externalEvery = 2 * time.Second
	// progressEvery is how often a node that has no quorum asks who is missing,
	// and says so while it has nothing to serve from.
	progressEvery = 5 * time.Second
	// tendEvery is how often the leader looks whether the members are those that
	// they should be.
	tendEvery = 2 * time.Second
)

// watchQuorum keeps QuorumOK and Missing up to date until ctx ends.
func (c *Control) watchQuorum(ctx context.Context, b *backend) {
	every := quorumEvery
	if b.member == nil {
		every = externalEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	began, asked, tended := time.Now(), time.Time{}, time.Time{}
	for {
		ok := c.hasQuorum(ctx, b)
		if ctx.Err() != nil {
			return
		}
		c.noteQuorum(ok)
		// A fresh cluster gets a moment to elect before anyone is called missing.
		if !ok && time.Since(began) > c.cfg.election() && time.Since(asked) > progressEvery {
			c.findMissing(ctx, b)
			asked = time.Now()
		}
		if ok && b.member != nil && time.Since(tended) > tendEvery {
			want := c.wanted.Load()
			b.member.tend(ctx, b, want)
			if err := b.member.remember(want); err != nil {
				c.cfg.Log.Error("control's members not kept on disk", "error", err)
			}
			tended = time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (c *Control) hasQuorum(ctx context.Context, b *backend) bool {
	if b.member != nil {
		return b.member.hasLeader()
	}
	ctx, cancel := context.WithTimeout(ctx, externalEvery)
	defer cancel()
	_, err := b.client.Get(ctx, c.key(statePrefix, worldKey))
	return err == nil
}

// noteQuorum records a change, and logs it once.
func (c *Control) noteQuorum(ok bool) {
	c.mu.Lock()
	if c.quorum == ok {
		c.mu.Unlock()
		return
	}
	c.quorum, c.since = ok, c.cfg.Now()
	if ok {
		c.missing, c.led = nil, [2]string{}
	}
	c.mu.Unlock()
	if ok {
		c.cfg.Log.Info("control has a leader and a quorum")
	} else {
		c.cfg.Log.Warn("control has no leader (an election, or no quorum): serving goes on, changes wait")
	}
}

func (c *Control) findMissing(ctx context.Context, b *backend) {
	if b.member == nil {
		c.setMissing([]string{"etcd"}, [2]string{})
		return
	}
	missing, led := b.member.missing(ctx, c.wanted.Load())
	if ctx.Err() != nil || b.member.hasLeader() {
		return
	}
	c.setMissing(missing, led)
}

// setMissing logs who is missing: each time while the node cannot serve, else
// when it changes.
func (c *Control) setMissing(names []string, led [2]string) {
	c.mu.Lock()
	changed, fresh := !slices.Equal(c.missing, names), c.state == nil
	c.missing, c.led = names, led
	c.mu.Unlock()
	if changed || fresh {
		c.cfg.Log.Info("control waits for members", "missing", names, "serving", !fresh)
	}
}

// Leader names the member that leads; empty if this one hears none, before the
// start, and for an external etcd.
func (c *Control) Leader() string {
	c.mu.Lock()
	b := c.backend
	c.mu.Unlock()
	if b == nil || b.member == nil {
		return ""
	}
	return b.member.leader()
}
