// Package gateway ends HTTP in a region: it maps a host to a service and sends
// the request to the service's function or backend there.
//
// What it promises:
//   - HTTP/1.1 and HTTP/2 on one port, in the clear and over TLS. A function sees
//     HTTP API events (payload 2.0).
//   - Every response carries X-Request-Id, and Meridian-Region: the region whose
//     function or backend answered. An error that a gateway made, and not the
//     service, has its kind in Meridian-Error.
//   - When the local target fails before it has responded, a request that is safe
//     to repeat (GET, HEAD, OPTIONS, or any with an Idempotency-Key, whose body
//     fits ReplayMax) goes to the next healthy regions. Meridian-Via then names
//     the region that passed it on, and a request passed on is never passed on
//     again. A refused call (429), an exceeded deadline (504) and a request to a
//     regional name stay where they are: a full region must not fill the others.
//   - A service's deep health check runs at most once per Every, whoever asks; see
//     check.go for what probes get from a function that is scaled to zero.
//   - No request, response or panic of a handler ends the process.
//
// What it leaves to others: which regions are healthy (Peers), DNS, what a
// function is (Function), metrics (Metrics).
//
//	gw := gateway.New(gateway.Config{Region: "eu-west-1", Log: log})
//	gw.Publish(&gateway.Snapshot{Services: services})
//	gw.SetReady(true, "")
//	err := gw.Run(ctx, gateway.Listeners{Plain: []net.Listener{listener}})
package gateway
