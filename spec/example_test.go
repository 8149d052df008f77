package spec_test

import (
	"fmt"

	"github.com/meridian-run/meridian/spec"
)

func ExampleParse() {
	world, err := spec.Parse("meridian.yaml", []byte(`
world: notes
domain: notes.test
regions:
  us-east-1: {place: Ashburn}
  eu-west-1: {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  notes: {key: pk}
services:
  api:
    function: {bundle: ./bundle}
    tables: [notes]
    routing: latency
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range world.Services {
		fmt.Println(s.Host, "in", s.Regions)
		fmt.Println(s.Routing.Policy, s.Routing.TTL, s.Health.Path, s.Health.FailAfter)
	}
	fmt.Println(world.RegionalHost("api", "eu-west-1"))
	// Output:
	// api.notes.test in [us-east-1 eu-west-1 ap-southeast-2]
	// latency 5s /health 3
	// api.eu-west-1.notes.test
}

func ExampleErrors() {
	_, err := spec.Parse("meridian.yaml", []byte(`
world: notes
domain: notes.test
regions:
  here: {place: Sidney}
services:
  api:
    backend: http://127.0.0.1:3000
    helth: {every: 5}
    routing: {ttl: 0s}
`))
	fmt.Println(err)
	// Output:
	// meridian.yaml:5:17: regions.here.place: there is no built-in place "Sidney"; did you mean Sydney? Or write {latitude: 50.11, longitude: 8.68}
	// meridian.yaml:9:5: services.api.helth: unknown key "helth"; did you mean health? known here: host, function, backend, tables, regions, health, routing, timeout, body_limit
	// meridian.yaml:10:20: services.api.routing.ttl: a TTL of 0 makes every client ask for every request; write at least 1s
}

func ExampleWorld_Format() {
	world, err := spec.Parse("meridian.yaml", []byte(`
world: small
domain: small.test
regions: {eu-west-1: }
services:
  web: {host: "@", backend: "http://127.0.0.1:3000"}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(world.Format()))
	// Output:
	// world: small
	// domain: small.test
	// regions:
	//   eu-west-1:
	//     place: eu-west-1
	// services:
	//   web:
	//     host: small.test.
	//     backend:
	//       eu-west-1: http://127.0.0.1:3000
	//     regions: [eu-west-1]
	//     health:
	//       path: /health
	//       every: 30s
	//       timeout: 4s
	//       fail_after: 3
	//       recover_after: 3
	//       deep_every: 5m
	//     routing:
	//       policy: latency
	//       ttl: 5s
	//     timeout: 30s
	//     body_limit: 10MB
}

func ExampleInit() {
	world, err := spec.Parse("meridian.yaml", spec.Init("shop"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(world.Name, world.RegionNames())
	// Output: shop [us-east-1 eu-west-1 ap-southeast-2]
}
