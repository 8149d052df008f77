// Package replica drives replicate over a store: it pulls every peer's log and
// applies it, serves its own log to every peer, and tells how far behind each
// side is. The same code runs in production and in tests with a simulated WAN.
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
// Order is kept by construction: one goroutine a peer applies its frames one
// after the other, each with the cursor behind it in the same batch (DATA 12).
// What a peer sends twice has effect once. Whatever ends a stream, the next one
// goes on from the durable cursor.
package replica
