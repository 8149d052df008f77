// Package pebblekv is the embedded key-value engine: Pebble in a directory of
// its own. It is the only package that imports Pebble.
//
// Commits are stamped and made visible one after the other under one mutex, and
// wait for the write-ahead log's sync outside of it, so that one sync covers all
// that came meanwhile (group commit, DATA 1).
//
// The engine never ends its process. A file system between Pebble and the disk
// sees every failed write first: it freezes the engine's watermark (DATA 4) and
// from then on drops writes, so that Pebble, which panics when its log fails,
// never learns of it. Reads of what is durable go on; reopen the directory to go
// on writing.
//
// With Config.Forgetful the engine can Crash: what was not synced, file content
// and directory entries alike, is undone, as a power cut would.
package pebblekv
