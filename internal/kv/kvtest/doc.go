// Package kvtest holds the tests that every key-value engine passes: package
// kv's contract, clause by clause.
//
//	func TestEngine(t *testing.T) {
//		kvtest.Run(t, kvtest.Harness{Open: open, Reopen: reopen, Crash: crash})
//	}
package kvtest
