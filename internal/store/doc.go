// Package store keeps the records of one region and their change log: one batch
// a write.
//
// A write takes its keys' locks, decides, is stamped in commit order, commits
// {record, log entry of the key, whatever observers add} and answers once that is
// durable. Nothing that a crash could undo ever leaves: not to a reader, not to a
// peer. What peers sent is merged by package record, in one batch with the
// cursor. DESIGN.md has the rules that code and tests cite as "DATA n", and the
// choices behind them.
//
// The store starts no goroutine and opens no socket. Its owner calls Collect
// from time to time, and package replica carries ReadLog's batches to the peers'
// Apply.
//
//	s, err := store.Open(ctx, store.Config{Engine: memkv.New(memkv.Config{}), World: "notes", RegionName: "eu-west-1", Region: 2})
//	s.SetTables(tables)
//	_, err = s.Update(ctx, []record.Key{key}, func(tx *store.Tx) error {
//		return tx.Put(key, value, store.PutOptions{})
//	})
//	r, found, err := s.Get(ctx, key)
package store
