// Package dynamo serves the DynamoDB JSON protocol over the store, so that AWS
// SDKs and tools work unchanged: every request is verified (SigV4), decoded with
// item, validated in AWS's order and words, and answered as AWS would.
//
//	handler := dynamo.New(dynamo.Config{Store: s, Catalog: c, Keys: keyring, Region: "eu-west-1"})
//	http.Serve(listener, handler)
//
// Conditions are judged by this region alone, as in global tables; a write is
// durable here before it is answered and reaches the other regions through
// replication. Index keeps global secondary indexes: a store.Observer whose
// entries commit with the record they come from, in whatever order records
// arrive.
//
// The package decides nothing about tables: Catalog does, and the regions agree
// there. What is not supported answers UnknownOperationException or, for a
// parameter, a ValidationException that says so; nothing is ignored that would
// change what a request means.
package dynamo
