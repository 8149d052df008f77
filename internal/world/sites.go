package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/meridian-run/meridian/internal/atomicfile"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/region"
	"github.com/meridian-run/meridian/spec"
)

// sitesFile remembers which site has which number, so that no region gets
// another's address when one comes or goes.
const sitesFile = "sites.json"

// sitesMax is how many numbers there are: 127.0.(10·n).1.
const sitesMax = 25

// inForce is the spec that this world goes by: the applied one that any of its
// nodes knew last, without the regions that have left, else the file's. The state
// that says so is nil in a new world.
func inForce(c Config) (world *spec.World, newest *control.State, err error) {
	paths, err := filepath.Glob(filepath.Join(c.Dir, "*", "control"))
	if err != nil {
		return nil, nil, err
	}
	for _, dir := range paths {
		known, err := control.Known(dir, c.Spec.Name)
		if errors.Is(err, control.ErrWorld) {
			continue // told when the bundles are opened
		}
		if err != nil {
			return nil, nil, err
		}
		if known != nil && (newest == nil || known.Revision > newest.Revision) {
			newest = known
		}
	}
	if newest == nil {
		return c.Spec, nil, nil
	}
	applied, err := spec.Parse(c.Spec.File, newest.Spec)
	if err != nil {
		return nil, nil, fmt.Errorf("the applied spec of revision %d cannot be read by this version: %w", newest.SpecRevision, err)
	}
	applied.Regions = slices.DeleteFunc(applied.Regions, func(r spec.Region) bool {
		former, was := newest.Former(r.Name)
		return was && former.Removed
	})
	return applied, newest, nil
}

// removedFrom are the regions that a state knows as gone: the last of each name.
func removedFrom(s *control.State) map[string]record.RegionID {
	removed := map[string]record.RegionID{}
	if s == nil {
		return removed
	}
	for _, r := range s.Regions {
		if r.Removed {
			removed[r.Name] = r.ID
		}
	}
	return removed
}

// nodesOf are the nodes of a spec as sites without numbers, the witness last.
func nodesOf(w *spec.World) (list []site) {
	for _, r := range w.Regions {
		list = append(list, site{name: r.Name, point: r.Point})
	}
	if w.Witness != nil {
		list = append(list, site{name: spec.WitnessName, point: w.Witness.Point, witness: true})
	}
	return list
}

// number gives each node a site: the one that it had, else the lowest free one.
func number(nodes []site, had map[string]int, c Config) ([]site, error) {
	taken := map[int]bool{}
	for _, s := range nodes {
		taken[had[s.name]] = true
	}
	next := 1
	for i, s := range nodes {
		n := had[s.name]
		if n == 0 {
			for taken[next] {
				next++
			}
			n = next
			taken[n] = true
		}
		var err error
		if nodes[i], err = lay(s, n, c); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// lay says where site n listens.
func lay(s site, n int, c Config) (site, error) {
	if n > sitesMax {
		return s, fmt.Errorf("region %s would be number %d of this machine, which has room for %d", s.name, n, sitesMax)
	}
	base := c.Base.As4()
	s.number = n
	s.tag = netip.AddrFrom4([4]byte{base[0], base[1], byte(addressStep * n), 1})
	s.ip, s.offset = s.tag, c.PortBase
	if c.OneAddress {
		s.ip, s.offset = own(c), c.PortBase+portStep*n
	}
	if s.port(portGateway) > portMax {
		return s, fmt.Errorf("region %s would need port %d: choose a --port-base of at most %d", s.name, s.port(portGateway), portMax-portGateway-portStep*n)
	}
	return s, nil
}

// own is the controller's address.
func own(c Config) netip.Addr {
	base := c.Base.As4()
	return netip.AddrFrom4([4]byte{base[0], base[1], 0, 1})
}

func loadNumbers(dir string) (map[string]int, error) {
	text, err := os.ReadFile(filepath.Join(dir, sitesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	had := map[string]int{}
	if err := json.Unmarshal(text, &had); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, sitesFile), err)
	}
	return had, nil
}

func saveNumbers(dir string, sites []site) error {
	has := map[string]int{}
	for _, s := range sites {
		has[s.name] = s.number
	}
	text, err := json.Marshal(has)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, sitesFile), text, 0o644)
}

// list are the sites as they are now.
func (w *World) list() []site {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sites)
}

// find answers a site's node, or nil.
func (w *World) find(name string) *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.nodes[name]
}

// latest is the region that ran last at a site, which may have ended; nil if none
// did.
func (w *World) latest(name string) *region.Region {
	if n := w.find(name); n != nil {
		return n.latest.Load()
	}
	return nil
}

// members are the URLs of control's members: those of all sites.
func (w *World) members() map[string]string {
	urls := map[string]string{}
	for _, s := range w.list() {
		urls[s.name] = s.etcd()
	}
	return urls
}

func (s site) etcd() string { return "http://" + s.at(portEtcd) }

// point is where a site is, or a client's place.
func (w *World) point(name string) (place.Point, bool) {
	for _, s := range w.list() {
		if s.name == name {
			return s.point, true
		}
	}
	p, ok := place.Find(name)
	return p.Point, ok
}
