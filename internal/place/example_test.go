package place_test

import (
	"fmt"
	"net/netip"

	"github.com/meridian-run/meridian/internal/place"
)

func ExampleFind() {
	tokyo, _ := place.Find("tokyo")
	virginia, _ := place.Find("us-east-1")
	fmt.Println(tokyo.Name, tokyo.Country, tokyo.Network)
	fmt.Printf("%.0f km, about %v there and back\n",
		place.Kilometres(tokyo.Point, virginia.Point), place.RoundTrip(tokyo.Point, virginia.Point).Round(1e6))
	fmt.Println(place.Suggest("Sidney"))
	// Output:
	// Tokyo JP 198.18.232.0/24
	// 10872 km, about 157ms there and back
	// [Sydney]
}

func ExampleLocator() {
	berlin, _ := place.Find("Berlin")
	tokyo, _ := place.Find("Tokyo")
	locator := place.NewLocator([]place.Network{
		{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Place: berlin},
		{Prefix: netip.MustParsePrefix("10.1.2.0/24"), Place: tokyo},
	})
	for _, client := range []string{"10.1.2.3/32", "10.1.3.0/24", "10.200.0.1/32", "192.0.2.1/32"} {
		location := locator.Locate(netip.MustParsePrefix(client))
		fmt.Printf("%s: %q, for all of the same %d bits\n", client, location.Place.Name, location.Scope)
	}
	// Output:
	// 10.1.2.3/32: "Tokyo", for all of the same 24 bits
	// 10.1.3.0/24: "Berlin", for all of the same 24 bits
	// 10.200.0.1/32: "Berlin", for all of the same 9 bits
	// 192.0.2.1/32: "", for all of the same 6 bits
}
