package control

import (
	"fmt"
	"path/filepath"
)

// origin says who holds a state that this node does not take over.
type origin int

const (
	fromEtcd origin = iota
	fromPeer
)

// Conflict is why this node takes over nothing from etcd, or from a peer: what
// is there did not come from the state that is known here (ErrApart, ErrWorld).
// It is nil when all agree. Serving goes on with what is known.
func (c *Control) Conflict() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.apart[fromEtcd] != nil {
		return c.apart[fromEtcd]
	}
	return c.apart[fromPeer]
}

// noteApart keeps what Conflict tells, and logs each change of it.
func (c *Control) noteApart(from origin, err error) {
	c.mu.Lock()
	before := c.apart[from]
	c.apart[from] = err
	c.mu.Unlock()
	who := [...]string{"etcd", "a peer"}[from]
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		c.cfg.Log.Error("control takes over nothing from "+who, "error", err)
	case err == nil && before != nil:
		c.cfg.Log.Info("control agrees with " + who + " again")
	}
}

// apartFrom says what is wrong with s, and what to do.
func (c *Control) apartFrom(known, s *State) error {
	if known.ID != s.ID {
		return fmt.Errorf("%w: etcd or a peer holds world %s (id %s), this node's disk belongs to one of the same name with id %s: start the node with an empty data directory to join, or restore etcd",
			ErrWorld, s.World, s.ID, known.ID)
	}
	file := filepath.Join(c.cfg.Dir, cacheFile)
	return fmt.Errorf("%w: revision %d (%x) of etcd or a peer does not come from revision %d (%x) of this node, which keeps its own: changes were made after etcd had lost its data. "+
		"Look at both and keep one. For the other one: stop this node, move %s away and start it. For this one: stop all nodes, move %[7]s of the others and etcd's data of all away, and start them",
		ErrApart, s.Revision, s.idAt(s.Revision), known.Revision, known.idAt(known.Revision), file, cacheFile)
}
