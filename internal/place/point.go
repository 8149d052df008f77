package place

import (
	"math"
	"time"
)

// Point is a position on the globe in degrees: latitude north of the equator
// (-90 to 90), longitude east of Greenwich (-180 to 180).
type Point struct {
	Latitude, Longitude float64
}

// Valid reports whether both coordinates are numbers within their range.
func (p Point) Valid() bool {
	return math.Abs(p.Latitude) <= 90 && math.Abs(p.Longitude) <= 180
}

// earthRadius is the mean radius in kilometres (IUGG).
const earthRadius = 6371.0088

// Kilometres is the great-circle distance between two points, by the
// haversine formula: exact on a sphere, within 0.6 % on the globe.
func Kilometres(a, b Point) float64 {
	const radians = math.Pi / 180
	lat := math.Sin((b.Latitude - a.Latitude) * radians / 2)
	lon := math.Sin((b.Longitude - a.Longitude) * radians / 2)
	h := lat*lat + math.Cos(a.Latitude*radians)*math.Cos(b.Latitude*radians)*lon*lon
	return 2 * earthRadius * math.Asin(math.Sqrt(min(1, h)))
}

// knot is one point of the curve from distance to round-trip time.
type knot struct {
	kilometres, milliseconds float64
}

// knots is the curve, rising throughout so that nearer always means faster.
// It runs through the middle of the round-trip times between regions that the
// large clouds and independent observers of them publish (medians, rounded to
// what is stable over years). Light in fibre needs 1 ms for 100 km and back;
// the rest is that cables are longer than great circles: most so on short
// routes and around Africa and Asia, least so across the oceans. The comment
// names routes of about that length.
var knots = [...]knot{
	{0, 1},       // zones of one region
	{450, 11},    // London–Dublin, Virginia–Ohio, Tokyo–Osaka
	{1100, 24},   // Frankfurt–Dublin
	{2600, 38},   // Hong Kong–Singapore
	{3800, 60},   // Virginia–Oregon, Mumbai–Singapore
	{5400, 70},   // Virginia–Dublin, Tokyo–Singapore
	{6300, 91},   // Singapore–Sydney
	{7600, 108},  // Virginia–São Paulo, Tokyo–Oregon, Tokyo–Sydney
	{10300, 151}, // Frankfurt–Singapore, Cape Town–London
	{12900, 176}, // Virginia–Mumbai, Oregon–Sydney
	{15700, 202}, // Virginia–Sydney
	{17200, 255}, // Dublin–Sydney
	{20040, 295}, // half around the globe
}

// RoundTrip estimates the round-trip time between two points from their
// distance alone. Published times of real routes lie mostly within a fifth of
// it. At the same place it is 1 ms.
func RoundTrip(a, b Point) time.Duration {
	km := Kilometres(a, b)
	last := knots[0]
	for _, k := range knots[1:] {
		if km <= k.kilometres {
			part := (km - last.kilometres) / (k.kilometres - last.kilometres)
			ms := last.milliseconds + part*(k.milliseconds-last.milliseconds)
			return time.Duration(ms * float64(time.Millisecond)).Round(10 * time.Microsecond)
		}
		last = k
	}
	return time.Duration(last.milliseconds * float64(time.Millisecond))
}
