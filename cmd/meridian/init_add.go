package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/spec"
)

// addBundle makes the bundle of a region that comes to a world which runs, and
// lets commands ask it.
func (a *app) addBundle(file, out, region string) error {
	w, err := spec.Load(file)
	if err != nil {
		return err
	}
	nodes, err := reachable(w)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	here, ok := w.Region(region)
	if !ok {
		return fmt.Errorf("%s has no region %s; its regions are %s", file, region, strings.Join(w.RegionNames(), ", "))
	}
	nodes = append(slices.DeleteFunc(nodes, func(name string) bool { return name == region }), region)
	dir, err := certificate.Add(out, certificate.Plan{World: w.Name, Nodes: nodes, Spec: w.Source, Now: time.Now()})
	if err != nil {
		return err
	}
	path := filepath.Join(out, client.ContextName)
	known, err := client.LoadContext(path)
	if err != nil {
		return err
	}
	// The file's own paths are relative to it.
	if rel, err := filepath.Rel(out, known.TokenFile); err == nil {
		known.TokenFile = rel
	}
	known.Regions = append(slices.DeleteFunc(known.Regions, func(e client.Endpoint) bool { return e.Region == region }),
		client.Endpoint{Region: region, URL: "http://" + here.Addresses.Admin})
	if err := client.WriteContext(path, known); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "made the bundle of %s; copy it to its machine, start it there, and make the spec the world's:\n\n", region)
	fmt.Fprintf(a.out, "  meridian serve --bundle %s --data DIRECTORY\n  meridian apply %s\n", quote(dir), quote(file))
	return nil
}
