// Package admin is the HTTP API behind the command line and the status page.
//
//	GET  /                        the status page (package dashboard)
//	GET  /v1/status               client.Status
//	GET  /v1/lookup?name=&from=   client.Lookup
//	GET  /v1/spec                 client.Spec
//	GET  /v1/env?region=          client.Environment
//	POST /v1/drain, /v1/undrain   client.DrainRequest → client.Drained
//	POST /v1/apply                client.ApplyRequest → client.Applied
//	POST /v1/request              client.Request → client.Response (dev)
//	POST /v1/region/NAME/VERB     client.CutRequest → client.Done (dev);
//	                              VERB is stop, start, cut or heal
//	GET  /metrics                 Prometheus
//
// It decides who may ask and how answers and errors look as JSON; what the
// answers are is the business of the Region and the Dev behind it. Every call
// needs the token ("Authorization: Bearer …"), but for the page itself, which
// holds no data, and, for a client on the same machine, the status and the
// metrics.
//
// An error is client.Error as JSON. A Region or Dev returns a *client.Error to
// say what is wrong; anything else is a defect: code "internal" outside, and
// one log line with the whole error inside.
package admin
