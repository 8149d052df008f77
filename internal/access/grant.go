package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Action is what a key does to a table.
type Action string

const (
	// Read is reading items, and a table's stream.
	Read Action = "read"
	// Write is changing items. As on AWS, a condition may look at the item, and
	// ReturnValues answer what was there.
	Write Action = "write"
	// Manage is making, changing and deleting tables, and their backups.
	Manage Action = "manage"
	// Describe is to see that a table exists, and how it is made. Every grant on a
	// table has it, so that none names it.
	Describe Action = "describe"
)

// Grant is what a key may do on some tables. Its JSON form is that of a bundle's
// keys file.
type Grant struct {
	// Tables are names; a star in the end stands for any rest: "orders-*".
	Tables  []string `json:"tables"`
	Actions []Action `json:"actions"`
	// Prefix limits the grant to the items whose partition key, a string, begins
	// with it, as dynamodb:LeadingKeys does on AWS. Empty: all items.
	Prefix string `json:"prefix,omitempty"`
}

// Check answers what is wrong with the grant.
func (g Grant) Check() error {
	if len(g.Tables) == 0 || len(g.Actions) == 0 {
		return errors.New("a grant needs tables and actions")
	}
	for _, t := range g.Tables {
		if t == "" || strings.Contains(strings.TrimSuffix(t, "*"), "*") {
			return fmt.Errorf("%q is no name of tables: a star stands in the end, as in orders-*", t)
		}
	}
	for _, a := range g.Actions {
		if a != Read && a != Write && a != Manage {
			return fmt.Errorf("there is no action %q: want read, write or manage", a)
		}
	}
	if g.Prefix != "" && slices.Contains(g.Actions, Manage) {
		return errors.New("a grant to manage tables cannot be limited to a prefix of keys")
	}
	return nil
}

// on reports whether the grant is for the action on the table.
func (g Grant) on(a Action, table string) bool {
	return (a == Describe || slices.Contains(g.Actions, a)) && slices.ContainsFunc(g.Tables, func(pattern string) bool {
		if start, open := strings.CutSuffix(pattern, "*"); open {
			return strings.HasPrefix(table, start)
		}
		return pattern == table
	})
}
