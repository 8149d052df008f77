package place

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func networksOf(t testing.TB, list ...string) []Network {
	t.Helper()
	var networks []Network
	for i := 0; i < len(list); i += 2 {
		networks = append(networks, Network{netip.MustParsePrefix(list[i]), mustFind(t, list[i+1])})
	}
	return networks
}

func TestLocate(t *testing.T) {
	l := NewLocator(networksOf(t,
		"10.0.0.0/8", "Berlin", "10.1.2.0/24", "Tokyo", "10.128.0.0/9", "Paris",
		"198.18.1.0/24", "Lima", // over New York's built-in network
		"2001:db8::/32", "Oslo", "2001:db8:8000::/33", "Oslo",
		"192.0.2.0/25", "Rome", "192.0.2.128/25", "Rome",
		"::ffff:203.0.113.0/120", "Delhi",
	))
	for _, c := range []struct {
		client, place string
		scope         int
	}{
		{"10.1.2.3/32", "Tokyo", 24},
		{"10.1.2.0/24", "Tokyo", 24},
		{"10.1.3.0/24", "Berlin", 24}, // not 8: its sibling is Tokyo
		{"10.64.0.0/24", "Berlin", 10},
		{"10.200.0.1/32", "Paris", 9},
		{"10.0.0.0/12", "Berlin", 16},     // spans Tokyo: the answer is of what is around it
		{"10.1.0.0/16", "Berlin", 23},     // and is not Tokyo's, although it holds it
		{"8.0.0.0/6", "", 7},              // spans Berlin and unknown
		{"198.18.1.77/32", "Lima", 24},    // a given network wins
		{"198.18.238.9/32", "Sydney", 24}, // built in
		{"192.0.2.7/32", "Rome", 24},      // two networks of one place are one leaf
		{"2001:db8:8000::1/128", "Oslo", 32},
		{"2001:db9::/56", "", 32},
		{"::ffff:10.1.2.3/128", "Tokyo", 120},
		{"203.0.113.9/32", "Delhi", 24},
		{"0.0.0.0/0", "", 0},
		{"::/0", "", 0},
		{"127.0.0.1/32", "", 2},
	} {
		got := l.Locate(netip.MustParsePrefix(c.client))
		if got.Place.Name != c.place || got.Known != (c.place != "") || got.Scope != c.scope {
			t.Errorf("Locate(%s) = %q, known %v, scope %d; want %q, scope %d",
				c.client, got.Place.Name, got.Known, got.Scope, c.place, c.scope)
		}
	}
	if got := l.Locate(netip.Prefix{}); got != (Location{}) {
		t.Errorf("Locate of no prefix = %+v", got)
	}
}

func TestLocateOneNetworkForAll(t *testing.T) {
	l := NewLocator(networksOf(t, "0.0.0.0/0", "Oslo", "::/0", "Oslo"))
	for client, scope := range map[string]int{"0.0.0.0/0": 0, "::/0": 0, "2001:db8::1/128": 0, "9.9.9.9/32": 1} {
		got := l.Locate(netip.MustParsePrefix(client))
		if got.Place.Name != "Oslo" || got.Scope != scope {
			t.Errorf("Locate(%s) = %q, scope %d, want Oslo, scope %d", client, got.Place.Name, got.Scope, scope)
		}
	}
}

// longest is the obvious model: the last of the longest networks that hold
// the address.
func longest(networks []Network, a netip.Addr) (Place, bool) {
	bits, found := -1, Place{}
	for _, n := range networks {
		if n.Prefix.Contains(a) && n.Prefix.Bits() >= bits {
			bits, found = n.Prefix.Bits(), n.Place
		}
	}
	return found, bits >= 0
}

// TestScopeIsSafe: every address inside the answered scope is at the place of
// the answer, so a cache that serves the answer to all of them misleads none.
func TestScopeIsSafe(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	all := All()
	for range 30 {
		networks := randomNetworks(rng, all)
		l := NewLocator(networks)
		model := append([]Network(nil), networks...)
		for _, p := range all {
			model = append([]Network{{p.Network, p}}, model...)
		}
		for range 100 {
			near := networks[rng.IntN(len(networks))].Prefix.Addr()
			address := scatter(rng, near, 8)
			client := netip.PrefixFrom(address, address.BitLen()-rng.IntN(9)).Masked()
			got := l.Locate(client)
			if got.Scope > client.Bits() {
				continue // valid for this very prefix only, says RFC 7871
			}
			for range 30 {
				other := scatter(rng, client.Addr(), got.Scope)
				want, known := longest(model, other)
				if got.Known != known || got.Place != want {
					t.Fatalf("networks %v\nLocate(%v) = %q scope %d, but %v is at %q",
						networks, client, got.Place.Name, got.Scope, other, want.Name)
				}
			}
		}
	}
}

// TestAddressIsLocatedByLongestNetwork: for whole addresses the scope never
// exceeds the address, and the place is that of the longest network.
func TestAddressIsLocatedByLongestNetwork(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	networks := randomNetworks(rng, All())
	l := NewLocator(networks)
	for range 5000 {
		a := scatter(rng, networks[rng.IntN(len(networks))].Prefix.Addr(), 10)
		got := l.Locate(netip.PrefixFrom(a, a.BitLen()))
		want, known := longest(networks, a)
		if tests.Contains(a) {
			continue
		}
		if got.Scope > a.BitLen() || got.Known != known || got.Place != want {
			t.Fatalf("Locate(%v) = %+v, want %q", a, got, want.Name)
		}
	}
}

// randomNetworks are crowded into a few corners so that they nest.
func randomNetworks(rng *rand.Rand, all []Place) []Network {
	var networks []Network
	for range 1 + rng.IntN(40) {
		var base netip.Addr
		bits := 2 + rng.IntN(31)
		switch rng.IntN(3) {
		case 0:
			base = netip.AddrFrom4([4]byte{10, byte(rng.IntN(3)), byte(rng.IntN(3)), byte(rng.Uint32())})
		case 1:
			base = netip.AddrFrom4([4]byte{198, byte(18 + rng.IntN(2)), byte(rng.Uint32()), byte(rng.Uint32())})
		default:
			base = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(rng.IntN(3)), byte(rng.Uint32())})
			bits = 2 + rng.IntN(127)
		}
		p := netip.PrefixFrom(base, bits).Masked()
		networks = append(networks, Network{p, all[rng.IntN(5)]})
	}
	return networks
}

// scatter keeps the leading bits of an address and draws the others.
func scatter(rng *rand.Rand, a netip.Addr, keep int) netip.Addr {
	bytes := a.AsSlice()
	var noise [16]byte
	binary.LittleEndian.PutUint64(noise[:], rng.Uint64())
	binary.LittleEndian.PutUint64(noise[8:], rng.Uint64())
	for i := range bytes {
		for bit := range 8 {
			if i*8+bit >= keep {
				mask := byte(0x80) >> bit
				bytes[i] = bytes[i]&^mask | noise[i]&mask
			}
		}
	}
	out, _ := netip.AddrFromSlice(bytes)
	return out
}

func BenchmarkLocate(b *testing.B) {
	l := NewLocator(networksOf(b, "10.0.0.0/8", "Berlin", "10.1.2.0/24", "Tokyo"))
	client := netip.MustParsePrefix("10.1.3.0/24")
	b.ReportAllocs()
	for b.Loop() {
		l.Locate(client)
	}
}
