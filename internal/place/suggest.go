package place

import (
	"slices"
	"strings"
)

const (
	// suggestionsMax is how many names an error message can carry and still
	// be read.
	suggestionsMax = 3
	// resembledMax is the longest name, in bytes, that is compared at all:
	// the comparison takes time in proportion to it, and no place's name is
	// nearly as long.
	resembledMax = 64
)

// Suggest returns up to three built-in names that resemble the name, the most
// similar first; none if nothing does. "Sidney" gives "Sydney".
func Suggest(name string) []string {
	folded := fold(name)
	if folded == "" || len(folded) > resembledMax {
		return nil
	}
	x := builtin()
	type candidate struct {
		name  string
		score int
	}
	best := make(map[int]int) // position in x.all → lowest score of its spellings
	for spelling, i := range x.byName {
		score, ok := resemblance(folded, spelling)
		if old, seen := best[i]; ok && (!seen || score < old) {
			best[i] = score
		}
	}
	var found []candidate
	for i, score := range best {
		found = append(found, candidate{x.all[i].Name, score})
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if a.score != b.score {
			return a.score - b.score
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, c := range found[:min(len(found), suggestionsMax)] {
		names = append(names, c.name)
	}
	return names
}

// resemblance is lower for the more similar, and false for what no one would
// have meant.
func resemblance(name, spelling string) (int, bool) {
	d := edits(name, spelling)
	switch {
	case len(name) >= 4 && strings.HasPrefix(spelling, name):
		return min(d, 1), true
	case d <= 1+len(name)/4:
		return d, true
	case len(spelling) >= 4 && strings.HasPrefix(name, spelling):
		return 10 + len(name) - len(spelling), true
	}
	return 0, false
}

// edits is the number of single-byte edits (insert, delete, replace, swap
// of two neighbours) that turn a into b.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
