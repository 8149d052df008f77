package route_test

import (
	"fmt"

	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/route"
)

func ExampleDecide() {
	ashburn, _ := place.Find("Ashburn")
	dublin, _ := place.Find("Dublin")
	london, _ := place.Find("London")
	decision := route.Decide(route.Query{
		Policy: route.Failover,
		Candidates: []route.Candidate{
			{Region: "us-east-1", Point: ashburn.Point, Order: 0, Known: true, Why: "unhealthy: 2 of 2 observers say so (eu-west-1: connection refused)"},
			{Region: "eu-west-1", Point: dublin.Point, Order: 1, Known: true, Healthy: true},
		},
		Client: place.Location{Place: london, Known: true},
	})
	fmt.Println(decision.Region())
	fmt.Println(decision.Reason())
	// Output:
	// eu-west-1
	// eu-west-1 is first in the failover order among those that can be answered; left out: us-east-1: unhealthy: 2 of 2 observers say so (eu-west-1: connection refused)
}
