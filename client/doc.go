// Package client talks to the admin API of a world: its state, the reason of a
// DNS answer, drains, a new spec. The types here are that API's JSON.
//
//	w, err := client.LoadContext(".demo/context.json")
//	c, err := client.New(client.Config{Context: w})
//	status, err := c.Status(ctx)
//	fmt.Println(status.Answered, status.Regions[0].Health.Verdict)
//
// A Client asks the regions in turn until one answers, so it works while a
// region is down. It promises no order between calls that different regions
// answered; Status.Answered and Client.Answered say which one it was.
//
// Times are UTC, durations have their unit in the name, and a field that a
// newer server adds is ignored. Errors are *Error when a region answered and
// *UnreachableError when none did.
package client
