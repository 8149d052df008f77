// Package verdict turns health observations of many observers into one verdict
// for each endpoint, an endpoint being one service in one region.
//
// Every region and witness probes every endpoint and tells the others what it
// sees in a Report. Every node keeps its own Board of those reports and judges
// for itself; nobody is asked and nothing is elected:
//
//	board := verdict.NewBoard(verdict.Config{Self: "eu-west-1"}, time.Now())
//	board.Configure(verdict.Setup{Observers: peers, Targets: targets})
//	…
//	board.Add(report, time.Now())                 // own and received reports
//	for _, change := range board.Evaluate(time.Now()) { … }
//
// The rules, and why they are what they are, stand in DESIGN.md. In short: an
// observer holds an opinion after enough equal results in a row (Opinion); a
// verdict changes when more than half of the fresh opinions say so (H7); what is
// fresh is decided by when a report arrived here, on this node's monotonic
// clock, and by the sender's sequence, never by a sender's wall clock; a node
// that is cut off from everything keeps the verdicts it had.
//
// The package has no goroutine, clock or socket: `now` is always an argument,
// and must carry a monotonic reading (time.Now does) to be safe from a wall
// clock that is set.
package verdict
