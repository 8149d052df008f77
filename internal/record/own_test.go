package record

import (
	"maps"
	"testing"

	"github.com/meridian-run/meridian/internal/hlc"
)

// DATA 10, 18: what a region wrote into a record shows in it, also where a later
// write of another region gave a record that is merged by attribute its version.
func TestDATA18_WhatARegionWroteShows(t *testing.T) {
	p := newPlay()
	p.do(t, regionA, deed{all: true, sets: map[string]string{"k": "x", "a": "1"}}) // at 1
	p.do(t, regionA, deed{adds: map[string]int64{"v": 3}})                         // at 2
	p.held[regionB] = p.held[regionA]
	p.do(t, regionB, deed{sets: map[string]string{"b": "2"}}) // at 3
	plain := Record{Version: Version{Time: 5, Region: regionA}, Log: logOf(regionA), Value: []byte{}}
	for what, c := range map[string]struct {
		r    Record
		by   RegionID
		want map[LogID]hlc.Time
	}{
		"a record that is its own": {plain, regionA, map[LogID]hlc.Time{logOf(regionA): 5}},
		"one of another":           {plain, regionB, map[LogID]hlc.Time{}},
		"attributes and a counter": {p.held[regionB], regionA, map[LogID]hlc.Time{logOf(regionA): 2}},
		"the last attribute":       {p.held[regionB], regionB, map[LogID]hlc.Time{logOf(regionB): 3}},
	} {
		got, err := LatestBy(c.r, c.by)
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", what, got, err, c.want)
		}
	}
}
