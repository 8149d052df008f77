// Package memkv is a key-value engine in memory, for tests and simulations.
//
// It keeps its content in a persistent tree, so a snapshot is a pointer. By
// default every commit is durable at once. With Config.Hold set, commits become
// durable only when the test says so: Sync and SyncTo move the watermark, Crash forgets
// what was not synced, Fail makes the next sync fail (DATA 3, 4).
package memkv
