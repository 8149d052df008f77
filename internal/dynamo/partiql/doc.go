// Package partiql reads DynamoDB's dialect of PartiQL, and says what a statement
// means in the terms of the other operations: keys, conditions, updates and
// projections of package expr. It is pure: no clock, no store, no tables.
//
//	s, err := partiql.Parse(`SELECT * FROM "notes" WHERE pk = ? AND n > 5`)
//	b, err := s.Bind(parameters)
//	read, err := b.Read(partiql.Keys{Hash: keys, Sort: sorts}) // what to look up, and the filter
//
// A statement has at most 8192 characters and nests to a bounded depth. Errors
// are *Error, with AWS's messages where they are known, and the place of the
// mistake; *expr.Error and *item.InvalidError where operands and values are wrong.
package partiql
