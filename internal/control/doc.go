// Package control keeps what the regions of a world must agree on: the applied
// spec, the regions' ids, tables, drains and leases. It is small, changes
// rarely, and lives in etcd: a member embedded in each region and witness, or
// a cluster that you run.
//
// Serving never depends on it. Every node keeps the last state on disk and goes
// on from there when the quorum is gone; only changes wait for it. State gives
// the newest state known, Changed wakes whoever follows it, and Adopt takes a
// newer state from a peer when etcd cannot be reached (DATA 25).
//
// A world is seeded once: the first node to find etcd empty writes its spec
// file, or the state that it knows from disk. Afterwards the applied revision
// wins, and a node started with another file reports it and uses the applied
// one.
//
//	c, err := control.New(control.Config{World: "notes", Region: "eu-west-1", Dir: dir, Seed: seed, Embedded: member})
//	go c.Run(ctx)
//	err = c.Ready(ctx)
//	state := c.State()
//
// Every change reads the state, computes the next one and writes the
// difference in one transaction that the state's revision guards, so changes
// from several regions are one sequence. DESIGN.md says why.
package control
