package world

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/certificate"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/spec"
)

// dismissEvery is how often the world looks for regions that are gone.
const dismissEvery = 250 * time.Millisecond

// prepare binds ports and makes certificates for the regions of a spec that are
// new. done(true), once it is applied, starts them; a crash in between does no
// harm, for the next start goes by the applied spec.
func (w *World) prepare(next *spec.World) (done func(applied bool), err error) {
	w.growing.Lock() // until done
	var added []*node
	forget := func() {
		for _, n := range added {
			n.first.close()
			w.remove(n.name)
		}
		w.growing.Unlock()
	}
	for _, s := range nodesOf(next) {
		if s.witness || w.find(s.name) != nil {
			continue
		}
		n, err := w.add(s)
		if err != nil {
			forget()
			return nil, err
		}
		added = append(added, n)
	}
	return func(applied bool) {
		if !applied || w.ctx.Err() != nil {
			forget()
			return
		}
		defer w.growing.Unlock()
		w.changed()
		for _, n := range added {
			n.spec = next
			w.group.Go(func() error {
				if err := w.start(w.ctx, n); err != nil {
					w.log.Error("region not started", "region", n.name, "error", err)
				}
				return nil
			})
		}
	}, nil
}

// add makes a site for a new region.
func (w *World) add(s site) (*node, error) {
	sites := w.list()
	taken := map[string]int{}
	for _, x := range sites {
		taken[x.name] = x.number
	}
	all, err := number(append(sites, s), taken, w.cfg)
	if err != nil {
		return nil, err
	}
	s = all[len(all)-1]
	if err := w.setAside(s.name); err != nil {
		return nil, err
	}
	bundle, err := w.openBundle(s.name)
	if err != nil {
		return nil, err
	}
	var conflicts []string
	listeners, etcd := open(s, &conflicts)
	n := &node{site: s, bundle: bundle, joins: true, first: &opened{listeners, etcd}}
	if former, was := w.former(s.name, 0); was {
		n.after = former.ID
	}
	if err := errConflicts(conflicts, w.cfg.PortBase); err != nil {
		n.first.close()
		return nil, err
	}
	w.place(s)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sites, w.nodes = append(w.sites, s), maps.Clone(w.nodes)
	w.nodes[s.name] = n
	return n, nil
}

// setAside moves the data of a region that was removed and had the name before:
// what only it holds stays where a person can find it.
func (w *World) setAside(name string) error {
	dir := filepath.Join(w.cfg.Dir, name)
	for i := 1; ; i++ {
		aside := fmt.Sprintf("%s.removed-%d", dir, i)
		if _, err := os.Stat(aside); err == nil {
			continue
		}
		err := os.Rename(dir, aside)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
}

// remove forgets a site.
func (w *World) remove(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sites = slices.DeleteFunc(slices.Clone(w.sites), func(s site) bool { return s.name == name })
	w.nodes = maps.Clone(w.nodes)
	delete(w.nodes, name)
}

// changed tells that sites have come or gone, and remembers their numbers.
func (w *World) changed() {
	if err := saveNumbers(w.cfg.Dir, w.list()); err != nil {
		w.log.Error("numbers of the regions not kept", "error", err)
	}
	select {
	case w.changes <- struct{}{}:
	default: // one is told of already
	}
}

// Changes tells, once for any number of them, that regions have come or gone
// since Context was last asked for.
func (w *World) Changes() <-chan struct{} { return w.changes }

// dismiss lets go of the sites whose regions are gone from the world. A region
// that is alive ends by itself first.
func (w *World) dismiss(ctx context.Context) error {
	ticker := time.NewTicker(dismissEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, s := range w.list() {
			n := w.find(s.name)
			if n == nil || !w.left(n) {
				continue
			}
			n.mu.Lock()
			over := n.running == nil || isClosed(n.ended)
			if over && n.first != nil {
				n.first.close()
			}
			n.mu.Unlock()
			if over {
				w.remove(s.name)
				w.changed()
			}
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// left reports whether a node's region is gone, as any other knows.
func (w *World) left(n *node) bool {
	former, was := w.former(n.name, n.after)
	return was && former.Removed
}

// former finds what the others know of a region that is closing or gone, and came
// after another one of the name.
func (w *World) former(name string, after record.RegionID) (control.Region, bool) {
	for _, s := range w.list() {
		if s.name == name {
			continue
		}
		if r := w.latest(s.name); r != nil && r.State() != nil {
			if former, was := r.State().Former(name); was && former.ID > after {
				return former, true
			}
		}
	}
	return control.Region{}, false
}

// openBundle reads a node's bundle; one that came later gets it from the world's
// authority.
func (w *World) openBundle(name string) (*certificate.Bundle, error) {
	dir := filepath.Join(w.cfg.Dir, "bundles")
	b, err := certificate.OpenBundle(filepath.Join(dir, name))
	if !errors.Is(err, os.ErrNotExist) {
		return b, err
	}
	nodes := []string{}
	for _, s := range w.list() {
		if s.name != name {
			nodes = append(nodes, s.name)
		}
	}
	path, err := certificate.Add(dir, certificate.Plan{World: w.cfg.Spec.Name, Nodes: append(nodes, name), Dev: true, Now: time.Now()})
	if err != nil {
		return nil, err
	}
	return certificate.OpenBundle(path)
}
