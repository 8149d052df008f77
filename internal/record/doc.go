// Package record is one versioned value: its version, its context, its
// encoding, and the merge of two. It is pure: no clock, no disk, no region's
// state beyond what callers pass in.
//
// The rules that it follows are numbered in store/DESIGN.md and cited as
// "DATA n".
package record
