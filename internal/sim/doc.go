// Package sim plays histories of several regions in one goroutine, under one
// seeded queue of events, and holds every step to what must never happen. The
// regions are the code of production: package store over an engine in memory that
// forgets what was not synced, and the machines of package replica. Time,
// network, clocks, disks and control are simulated: delay, connections that
// break, attempts that arrive twice, partitions, one-way cuts; clocks that are
// off, drift and are stepped; crashes, slow and failing disks, directories that
// are lost or restored from a copy; replicas of tables that come and go.
//
// The oracle keeps the true history: of every write, what its writer had seen.
// At each step: nothing leaves a region that its disk does not have (DATA 3), no
// crash undoes what has left, versions never run back, observers are told of each
// change once (DATA 11), nothing leaves its residency (DATA 22). When all is
// mended and the world has come to rest: all regions hold the same, tombstones
// are gone (DATA 14), and every acknowledged write is in the causal past of the
// current one or has a receipt, which only writes have that truly lost unseen
// (DATA 6, 8): where a table merges by attribute, each value and each increment
// (DATA 10). Nobody acts as the primary of an epoch that is over (DATA 19), expiries
// come when their time is up (DATA 9), image logs say what happened, in order, and indexes,
// those too that are added to tables with records, are those of the records. A region whose directory was lost or restored may lose what no
// other directory held, and nothing else (DATA 5, 18).
//
// A history is a script: Generate draws one from a seed, testdata has those that
// are kept, Shrink makes a failing one smaller. The same script gives the same
// trace. A line is a command, "@1.5s" in front of one says when:
//
//	regions A B C             delay A B 40ms           sync A 2ms
//	table 1 A B C [images=1h] [merge=attributes counters=n] [primary=A]
//	beat 500ms                skew 500ms               restless
//	retention BYTES 2s
//	put A 1/k v [TTL]         delete A 1/k             get A 1/k
//	create A 1/k v            swap A 1/k v             txn A 1/k=v 2/j
//	fill A 1/p 9 1000         update A 1/k a=v b= n+
//	cut A B, heal A B         cutway A B, healway A B  reset A B
//	crash A, stop A, start A  die A                    copy A, restore A
//	lose A
//	fail A, mend A            slow A 100ms
//	step A -1s                drift A 500              set A 10s
//	give 1 C, take 1 C        apart A, reached A       collect A
//	promote 1 B [force]       remove A                 index 1 x, unindex 1 x
//	ttl 1 a
//	advance 2s                settle                   expect A 1/k v
//
//	r, err := sim.Run(sim.Generate(7), os.Stdout)
package sim
