// Package replica replicates one region over a store: it pulls every peer's log and
// applies it, serves its own log to every peer, and tells how far behind each side
// is.
//
// It is made of step functions. A Session is one end of one stream; Replica.Step does
// what is due for the region: beats, dials with back-off, readiness. Time and messages
// go in, messages and what to wait for come out; nothing in them waits, and durability
// is waited for by whoever drives them. In production that is Run and Serve, with
// goroutines around the same code that the simulator steps from one queue of events.
//
// A Replica knows nothing of sockets. Config.Open opens a stream to a peer, and
// whoever accepts streams hands them to Serve. SetControl tells it who the peers
// are and which tables they hold; a newer control state that a peer passes along
// goes to Config.Adopt (DATA 25).
//
//	r := replica.New(replica.Config{Store: s, World: "notes", Region: "us-east-1", Open: open})
//	r.SetControl(control)
//	go r.Run(ctx)
//	<-r.Ready()
//
// Order is kept by construction: the session of a peer applies its frames one after
// the other, each with the cursor behind it in the same batch (DATA 12). What a peer
// sends twice has effect once. Whatever ends a stream, the next one goes on from the
// durable cursor.
package replica
