package store_test

import (
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/table"
)

// DATA 14: what holds collection back is named: the region whose report is behind,
// and of whom; and what waits for it.
func TestDATA14_WhatHoldsCollectionBackIsNamed(t *testing.T) {
	a, b, c := newRegion(t, 1, nil, nil), newRegion(t, 2, nil, nil), newRegion(t, 3, nil, nil)
	settle(a, b, c)
	a.at(1000).put(key("k"), "x")
	b.at(1000).put(key("j"), "x")
	for _, from := range []*region{b, a} {
		to := map[*region]*region{a: b, b: a}[from]
		to.pull(from)
		to.beat(from)
	}
	a.remove(key("k"))
	a.SetReport(3, c.Report()) // C has been cut off since
	b.pull(a)
	a.SetReport(2, b.Report())
	if list, err := a.HeldBack(start); err != nil || len(list) != 0 {
		t.Errorf("nothing has waited since the start: %+v, %v", list, err)
	}
	list, err := a.HeldBack(start.Add(time.Second))
	if err != nil || len(list) != 1 {
		t.Fatalf("%d tables, %v", len(list), err)
	}
	held := list[0]
	if held.By != 3 && held.Of != 3 || held.Copying || held.Upto >= timeAt(1000) {
		t.Errorf("held back by region %d's report of region %d, up to %d", held.By, held.Of, held.Upto)
	}
	if held.Table != notes || held.Tombstones != 1 || held.Entries != 2 {
		t.Errorf("%d tombstones and %d entries of table %d wait", held.Tombstones, held.Entries, held.Table)
	}
	copying := tableIn(notes, 1, 2, 3)
	copying.Replicas[1].Since = 7
	a.SetTables([]table.Table{copying})
	if held, err := a.HeldBack(start); err != nil || len(held) != 1 || held[0].By != 2 || !held[0].Copying {
		t.Errorf("while B copies: %+v, %v", held, err)
	}
}
