// Command conformance writes the tables of docs/tables.md that say which clients
// were run against Meridian, and which operations their cases asked for, from the
// results of such a run. make test-clients calls it:
//
//	go run ./internal/dynamo/conformance -results FILE -docs docs/tables.md
//
// FILE has a line of JSON for each case of each client. What stands between the
// two markers in the docs is written anew; the rows are the operations that the
// docs say are supported, which a test of internal/dynamo compares with the
// server's.
package main
