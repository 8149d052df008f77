package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/meridian-run/meridian/client"
)

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"answered":"eu-west-1","regions":[{"name":"us-east-1","health":{"verdict":"unhealthy"}}]}`)
	}))
	defer server.Close()

	c, err := client.New(client.Config{Context: client.Context{
		World:   "notes",
		Regions: []client.Endpoint{{Region: "eu-west-1", URL: server.URL}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	status, err := c.Status(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(status.Answered, "says that", status.Regions[0].Name, "is", status.Regions[0].Health.Verdict)
	// Output: eu-west-1 says that us-east-1 is unhealthy
}
