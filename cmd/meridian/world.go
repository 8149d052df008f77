package main

import (
	"github.com/meridian-run/meridian/internal/world"
)

// newDev makes the world that dev runs; all its ports are bound, nothing is
// started.
func newDev(o devOptions) (devWorld, error) {
	w, err := world.New(world.Config{
		Spec: o.Spec, Dir: o.Data, OneAddress: o.OneAddress, PortBase: o.PortBase,
		Version: buildVersion(), Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}
