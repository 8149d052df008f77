package store_test

import (
	"testing"

	"github.com/meridian-run/meridian/internal/kv/memkv"
)

// DATA 17: a directory that began empty says so, across restarts and crashes, until
// it has been given its tables; then never again.
func TestDATA17_AnEmptyDirectoryIsUnsettledUntilItHasItsTables(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	again := func() {
		t.Helper()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		r.open(r.engine.(*memkv.Engine).Reopen(memkv.Config{}))
	}
	for range 2 {
		if !r.Unsettled() {
			t.Fatal("a directory that began empty claims to have its tables")
		}
		again()
	}
	if err := r.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r.Unsettled() {
			t.Fatal("what was noted durably is forgotten")
		}
		again()
	}
}
