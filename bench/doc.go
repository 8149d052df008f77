// Command bench measures Meridian beside what it is compared with, and writes
// bench/RESULTS.md: `make bench`.
//
// Whatever is compared runs in the same rounds, one after another, several
// times; the tables show medians and the range over the rounds. It needs what
// `make build` makes, and loopback. With npm it also runs dynalite, a DynamoDB
// server in JavaScript; without, that comparison is left out and the results say
// so.
//
//	go run ./bench                 # everything, about five minutes
//	go run ./bench -only tables    # one section, printed only
package main
