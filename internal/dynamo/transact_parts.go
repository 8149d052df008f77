package dynamo

import (
	"fmt"

	"github.com/meridian-run/meridian/internal/item"
)

// kind is a kind of action that a transaction can have.
type kind struct {
	name       string
	parameters []parameter
	// item is the parameter that has the item or its key, takes are expressions.
	item  string
	takes []string
	// as makes a write one of the kind, once its table is known.
	as    func(*write, item.Item) error
	check bool
	touch touch
}

var (
	required = func(p parameter) parameter {
		p.required = true
		return p
	}
	writeKinds = []kind{
		{
			"ConditionCheck",
			[]parameter{keyParameter, tableName, required(condition), names, values, returnOnFailed},
			"Key",
			[]string{"ConditionExpression"},
			(*write).look, true, readsStrongly,
		},
		{
			"Put",
			[]parameter{itemParameter, tableName, condition, names, values, returnOnFailed},
			"Item",
			[]string{"ConditionExpression"},
			(*write).put, false, writes,
		},
		{
			"Delete",
			[]parameter{keyParameter, tableName, condition, names, values, returnOnFailed},
			"Key",
			[]string{"ConditionExpression"},
			(*write).delete, false, writes,
		},
		{
			"Update",
			[]parameter{keyParameter, {name: "UpdateExpression", required: true}, tableName, condition, names, values, returnOnFailed},
			"Key",
			[]string{"UpdateExpression", "ConditionExpression"},
			(*write).update, false, writes,
		},
	}
	readKinds = []kind{{
		"Get",
		[]parameter{keyParameter, tableName, projection, names},
		"Key",
		[]string{"ProjectionExpression"},
		(*write).look, false, readsStrongly,
	}}
	transactItems           = parameter{name: "TransactItems", form: listForm, required: true, min: 1, max: transactMax}
	transactGetParameters   = []parameter{transactItemsOf(readKinds), returnCapacity}
	transactWriteParameters = []parameter{
		transactItemsOf(writeKinds), returnCapacity, returnMetrics, clientToken,
	}
)

// transactItemsOf is the parameter with the actions of a transaction, each of which
// is one of kinds: all of it is of its JSON forms, or it is not looked at.
func transactItemsOf(kinds []kind) parameter {
	p := transactItems
	p.deep = func(list item.Node) error {
		return eachIn(list, func(n item.Node) error {
			for _, k := range kinds {
				if err := checkShapes(n.Get(k.name), k.parameters); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return p
}

// look makes the write one that only looks at the item of a key.
func (w *write) look(key item.Item) error { return w.at(w.call.keyFrom, key) }

// part is one action of a transaction as the request has it.
type part struct {
	*write
	kind kind
	node item.Node
	item item.Item // or its key
}

// parts reads the actions, of which each is of one of kinds: first of all what does
// not depend on the tables.
func (c *call) parts(kinds []kind) ([]part, error) {
	parts, err := splitParts(c.request.Get(transactItems.name), kinds)
	if err != nil {
		return nil, err
	}
	for i := range parts {
		p := &parts[i]
		if p.write, p.item, err = c.decode(p.node, p.kind.item, p.kind.takes...); err != nil {
			return nil, err
		}
	}
	return parts, c.aim(parts)
}

// splitParts finds what each action is.
func splitParts(list item.Node, kinds []kind) ([]part, error) {
	parts := make([]part, 0, list.Len())
	var complaints []string
	var found error // what is refused behind all complaints
	for n, ok := list.First(); ok; n, ok = n.Next() {
		if n.Exists() && n.Form() != item.Object {
			return nil, shape()
		}
		var p part
		for _, k := range kinds {
			given := n.Get(k.name)
			if !given.Exists() {
				continue
			}
			if given.Form() != item.Object {
				return nil, shape()
			}
			if p.node.Exists() {
				found = invalid("TransactItems can only contain one of Check, Put, Update or Delete")
			}
			p.kind, p.node = k, given
			if err := checkForms(given, k.parameters); err != nil {
				return nil, err
			}
			path := func() string { return k.path(len(parts) + 1) }
			for _, m := range k.parameters {
				complaints = m.checkIn(given.Get(m.name), complaints, path)
			}
		}
		if !p.node.Exists() {
			if len(kinds) == 1 {
				complaints = parameter{name: kinds[0].name, path: pathIn(len(parts) + 1), required: true}.check(item.Node{}, complaints)
			} else if found == nil {
				found = invalid("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
			}
		}
		parts = append(parts, p)
	}
	if err := complain(complaints); err != nil {
		return nil, err
	}
	return parts, found
}

// path is where the parameters of the action of a number are.
func (k kind) path(number int) string { return pathIn(number) + lowerFirst(k.name) + "." }

func pathIn(number int) string { return fmt.Sprintf("transactItems.%d.member.", number) }

// aim finds the tables of all parts, and the items in them. What is wrong with one
// part cancels the transaction.
func (c *call) aim(parts []part) error {
	err := c.each(parts, func(p part) (err error) {
		p.table, err = c.tableNamed(tableFrom(p.node.Get(tableName.name).Text()))
		return err
	})
	if err != nil {
		return err
	}
	return c.each(parts, func(p part) error { return p.kind.as(p.write, p.item) })
}

// each calls fn with each part, and gathers why parts cannot be done. Errors of the
// whole request end it.
func (c *call) each(parts []part, fn func(part) error) error {
	reasons := make([]*apiError, len(parts))
	cancelled := false
	for i, p := range parts {
		err := fn(p)
		if err == nil {
			continue
		}
		if reasons[i] = c.reason(err); reasons[i] == nil || reasons[i].whole {
			return err
		}
		cancelled = true
	}
	if cancelled {
		return transactionCancelled(reasons)
	}
	return nil
}

// touchesParts is of requests with the kinds of actions.
func touchesParts(kinds []kind) func(c *call, dst []touched) []touched {
	return func(c *call, dst []touched) []touched {
		list := c.request.Get(transactItems.name)
		for n, ok := list.First(); ok; n, ok = n.Next() {
			for _, k := range kinds {
				if given := n.Get(k.name); given.Form() == item.Object {
					dst = append(dst, touched{given.Get(tableName.name).Text(), k.touch})
				}
			}
		}
		return dst
	}
}
