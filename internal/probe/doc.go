// Package probe checks endpoints, as one observer.
//
// Every region and every witness runs one Prober. It checks each service's
// regional endpoint, in all regions, its own included, from the moment it knows
// of it and whether anybody asks for the service or not; it stops when the
// endpoint leaves the spec. What it sees goes out as verdict.Reports: those of
// the last moments as soon as there are some, at least one every half second as
// a sign of life, everything every five seconds for those who have just joined.
//
//	prober := probe.New(probe.Config{
//		Self:   "eu-west-1",
//		Dial:   dial,
//		Report: func(r verdict.Report) { board.Add(r, time.Now()); sendToPeers(r) },
//	})
//	prober.Set(probe.Setup{Targets: targets, References: references})
//	err := prober.Run(ctx)
//
// Checks are Route 53's: HTTP and HTTPS pass with a status of 200 to 399,
// redirects are not followed, certificates are not verified, the host name is
// sent as SNI; TCP passes when the connection is made. Each check is a new
// connection and carries the header Meridian-Probe with the observer's name, so
// that a gateway can tell it from use. Unlike Route 53's, the interval counts
// from start to start, so an endpoint that hangs is found out as soon as one
// that refuses, as long as its timeout is not longer than the interval.
//
// The prober also asks the reference points, once a second: whether any of them
// answers tells a node that is cut off from one that outlived all others.
package probe
