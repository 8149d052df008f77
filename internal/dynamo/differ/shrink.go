package differ

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shrinkMax bounds the attempts to make a history smaller.
const shrinkMax = 600

// Shrink makes a history in which d was found as small as it can: first by
// leaving requests out, then by leaving out parts of those that remain. It
// answers the difference that is left, which need not be the same.
func (a Arena) Shrink(ctx context.Context, h History, d *Difference) (History, *Difference, error) {
	if d.Who != dynaliteName {
		a.Dynalite = nil // the two differ without it
	}
	s := &shrinker{ctx: ctx, arena: a, best: h[:d.At+1], found: d, left: shrinkMax}
	s.drop()
	for at := len(s.best) - 1; at >= 0; at-- {
		if at < len(s.best) && s.best[at].Operation != "CreateTable" {
			s.simplify(at)
		}
	}
	s.left = max(s.left, 2*len(s.best))
	s.drop() // of what the simpler requests do not need any more
	return s.best, s.found, s.err
}

type shrinker struct {
	ctx   context.Context
	arena Arena
	best  History
	found *Difference
	left  int
	err   error
}

// drop leaves out whole requests: half of them, then a quarter, at last one.
func (s *shrinker) drop() {
	for size := len(s.best) / 2; size > 0; size /= 2 {
		for at := len(s.best) - 1 - size; at >= 0; at -= size {
			if at+size < len(s.best) {
				s.try(slices.Concat(s.best[:at], s.best[at+size:]))
			}
		}
	}
}

// try takes a history if it still shows a difference of the same operation.
func (s *shrinker) try(h History) bool {
	if s.left == 0 || s.err != nil {
		return false
	}
	s.left--
	d, err := s.play(h)
	if err != nil && s.ctx.Err() != nil {
		s.err = err
	}
	if err != nil || d == nil || d.Who != s.found.Who || d.Step.Operation != s.found.Step.Operation || d.field() != s.found.field() {
		return false
	}
	s.best, s.found = h[:d.At+1], d
	return true
}

// play is Play; a request of which so much was left out that the model does not
// know its form counts as an error.
func (s *shrinker) play(h History) (d *Difference, err error) {
	defer func() {
		if stopped := recover(); stopped != nil {
			err = fmt.Errorf("the model stopped: %v", stopped)
		}
	}()
	d, _, err = s.arena.Play(s.ctx, h)
	return d, err
}

// field is what differs: the status, the type, the message, or a member.
func (d *Difference) field() string {
	name, _, _ := strings.Cut(d.What, " ")
	return name
}

// simplify leaves out what it can of one request.
func (s *shrinker) simplify(at int) {
	for again := true; again; {
		again = false
		for _, smaller := range without(s.best[at].Request) {
			h := slices.Clone(s.best)
			h[at].Request = smaller.(map[string]any)
			if s.try(h) {
				again = true
				break
			}
		}
		if at >= len(s.best) {
			return
		}
	}
}

// without are all that a value is with one member or element left out, at any
// depth, the outermost first.
func without(j any) []any {
	var all []any
	switch j := j.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(j)) {
			smaller := maps.Clone(j)
			delete(smaller, name)
			all = append(all, smaller)
		}
		for _, name := range slices.Sorted(maps.Keys(j)) {
			for _, inner := range without(j[name]) {
				smaller := maps.Clone(j)
				smaller[name] = inner
				all = append(all, smaller)
			}
		}
	case []any:
		for i := range j {
			all = append(all, slices.Concat(j[:i], j[i+1:]))
		}
		for i := range j {
			for _, inner := range without(j[i]) {
				smaller := slices.Clone(j)
				smaller[i] = inner
				all = append(all, smaller)
			}
		}
	}
	return all
}
