// Package table is what the regions agree on about a table: its name, keys,
// indexes, replicas and state. control keeps it, the wire APIs and the store
// read it.
package table
