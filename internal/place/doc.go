// Package place knows where things are: coordinates of cities and of the
// regions of the large clouds, the distance and the likely round-trip time
// between two points, and which client address is where.
//
// Every built-in place owns one fixed /24 of 198.18.0.0/15, the network that
// RFC 2544 sets aside for tests. A client that claims an address of it is at
// that place, so routing can be tried from anywhere without configuration:
//
//	tokyo, _ := place.Find("Tokyo")
//	locator := place.NewLocator(nil)
//	locator.Locate(tokyo.Network).Place.Name // "Tokyo"
//
// The tables hold coordinates to a hundredth of a degree (about a kilometre).
// They are for choosing among regions, not for navigation.
//
// A Locator answers with the scope that a DNS answer may carry: every address
// within that many bits of the client's address is at the same place. It
// leaves to others what to answer (route) and how to say it (nameserver).
package place
