package main

import (
	"fmt"

	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/spec"
)

// checkBundles refuses functions that cannot run on this system before anything
// starts.
func checkBundles(w *spec.World) error {
	if err := region.CheckBundles(w, func(spec.Service) bool { return true }); err != nil {
		return fmt.Errorf("nothing was started: %w", err)
	}
	return nil
}
