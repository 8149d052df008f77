package place

import (
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/spelling"
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
	for known, i := range x.byName {
		score, ok := resemblance(folded, known)
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
func resemblance(name, known string) (int, bool) {
	d := spelling.Distance(name, known)
	switch {
	case len(name) >= 4 && strings.HasPrefix(known, name):
		return min(d, 1), true
	case d <= 1+len(name)/4:
		return d, true
	case len(known) >= 4 && strings.HasPrefix(name, known):
		return 10 + len(name) - len(known), true
	}
	return 0, false
}
