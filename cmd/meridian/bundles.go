package main

import (
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/function"
	"github.com/meridian-run/meridian/spec"
)

// checkBundles refuses functions that cannot run on this system, all of them at
// once and before anything starts.
func checkBundles(w *spec.World) error {
	var problems []error
	for _, s := range w.Services {
		if s.Function == nil {
			continue
		}
		if err := function.Check(s.Function.Bundle); err != nil {
			problems = append(problems, fmt.Errorf("service %s: %w", s.Name, err))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("nothing was started: %w", errors.Join(problems...))
	}
	return nil
}
