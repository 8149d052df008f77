package place

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Network says that the clients of a prefix are at a place.
type Network struct {
	Prefix netip.Prefix
	Place  Place
}

// Location is what a Locator knows of a client.
type Location struct {
	// Place is where the client is; the zero Place if not Known.
	Place Place
	Known bool
	// Scope is the number of leading bits of the client's address that
	// decided, as an EDNS Client Subnet answer states it (RFC 7871): every
	// address that shares them is at the same Place, or is unknown too. If it
	// exceeds the length of the prefix asked for, that prefix spans several
	// places; Place is then that of the network around all of it, and the
	// answer holds for this prefix only.
	Scope int
}

// Locator finds places by client address. It does not change; build another
// one when the networks do. It is safe for concurrent use.
type Locator struct {
	places []Place
	// given maps the networks as they were given, for questions about more
	// addresses than one leaf holds.
	given bart.Table[int32]
	// leaves maps disjoint prefixes that cover all addresses of both
	// families. The longest match in given would not be a safe scope: a /8
	// that has a /24 of another place inside it must not be answered as /8,
	// or a resolver's cache gives that answer to the clients of the /24.
	leaves bart.Table[int32]
}

// nowhere is the value of a leaf whose place is not known.
const nowhere int32 = -1

// NewLocator builds a Locator of the built-in places' networks and the given
// ones. A more specific network wins; of two with the same prefix the later
// one does, and a given one over a built-in one.
func NewLocator(networks []Network) *Locator {
	l := &Locator{places: builtin().all}
	var four, six trie
	add := func(prefix netip.Prefix, value int32) {
		prefix, _ = unmap(prefix.Masked())
		l.given.Insert(prefix, value)
		if prefix.Addr().Is4() {
			four.insert(prefix, value)
		} else {
			six.insert(prefix, value)
		}
	}
	for i, p := range l.places {
		add(p.Network, int32(i))
	}
	for _, n := range networks {
		if !n.Prefix.IsValid() {
			continue
		}
		l.places = append(l.places[:len(l.places):len(l.places)], n.Place)
		add(n.Prefix, int32(len(l.places)-1))
	}
	same := l.same()
	for root, t := range map[netip.Addr]*trie{netip.IPv4Unspecified(): &four, netip.IPv6Unspecified(): &six} {
		t.push(nowhere, same)
		t.each(netip.PrefixFrom(root, 0), func(p netip.Prefix, value int32) { l.leaves.Insert(p, value) })
	}
	return l
}

// same tells which values mean one place, so that leaves of it are joined
// although they come from different networks.
func (l *Locator) same() func(a, b int32) bool {
	return func(a, b int32) bool {
		if a == nowhere || b == nowhere {
			return a == b
		}
		return a == b || l.places[a] == l.places[b]
	}
}

// Locate finds the place of a client prefix: a whole address (/32, /128) or
// what a resolver disclosed of it. A source of /0 discloses nothing and is
// answered with scope 0.
func (l *Locator) Locate(client netip.Prefix) Location {
	if !client.IsValid() {
		return Location{}
	}
	client, mapped := unmap(client.Masked())
	address := netip.PrefixFrom(client.Addr(), client.Addr().BitLen())
	leaf, value, _ := l.leaves.LookupPrefixLPM(address) // the leaves cover everything
	if leaf.Bits() > client.Bits() {
		var ok bool
		if value, ok = l.given.LookupPrefix(client); !ok {
			value = nowhere
		}
	}
	location := Location{Scope: leaf.Bits() + mapped}
	if client.Bits()+mapped == 0 {
		location.Scope = 0
	}
	if value != nowhere {
		location.Place, location.Known = l.places[value], true
	}
	return location
}

// unmap turns a prefix of IPv4-mapped IPv6 addresses into the IPv4 one, and
// returns how many bits were taken off.
func unmap(p netip.Prefix) (netip.Prefix, int) {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96), 96
	}
	return p, 0
}
