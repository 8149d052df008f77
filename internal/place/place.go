package place

import (
	"net/netip"
	"strings"
	"sync"
)

// Place is a named point on the map.
type Place struct {
	// Name is a city ("New York") or a region of a cloud ("us-east-1").
	Name string
	// Country is the ISO 3166-1 code of two letters.
	Country string
	// Provider is AWS, GCP or Azure; empty for a city.
	Provider string
	Point
	// Network is the fixed test network of a built-in place, zero for others.
	Network netip.Prefix
}

// row is one line of the built-in tables. The number decides the network and
// is never changed or given to another place: addresses of it are in people's
// scripts.
type row struct {
	number    int
	name      string
	country   string
	latitude  float64
	longitude float64
}

// index holds the built-in places by every spelling that finds them.
type index struct {
	all    []Place
	byName map[string]int // folded name or alias → position in all
}

var builtin = sync.OnceValue(func() index {
	x := index{byName: make(map[string]int)}
	for _, table := range []struct {
		provider string
		rows     []row
	}{{"", cities}, {"AWS", awsRegions}, {"GCP", gcpRegions}, {"Azure", azureRegions}} {
		for _, r := range table.rows {
			x.byName[fold(r.name)] = len(x.all)
			x.all = append(x.all, Place{
				Name: r.name, Country: r.country, Provider: table.provider,
				Point:   Point{Latitude: r.latitude, Longitude: r.longitude},
				Network: network(r.number),
			})
		}
	}
	for alias, name := range aliases {
		x.byName[fold(alias)] = x.byName[fold(name)]
	}
	return x
})

// network is the /24 of 198.18.0.0/15 with this number, 0 to 511.
func network(number int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(18 + number>>8), byte(number), 0}), 24)
}

// All lists the built-in places: cities first, then the clouds' regions, in
// the order of the tables. The slice is the caller's.
func All() []Place {
	return append([]Place(nil), builtin().all...)
}

// Find returns the built-in place of this name. Case does not matter, and a
// city's words may be joined by spaces, hyphens or underscores. Cities of
// several spellings are found by each ("São Paulo", "NYC", "Bombay").
func Find(name string) (Place, bool) {
	x := builtin()
	if i, ok := x.byName[fold(name)]; ok {
		return x.all[i], true
	}
	// Only now, since us-east-1 of AWS and us-east1 of GCP must stay apart.
	spaced := strings.NewReplacer("-", " ", "_", " ").Replace(name)
	if i, ok := x.byName[fold(spaced)]; ok {
		return x.all[i], true
	}
	return Place{}, false
}

// fold makes spellings comparable: lower case, single spaces.
func fold(name string) string {
	return strings.ToLower(strings.Join(strings.Fields(name), " "))
}
