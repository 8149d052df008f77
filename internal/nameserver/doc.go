// Package nameserver is an authoritative DNS server whose answers are routing
// decisions.
//
// It serves one world: its domain, and hosts of services outside of it, each as
// a zone of its own. What it answers comes from an immutable Snapshot that
// Publish swaps in; a query never waits for a lock.
//
//	server, err := nameserver.New(nameserver.Config{PacketConns: …, Listeners: …})
//	err = server.Publish(&nameserver.Snapshot{Domain: "notes.test", …})
//	err = server.Run(ctx)
//
// Names: the service's host (`api.notes.test`, or the domain itself) answers the
// address of the region that route chooses; `api.us-east-1.notes.test` always
// that region's address, whatever its health; `ns.us-east-1.notes.test` the
// nameservers. There are no wildcards. Until the first Publish every query is
// answered SERVFAIL, so that resolvers ask another nameserver: a region
// publishes once its verdicts are settled (verdict.Board.Settled).
//
// EDNS Client Subnet follows RFC 7871: the client's network decides if it is
// given, otherwise the resolver's address; the answer's scope is the one that
// place.Locator computed, 0 where the place does not matter or the client
// disclosed nothing, and a query without the option gets a reply without it.
//
// Malformed packets get an error answer or none; nothing in them can panic the
// server. Who may be answered how often is left to the network in front.
package nameserver
