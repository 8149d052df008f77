// Package region is one running region, or a witness: it opens the parts, wires
// them to each other, and starts and stops them. `meridian serve`, the local
// world and the end-to-end tests all start regions through New and Run.
//
// The parts know nothing of each other; what one reports through a callback,
// this package hands to the next:
//
//   - control's state becomes the store's tables, the gateway's services, the
//     nameserver's snapshot and the prober's targets (apply.go);
//   - probes of this region and reports of the others meet on the verdict board,
//     whose verdicts become DNS answers and retry targets (traffic.go);
//   - regions tell each other once a second how they are (gossip.go), which is
//     what `meridian status` shows of the others;
//   - what happens is an event, a metric and a line in the log.
//
// Run ends in one of three ways: its context ends (at once, nothing is lost),
// Leave was called (the region leaves the answers first, see leave.go), or Crash
// was called (dev's `region stop`: what was not synced is forgotten).
package region
