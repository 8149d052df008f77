// Package route decides which region a client is answered with, and says why.
//
// Decide is a pure function: policy, candidates with their verdicts, switches
// and drains, and where the client is, go in; an ordered answer and its reason
// come out, as data and as one sentence. It has no clock and no random source:
// where chance decides, the caller passes the draw.
//
//	d := route.Decide(route.Query{
//		Policy:     route.Latency,
//		Candidates: candidates,
//		Client:     locator.Locate(prefix),
//		Draw:       draw(),
//	})
//	d.Regions[0]  // the answer
//	d.Reason()    // "eu-west-1 is the nearest of 2 healthy regions to Tokyo (about 212 ms); left out: …"
//
// Every policy chooses among the best candidates there are, in this order:
//
//  1. healthy and not drained
//  2. not drained and without a verdict yet (a node that has just started)
//  3. drained but healthy, or without a verdict
//  4. nobody is healthy: as if all were (fail open, H8), those that are not
//     drained first
//
// A candidate that is switched off is never answered, not even by failing open:
// it is off because somebody said so. If all are off, there is no answer.
//
// Within that, Latency takes the shortest estimated round trip; a client whose
// place is unknown gets an equal share. Weighted follows Route 53: shares by
// weight; those of weight 0 only if no candidate with a weight can be answered;
// all 0 are equal shares. Failover takes the first in order.
package route
