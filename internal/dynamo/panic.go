package dynamo

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errPanicked is what a client is told of a panic: an internal error.
var errPanicked = errors.New("panicked")

// safely runs fn. A panic is a defect: it ends the request with an internal
// error and goes to the log, and the region serves on.
func (c *call) safely(id string, fn func() error) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		c.server.config.Log.Error("table request panicked", "operation", c.operation, "request", id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if c.server.config.Events.Panicked != nil {
			c.server.config.Events.Panicked()
		}
		c.panicked, err = true, errPanicked
	}()
	return fn()
}
