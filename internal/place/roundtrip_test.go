package place

import (
	"math"
	"testing"
	"time"
)

// TestRoundTripOfKnownRoutes compares with medians that the clouds and their
// observers publish, rounded. A distance does not know the cables, so a fifth
// off is expected; the routes that the examples use are held closer.
func TestRoundTripOfKnownRoutes(t *testing.T) {
	for _, c := range []struct {
		a, b   string
		ms     float64
		within float64
	}{
		{"us-east-1", "eu-west-1", 71, 0.06},
		{"us-east-1", "ap-southeast-2", 200, 0.03},
		{"eu-west-1", "ap-southeast-2", 255, 0.03},
		{"us-east-1", "us-west-2", 63, 0.2},
		{"us-east-1", "us-east-2", 12, 0.25},
		{"us-east-1", "sa-east-1", 113, 0.2},
		{"us-east-1", "eu-central-1", 92, 0.2},
		{"us-east-1", "ap-northeast-1", 158, 0.2},
		{"us-east-1", "ap-south-1", 192, 0.2},
		{"us-west-2", "ap-northeast-1", 98, 0.2},
		{"us-west-2", "eu-west-1", 122, 0.2},
		{"us-west-2", "ap-southeast-2", 140, 0.3}, // a direct cable
		{"eu-west-1", "eu-central-1", 25, 0.2},
		{"eu-west-1", "eu-west-2", 11, 0.25},
		{"eu-central-1", "ap-southeast-1", 158, 0.2},
		{"eu-west-2", "af-south-1", 153, 0.2},
		{"ap-south-1", "ap-southeast-1", 60, 0.2},
		{"ap-northeast-1", "ap-southeast-1", 70, 0.2},
		{"ap-northeast-1", "ap-southeast-2", 105, 0.2},
		{"ap-southeast-1", "ap-southeast-2", 92, 0.2},
		{"ap-east-1", "ap-southeast-1", 37, 0.2},
		{"ap-northeast-1", "ap-northeast-3", 9, 0.3},
	} {
		got := RoundTrip(mustFind(t, c.a).Point, mustFind(t, c.b).Point)
		ms := float64(got) / float64(time.Millisecond)
		if math.Abs(ms-c.ms)/c.ms > c.within {
			t.Errorf("%s to %s: %.1f ms, published %.0f ms, want within %.0f %%", c.a, c.b, ms, c.ms, c.within*100)
		}
	}
}

func TestRoundTripRises(t *testing.T) {
	last := time.Duration(0)
	for degrees := 0.0; degrees <= 180; degrees += 0.25 {
		got := RoundTrip(Point{0, 0}, Point{0, degrees})
		if got <= last {
			t.Fatalf("%v at %.2f degrees, %v just before", got, degrees, last)
		}
		last = got
	}
	if got := RoundTrip(Point{1, 1}, Point{1, 1}); got != time.Millisecond {
		t.Errorf("at one place %v, want 1 ms", got)
	}
}
