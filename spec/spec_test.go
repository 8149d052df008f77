package spec

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meridian-run/meridian/internal/place"
)

// same compares what two specs mean.
var same = cmp.Options{
	cmpopts.IgnoreFields(World{}, "File", "Source"),
	cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
	cmpopts.EquateEmpty(),
}

func parsed(t testing.TB, name, source string) *World {
	t.Helper()
	w, err := Parse(name, []byte(source))
	if err != nil {
		t.Fatalf("Parse:\n%v", err)
	}
	return w
}

func parsedFile(t testing.TB, path string) *World {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, path, string(source))
}

// point is the position of a built-in place.
func point(name string) Point {
	p, _ := place.Find(name)
	return p.Point
}

// TestI1_NotesExample: the whole world is one short file, and this is what it
// says with every default.
func TestI1_NotesExample(t *testing.T) {
	got := parsedFile(t, "../examples/notes/meridian.yaml")
	bundle, err := filepath.Abs("../examples/notes/bundle")
	if err != nil {
		t.Fatal(err)
	}
	regions := []string{"us-east-1", "eu-west-1", "ap-southeast-2"}
	want := &World{
		Name:   "notes",
		Domain: "notes.test",
		Regions: []Region{
			{Name: "us-east-1", Place: "Ashburn", Point: point("Ashburn")},
			{Name: "eu-west-1", Place: "Dublin", Point: point("Dublin")},
			{Name: "ap-southeast-2", Place: "Sydney", Point: point("Sydney")},
		},
		Tables: []Table{{Name: "notes", Key: Attribute{"pk", "S"}, Regions: regions, Consistency: "eventual", Copies: 1}},
		Services: []Service{{
			Name: "api", Host: "api.notes.test",
			Function: &Function{
				Bundle: bundle, Memory: 128 << 20, Timeout: 10 * time.Second,
				Concurrency: 10, Idle: 5 * time.Minute,
			},
			Tables: []string{"notes"}, Regions: regions,
			Health: Health{
				Path: "/health", Every: time.Second, Timeout: time.Second,
				FailAfter: 3, RecoverAfter: 3, DeepEvery: 5 * time.Minute,
			},
			Routing: Routing{Policy: Latency, TTL: 5 * time.Second},
			Timeout: 30 * time.Second, BodyLimit: 10 << 20,
		}},
	}
	if diff := cmp.Diff(got, want, same); diff != "" {
		t.Errorf("got (-), want (+)\n%s", diff)
	}
}

// TestFull reads a spec that uses every setting.
func TestFull(t *testing.T) {
	got := parsedFile(t, "testdata/full.yaml")
	bundle, _ := filepath.Abs("testdata/bundle.zip")
	both := []string{"us-east-1", "home"}
	home := Point{Latitude: 47.5, Longitude: -1}
	checks := Health{
		Path: "/health", Every: 30 * time.Second, Timeout: 4 * time.Second,
		FailAfter: 3, RecoverAfter: 3, DeepEvery: 5 * time.Minute,
	}
	ping := checks
	ping.Path = "/ping"
	want := &World{
		Name: "shop", Domain: "shop.example.com",
		Regions: []Region{
			{
				Name: "us-east-1", Place: "Ashburn", Point: point("Ashburn"),
				Address: []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")},
				Addresses: Addresses{
					Gateway: "203.0.113.10:8080", Tables: "203.0.113.10:8000", Admin: "203.0.113.10:7070",
					Link: "203.0.113.10:7071", Etcd: "203.0.113.10:7073", DNS: "203.0.113.10:53",
				},
			},
			{
				Name: "home", Point: home, Address: []netip.Addr{netip.MustParseAddr("203.0.113.20")},
				Addresses: Addresses{
					Gateway: "203.0.113.20:8080", Tables: "203.0.113.20:8000", Admin: "203.0.113.20:7070",
					Link: "link.example.com:9071", Etcd: "203.0.113.20:7073", DNS: "203.0.113.20:5300",
				},
			},
		},
		Witness: &Region{
			Name: "witness", Place: "Dublin", Point: point("Dublin"), Address: []netip.Addr{netip.MustParseAddr("203.0.113.30")},
			Addresses: Addresses{
				Gateway: "203.0.113.30:8080", Tables: "203.0.113.30:8000", Admin: "203.0.113.30:7070",
				Link: "203.0.113.30:7071", Etcd: "203.0.113.30:7073", DNS: "203.0.113.30:53",
			},
		},
		Tables: []Table{{
			Name: "carts", Key: Attribute{"id", "B"}, Sort: &Attribute{"at", "N"}, TTL: "expires",
			Images:  &Images{Keep: 48 * time.Hour, Size: 4 << 30},
			Stream:  "NEW_AND_OLD_IMAGES",
			Regions: both, Consistency: "eventual", Copies: 1,
			Indexes: []Index{
				{Name: "by_user", Key: Attribute{"user", "S"}, Sort: &Attribute{"at", "N"}, Projection: "KEYS_ONLY"},
				{Name: "by_shop", Key: Attribute{"shop", "S"}, Projection: "INCLUDE", Include: []string{"user", "total"}},
				{Name: "by_all", Key: Attribute{"all", "S"}, Projection: "ALL"},
				{Name: "by_date", Key: Attribute{Name: "id", Type: "B"}, Sort: &Attribute{Name: "date", Type: "S"}, Local: true, Projection: "ALL"},
				{
					Name: "by_place", Key: Attribute{Name: "land", Type: "S"}, MoreKeys: []Attribute{{Name: "town", Type: "S"}},
					Sort: &Attribute{Name: "rank", Type: "N"}, MoreSorts: []Attribute{{Name: "street", Type: "S"}}, Projection: "KEYS_ONLY",
				},
			},
		}, {
			Name: "pages", Key: Attribute{"id", "S"}, Regions: both, Consistency: "eventual", Copies: 1,
			Merge: MergeAttributes, Counters: []string{"likes", "views"},
			Images: &Images{Keep: 24 * time.Hour, Size: 1 << 30}, Throttle: &Throttle{Reads: 100, Writes: 50},
		}, {
			Name: "ledger", Key: Attribute{"id", "S"}, Regions: both,
			Consistency: Primary, Primary: "home", Copies: 2, Otherwise: Degrade,
		}, {
			Name: "stock", Key: Attribute{"id", "S"}, Regions: both,
			Consistency: Primary, Primary: "us-east-1", Copies: 2, Otherwise: Refuse,
		}},
		Services: []Service{
			{
				Name: "api", Host: "shop.example.com",
				Function: &Function{
					Bundle: bundle, Memory: 1 << 30, Timeout: 20 * time.Second, Concurrency: 50, Idle: 90 * time.Second,
					Env: map[string]string{"LEVEL": "debug", "PORT": "8080", "EMPTY": "", "FLAG": "true"},
				},
				Tables: []string{"carts"}, Regions: both,
				Health: Health{
					Path: "/health?deep=1", Every: 2 * time.Second, Timeout: time.Second,
					FailAfter: 2, RecoverAfter: 5, DeepEvery: time.Minute,
				},
				Routing: Routing{Policy: Weighted, TTL: time.Minute, Weights: map[string]int{"us-east-1": 0, "home": 255}},
				Timeout: 25 * time.Second, BodyLimit: 64 << 10,
			},
			{
				Name: "web", Host: "www.shop.example.com", Regions: []string{"home"},
				Backend: map[string]string{"home": "http://web.home.internal:3000/base"},
				Health:  ping, Routing: Routing{Policy: Failover, TTL: 5 * time.Second, Order: []string{"home"}},
				Timeout: 30 * time.Second, BodyLimit: 10 << 20,
			},
			{
				Name: "old", Host: "old.shop.example.com", Regions: both,
				Backend: map[string]string{"us-east-1": "https://a.example.com", "home": "http://10.0.0.1:3000"},
				Health:  checks, Routing: Routing{Policy: Failover, TTL: time.Second, Order: []string{"home", "us-east-1"}},
				Timeout: 30 * time.Second, BodyLimit: 10 << 20,
			},
			{
				Name: "job", Host: "job.shop.example.com", Regions: both,
				Function: &Function{Bundle: "/srv/job", Absolute: true, Memory: 128 << 20, Timeout: 2 * time.Minute, Concurrency: 10, Idle: 5 * time.Minute},
				Health:   checks, Routing: Routing{Policy: Failover, TTL: 5 * time.Second, Order: both},
				Timeout: 2 * time.Minute, BodyLimit: 10 << 20,
			},
		},
		Networks: []Network{
			{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Place: "Berlin", Point: point("Berlin")},
			{Prefix: netip.MustParsePrefix("2001:db8::/32"), Point: Point{Latitude: 1, Longitude: 2}},
		},
		References: []string{"tcp://192.0.2.1:53", "https://example.com/"},
		Control:    Control{Etcd: []string{"https://etcd.example.com:2379"}},
		Anonymous:  true,
	}
	if diff := cmp.Diff(got, want, same); diff != "" {
		t.Errorf("got (-), want (+)\n%s", diff)
	}
}

// TestFormatRoundTrip: what Format writes is read back as the same world, and
// formats to itself.
func TestFormatRoundTrip(t *testing.T) {
	for _, path := range []string{
		"testdata/full.yaml", "testdata/good.yaml",
		"../examples/notes/meridian.yaml", "../examples/two-regions/meridian.yaml",
		"../examples/failover/meridian.yaml", "../examples/failover/without-eu-west-1.yaml",
	} {
		w := parsedFile(t, path)
		again := parsed(t, path, string(w.Format()))
		if diff := cmp.Diff(again, w, same); diff != "" {
			t.Errorf("%s: again (-), first (+)\n%s", path, diff)
		}
		if got, want := again.Digest(), w.Digest(); got != want {
			t.Errorf("%s: digest %s, then %s", path, want, got)
		}
	}
	golden(t, "testdata/full.format", string(parsedFile(t, "testdata/full.yaml").Format()))
}

func TestDigest(t *testing.T) {
	const plain = `
world: w
domain: w.test
regions: {eu-west-1: {place: Dublin}}
services:
  a: {function: {bundle: ./b}, health: {path: /health, every: 30s}, routing: latency}
`
	const reworded = `
domain: W.test.          # the same, said differently
world: w
services:
  a:
    routing: {ttl: 5s, policy: latency}
    function: {memory: 128MB, bundle: b}
    host: a
regions:
  eu-west-1:
    place: dublin
`
	base := parsed(t, "/one/meridian.yaml", plain).Digest()
	if got := parsed(t, "/other/place/w.yaml", reworded).Digest(); got != base {
		t.Error("the same spec, reworded and elsewhere, has another digest")
	}
	for _, change := range [][2]string{
		{"Dublin", "London"}, {"30s", "31s"}, {"latency", "failover"}, {"./b", "./c"}, {"world: w", "world: v"}, {"w.test", "v.test"},
	} {
		changed := strings.Replace(plain, change[0], change[1], 1)
		if parsed(t, "/one/meridian.yaml", changed).Digest() == base {
			t.Errorf("%s for %s has the same digest", change[1], change[0])
		}
	}
}

func TestHelpers(t *testing.T) {
	w := parsedFile(t, "testdata/full.yaml")
	if r, ok := w.Region("home"); !ok || r.Name != "home" {
		t.Errorf("Region(home) = %v, %v", r, ok)
	}
	if _, ok := w.Region("witness"); ok {
		t.Error("the witness is no region")
	}
	if s, ok := w.Service("web"); !ok || s.In("us-east-1") || !s.In("home") {
		t.Errorf("Service(web) = %v, %v", s, ok)
	}
	if table, ok := w.Table("carts"); !ok || !table.In("home") || table.In("mars") {
		t.Errorf("Table(carts) = %v, %v", table, ok)
	}
	if got, want := w.RegionalHost("api", "home"), "api.home.shop.example.com"; got != want {
		t.Errorf("RegionalHost = %s, want %s", got, want)
	}
	l := w.Locator()
	for client, want := range map[string]Point{
		"10.1.2.3/32":      point("Berlin"),
		"2001:db8::1/128":  {Latitude: 1, Longitude: 2},
		"198.18.238.1/32":  point("Sydney"),
		"198.18.232.77/32": point("Tokyo"),
	} {
		if got := l.Locate(netip.MustParsePrefix(client)); !got.Known || got.Place.Point != want {
			t.Errorf("Locate(%s) = %+v, want %v", client, got, want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "meridian.yaml")
	write := func(source string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("Load of no file: %v", err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("Load of a directory: no error")
	}
	write("world: w\ndomain: w.test\nregions: {eu-west-1: }\nservices:\n  a: {function: {bundle: ./b}}\n")
	_, err := Load(path)
	if err == nil || !strings.Contains(err.Error(), ":5:26: services.a.function.bundle: there is no file or directory "+filepath.Join(dir, "b")) {
		t.Errorf("Load without the bundle: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "neither a directory nor a zip file") {
		t.Errorf("Load with a file as bundle: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := Load(path)
	if err != nil || w.Services[0].Function.Bundle != filepath.Join(dir, "b") || w.File != path {
		t.Errorf("Load: %v", err)
	}
	write("# " + strings.Repeat("x", sourceMax))
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "more than 1024 KB") {
		t.Errorf("Load of a huge file: %v", err)
	}
}

func TestInit(t *testing.T) {
	for name, want := range map[string]string{"shop": "shop", "My Shop": "world", "": "world"} {
		w := parsed(t, "meridian.yaml", string(Init(name)))
		if w.Name != want || w.Domain != want+".test" || len(w.Regions) != 3 || len(w.Services) != 1 {
			t.Errorf("Init(%q) gives %+v", name, w)
		}
	}
}

// TestManyErrors: a file that is wrong throughout is answered with a page.
func TestManyErrors(t *testing.T) {
	var b strings.Builder
	b.WriteString("world: w\ndomain: w.test\nregions: {eu-west-1: }\n")
	for range 5000 {
		b.WriteString("? {a: b}\n: x\n")
	}
	_, err := Parse("many.yaml", []byte(b.String()))
	if list, _ := err.(Errors); len(list) != errorsMax+1 || !strings.Contains(list[errorsMax].What, "4900 more") {
		t.Errorf("%d errors", len(list))
	}
}

func TestLimits(t *testing.T) {
	many := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(line, "%", string(rune('a'+i%26))+strings.Repeat("x", i/26)))
		}
		return b.String()
	}
	const head = "world: w\ndomain: w.test\n"
	for _, c := range []struct{ name, source, want string }{
		{"regions", head + "regions:\n" + many(regionsMax+1, "  %: {place: Oslo}\n"), "26 regions"},
		{"tables", head + "regions: {eu-west-1: }\ntables:\n" + many(tablesMax+1, "  t%%%: {key: pk}\n"), "257 tables"},
		{"services", head + "regions: {eu-west-1: }\nservices:\n" + many(servicesMax+1, "  %: {backend: \"http://x\"}\n"), "257 services"},
	} {
		if _, err := Parse("limits.yaml", []byte(c.source)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.300v", c.name, err)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct{ parent, key, path string }{
		{"", "services", "services"},
		{"services", "api", "services.api"},
		{"networks", "10.0.0.0/8", `networks["10.0.0.0/8"]`},
		{`tables["a.b"]`, "key", `tables["a.b"].key`},
		{"", "a b", `["a b"]`},
	} {
		if got := join(c.parent, c.key); got != c.path {
			t.Errorf("join(%q, %q) = %q, want %q", c.parent, c.key, got, c.path)
		}
		if got := parent(c.path); got != c.parent {
			t.Errorf("parent(%q) = %q, want %q", c.path, got, c.parent)
		}
	}
	if got := parent("references[3]"); got != "references" {
		t.Errorf("parent of a list's element = %q", got)
	}
}
