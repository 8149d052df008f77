package spec

import (
	"net/netip"
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/place"
)

// World is all that one spec describes.
type World struct {
	Name string
	// Domain is the zone that the world answers for, without a final dot.
	Domain string
	// Regions, Tables and Services are in the file's order.
	Regions  []Region
	Tables   []Table
	Services []Service
	// Witness votes and probes but stores nothing; nil if there is none.
	Witness *Region
	// Networks say where clients are, beside the built-in places' networks.
	Networks []Network
	// References are points outside the world that tell a node whether it is
	// cut off: URLs of scheme tcp, http or https.
	References []string
	Control    Control
	// Anonymous lets requests to tables be unsigned ("access: anonymous"). Only
	// meridian dev takes such a spec.
	Anonymous bool

	// File is the path or name it was read from, Source its bytes.
	File   string
	Source []byte
}

// Point is a position in degrees.
type Point = place.Point

// Region is a place that serves, or the witness.
type Region struct {
	Name string
	// Place is the name of a built-in place; empty if the file gave
	// coordinates. Point is set either way.
	Place string
	Point Point
	// Address lists the public addresses that DNS answers give for the
	// region. Empty where the local world chooses them.
	Address []netip.Addr
	// Addresses say where the other regions and clients reach its parts.
	Addresses Addresses
}

// Addresses are host:port pairs. Each defaults to the region's first Address
// with the part's port; all that is left is empty if there is no Address.
type Addresses struct {
	Gateway string // HTTP, port 8080
	Tables  string // DynamoDB API, port 8000
	Admin   string // admin API and metrics, port 7070
	Link    string // replication, port 7071
	Etcd    string // etcd's peer port, 7073
	DNS     string // nameserver, port 53
}

// Attribute is a key attribute of a table. Type is S, N or B.
type Attribute struct {
	Name, Type string
}

// Table is a replicated table.
type Table struct {
	Name string
	Key  Attribute
	// Sort is nil if items are found by Key alone.
	Sort    *Attribute
	Indexes []Index
	// TTL names the attribute that holds an item's expiry, or is empty.
	TTL string
	// Images keeps the changes of the table in each region; nil is not.
	Images *Images
	// Stream is what the records of the table's stream show of an item that
	// changed, in DynamoDB's words; empty is no stream.
	Stream string
	// Regions hold the table, in the order of World.Regions.
	Regions []string
	// Consistency is "eventual", or "primary": then Primary, one of Regions,
	// takes the writes from the table's first day until it is moved.
	Consistency string
	Primary     string
	// Copies is how many regions have a write durably before it is acknowledged,
	// 1 or 2; Otherwise is what happens while only one can be reached: "refuse"
	// or "degrade". It is empty with one copy.
	Copies    int
	Otherwise string
	// Throttle bounds what each region serves; nil does not.
	Throttle *Throttle
	// Merge is how concurrent writes of an item are merged: empty, the last
	// writer wins, or "attributes": each attribute on its own. Counters, sorted,
	// are attributes whose increments are added up.
	Merge    string
	Counters []string
}

// Images says how long each region keeps the changes of a table, with the items
// before and after: for Keep, but at most Size bytes of them.
type Images struct {
	Keep time.Duration
	Size int64
}

// Throttle is how many capacity units a second each region serves of a table.
type Throttle struct{ Reads, Writes int }

// Index is a secondary index.
type Index struct {
	Name string
	Key  Attribute
	Sort *Attribute
	// MoreKeys and MoreSorts are what follows in keys of several attributes.
	MoreKeys, MoreSorts []Attribute
	// Local is an index with the table's key and another sort key.
	Local bool
	// Projection is ALL, KEYS_ONLY or INCLUDE; Include names the attributes
	// of the last.
	Projection string
	Include    []string
}

// Service is something with a host name.
type Service struct {
	Name string
	// Host is the complete name that clients use, without a final dot.
	Host string
	// Function or Backend is set, never both.
	Function *Function
	// Backend maps each of Regions to an HTTP or HTTPS URL.
	Backend map[string]string
	// Tables that the service may use.
	Tables []string
	// Regions run the service, in the order of World.Regions.
	Regions []string
	Health  Health
	Routing Routing
	// Timeout bounds one request, retries in other regions included.
	Timeout time.Duration
	// BodyLimit is the largest request body, in bytes.
	BodyLimit int64
}

// Function is a Lambda-compatible program.
type Function struct {
	// Bundle is the absolute path of a directory or zip file that has the
	// executable bootstrap.
	Bundle string
	// Absolute is whether the file names the bundle by an absolute path; where
	// not, the path is the same file in every copy of the directory, and so is
	// the world's digest.
	Absolute bool
	// Memory is in bytes.
	Memory int64
	// Timeout bounds one invocation.
	Timeout time.Duration
	// Concurrency is the number of instances a region may run at once.
	Concurrency int
	// Idle is how long an instance without requests is kept.
	Idle time.Duration
	Env  map[string]string
}

// Health says how a service is checked in each of its regions.
type Health struct {
	Path string
	// Every is the time from one check to the next, for each observer.
	Every   time.Duration
	Timeout time.Duration
	// FailAfter and RecoverAfter are the consecutive results that change an
	// observer's mind.
	FailAfter, RecoverAfter int
	// DeepEvery is how often a sleeping function is woken for its check.
	DeepEvery time.Duration
}

// The routing policies.
const (
	Latency  = "latency"  // the nearest healthy region
	Weighted = "weighted" // shares by weight
	Failover = "failover" // the first healthy region of an order
)

// Routing says which region a client of the service is sent to.
type Routing struct {
	Policy string
	// TTL of the answers, in whole seconds, at least one.
	TTL time.Duration
	// Weights has each region of a weighted service: 0 to 255, one above 0.
	Weights map[string]int
	// Order has each region of a failover service, the primary first.
	Order []string
}

// Network says that the clients of a prefix are at a place.
type Network struct {
	Prefix netip.Prefix
	// Place is empty if the file gave coordinates.
	Place string
	Point Point
}

// Control says where the regions agree. Without Etcd they embed it themselves.
type Control struct {
	// Etcd lists client URLs of an etcd that is run by others.
	Etcd []string
}

// Region finds a region by name; the witness is none.
func (w *World) Region(name string) (Region, bool) {
	return find(w.Regions, func(r Region) bool { return r.Name == name })
}

// Table finds a table by name.
func (w *World) Table(name string) (Table, bool) {
	return find(w.Tables, func(t Table) bool { return t.Name == name })
}

// Service finds a service by name.
func (w *World) Service(name string) (Service, bool) {
	return find(w.Services, func(s Service) bool { return s.Name == name })
}

// RegionNames lists the regions' names in the file's order.
func (w *World) RegionNames() []string {
	names := make([]string, len(w.Regions))
	for i, r := range w.Regions {
		names[i] = r.Name
	}
	return names
}

// RegionalHost is the name that always answers this region's address of the
// service, whatever its health. Probes use it.
func (w *World) RegionalHost(service, region string) string {
	return service + "." + region + "." + w.Domain
}

// Locator finds places by client address: those of Networks and the built-in
// ones.
func (w *World) Locator() *place.Locator {
	networks := make([]place.Network, len(w.Networks))
	for i, n := range w.Networks {
		p, ok := place.Find(n.Place)
		if !ok {
			p = place.Place{Name: coordinates(n.Point), Point: n.Point}
		}
		networks[i] = place.Network{Prefix: n.Prefix, Place: p}
	}
	return place.NewLocator(networks)
}

// In reports whether the region holds the table.
func (t Table) In(region string) bool { return slices.Contains(t.Regions, region) }

// In reports whether the region runs the service.
func (s Service) In(region string) bool { return slices.Contains(s.Regions, region) }

func find[T any](list []T, is func(T) bool) (T, bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	var none T
	return none, false
}
