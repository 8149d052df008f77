package table_test

import (
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/table"
)

// D8: a table that merges attributes counts only what it can.
func TestD8_CountersAreChecked(t *testing.T) {
	good := notes()
	good.Merge, good.Counters = table.MergeAttributes, []string{"likes", "views"}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	if good.SameSchema(notes()) || good.SameMerge(notes()) {
		t.Error("the merge mode is no part of the schema")
	}
	for want, change := range map[string]func(*table.Table){
		"it can only be":            func(t *table.Table) { t.Merge = "items" },
		"counters need merge":       func(t *table.Table) { t.Merge = "" },
		"one writer":                func(t *table.Table) { t.Primary = "eu" },
		"key of the table":          func(t *table.Table) { t.Counters = []string{"at"} },
		"key of the index by-owner": func(t *table.Table) { t.Counters = []string{"owner"} },
		"is the table's ttl":        func(t *table.Table) { t.TTL = "views" },
		"not inside of another":     func(t *table.Table) { t.Counters = []string{"a.b"} },
		"there twice":               func(t *table.Table) { t.Counters = []string{"a", "a"} },
		"1 to 255":                  func(t *table.Table) { t.Counters = []string{""} },
		"at most 32":                func(t *table.Table) { t.Counters = strings.Split(strings.Repeat("a,", 33), ",") },
	} {
		bad := good.Clone()
		change(&bad)
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}
