// Package world runs every region of a spec in one process, joined by a
// simulated wide-area network: `meridian dev`, and the end-to-end tests.
//
// Region n listens on its own loopback address, 127.0.(10·n).1, with the ports
// of a real one; where there is only 127.0.0.1, on that with port + 100·n. All
// ports are bound before anything starts, and every conflict is told at once.
// Every byte between regions goes through package wan.
//
// A World is also the controller of its regions: it stops one as a power cut
// would, starts it again, cuts and heals the network, and makes requests as a
// client at some place would.
package world
