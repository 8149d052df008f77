package place

import (
	"math"
	"net/netip"
	"strings"
	"testing"
)

var tests = netip.MustParsePrefix("198.18.0.0/15")

func TestTables(t *testing.T) {
	all := All()
	if len(all) < 300 {
		t.Fatalf("%d built-in places, want the clouds' regions and about 200 cities", len(all))
	}
	names, networks := map[string]bool{}, map[netip.Prefix]string{}
	perProvider := map[string]int{}
	for _, p := range all {
		if names[fold(p.Name)] {
			t.Errorf("%s is there twice", p.Name)
		}
		names[fold(p.Name)] = true
		if other := networks[p.Network]; other != "" {
			t.Errorf("%s and %s have one network %v", p.Name, other, p.Network)
		}
		networks[p.Network] = p.Name
		if p.Network.Bits() != 24 || !tests.Overlaps(p.Network) || p.Network != p.Network.Masked() {
			t.Errorf("%s: network %v is not a /24 of %v", p.Name, p.Network, tests)
		}
		if !p.Valid() || (p.Latitude == 0 && p.Longitude == 0) {
			t.Errorf("%s: coordinates %v", p.Name, p.Point)
		}
		if len(p.Country) != 2 {
			t.Errorf("%s: country %q is not a code of two letters", p.Name, p.Country)
		}
		perProvider[p.Provider]++
		if got, ok := Find(p.Name); !ok || got != p {
			t.Errorf("Find(%q) = %v, %v", p.Name, got, ok)
		}
	}
	for provider, least := range map[string]int{"": 190, "AWS": 34, "GCP": 40, "Azure": 55} {
		if perProvider[provider] < least {
			t.Errorf("%d places of provider %q, want at least %d", perProvider[provider], provider, least)
		}
	}
}

func TestNumbersKeepTheirRange(t *testing.T) {
	for _, table := range []struct {
		rows     []row
		from, to int
	}{{cities, 1, 255}, {awsRegions, 256, 319}, {gcpRegions, 320, 383}, {azureRegions, 384, 511}} {
		for _, r := range table.rows {
			if r.number < table.from || r.number > table.to {
				t.Errorf("%s has number %d, outside of %d to %d", r.name, r.number, table.from, table.to)
			}
		}
	}
}

// The networks are promised for ever: these are in documentation and scripts.
func TestNetworksAreFixed(t *testing.T) {
	for name, want := range map[string]string{
		"New York": "198.18.1.0/24", "London": "198.18.75.0/24", "Tokyo": "198.18.232.0/24",
		"Sydney": "198.18.238.0/24", "Guam": "198.18.249.0/24", "us-east-1": "198.19.0.0/24",
		"ap-southeast-2": "198.19.25.0/24", "us-central1": "198.19.64.0/24", "eastus": "198.19.128.0/24",
	} {
		if p, _ := Find(name); p.Network.String() != want {
			t.Errorf("network of %s = %v, want %s", name, p.Network, want)
		}
	}
}

func TestAliases(t *testing.T) {
	for alias, name := range aliases {
		p, ok := Find(alias)
		if !ok || p.Name != name {
			t.Errorf("Find(%q) = %q, %v, want %q", alias, p.Name, ok, name)
		}
	}
}

func TestFindSpellings(t *testing.T) {
	for spelling, want := range map[string]string{
		"new york": "New York", "NEW  YORK": "New York", "new-york": "New York", "new_york": "New York",
		"São Paulo": "Sao Paulo", "us-east-1": "us-east-1", "us-east1": "us-east1", "US-EAST-1": "us-east-1",
		" Sydney ": "Sydney",
	} {
		if p, ok := Find(spelling); !ok || p.Name != want {
			t.Errorf("Find(%q) = %q, %v, want %q", spelling, p.Name, ok, want)
		}
	}
	for _, unknown := range []string{"", "Atlantis", "useast1", "newyork"} {
		if p, ok := Find(unknown); ok {
			t.Errorf("Find(%q) = %q, want nothing", unknown, p.Name)
		}
	}
}

func TestSuggest(t *testing.T) {
	for name, want := range map[string]string{
		"Sidney": "Sydney", "Dubln": "Dublin", "newyork": "New York", "us-est-1": "us-east-1",
		"Frankfurt am Main": "Frankfurt", "san fran": "San Francisco", "Tokio": "Tokyo",
	} {
		got := Suggest(name)
		if len(got) == 0 || got[0] != want {
			t.Errorf("Suggest(%q) = %q, want %q first", name, got, want)
		}
		if len(got) > suggestionsMax {
			t.Errorf("Suggest(%q) = %q, too many", name, got)
		}
	}
	for _, name := range []string{"", "Xyzzyplugh", strings.Repeat("Sydney ", 100)} {
		if got := Suggest(name); len(got) != 0 {
			t.Errorf("Suggest(%q) = %q, want nothing", name, got)
		}
	}
}

func mustFind(t testing.TB, name string) Place {
	t.Helper()
	p, ok := Find(name)
	if !ok {
		t.Fatalf("no place %q", name)
	}
	return p
}

func TestKilometres(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"New York", "London", 5570},
		{"Sydney", "London", 16990},
		{"Tokyo", "San Francisco", 8270},
		{"Paris", "London", 344},
		{"Singapore", "Sydney", 6300},
		{"Buenos Aires", "Madrid", 10050},
		{"Johannesburg", "Cape Town", 1262},
		{"Auckland", "Santiago", 9670},
		{"Moscow", "Beijing", 5790},
		{"Mumbai", "Dubai", 1930},
		{"Honolulu", "Los Angeles", 4120},
		{"Suva", "Honolulu", 5080},
	} {
		got := Kilometres(mustFind(t, c.a).Point, mustFind(t, c.b).Point)
		if math.Abs(got-c.want)/c.want > 0.01 {
			t.Errorf("%s to %s: %.0f km, want %.0f within 1 %%", c.a, c.b, got, c.want)
		}
	}
}

func TestKilometresOfExtremes(t *testing.T) {
	pole, antipole := Point{90, 0}, Point{-90, 77}
	if got := Kilometres(pole, antipole); math.Abs(got-20015) > 1 {
		t.Errorf("pole to pole: %.1f km", got)
	}
	if got := Kilometres(Point{0, 180}, Point{0, -180}); got > 1e-6 {
		t.Errorf("across the date line: %v km", got)
	}
	if got := Kilometres(Point{51.3, 7}, Point{51.3, 7}); got != 0 {
		t.Errorf("at one point: %v km", got)
	}
}
