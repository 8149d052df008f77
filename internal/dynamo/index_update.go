package dynamo

import (
	"net/http"
	"slices"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// indexUpdate is one of GlobalSecondaryIndexUpdates: an index that is added, one
// that is removed, or one that gets another throughput.
type indexUpdate struct {
	name  string
	added *table.Index
	gone  bool
	node  item.Node // what is said of it
}

// changeIndexes adds and removes indexes, and changes their throughput.
func changeIndexes(c *call, t table.Table) (func(*table.Table) error, error) {
	updates, err := c.readIndexUpdates(t)
	if err != nil {
		return nil, err
	}
	var changes []func(*table.Table) error
	for _, u := range updates {
		if err := u.check(t); err != nil {
			return nil, err
		}
		change := u.apply
		if u.added == nil && !u.gone {
			if change, err = c.changeIndexThroughput(t, u.node); err != nil {
				return nil, err
			}
		}
		changes = append(changes, change)
	}
	return together(changes), nil
}

// readIndexUpdates reads the index updates of a request.
func (c *call) readIndexUpdates(t table.Table) ([]indexUpdate, error) {
	types, defined, err := readDefinitions(c.request.Get("AttributeDefinitions"))
	if err != nil {
		return nil, err
	}
	for _, a := range definitions(t) {
		if kind, ok := types[a.Name]; ok && kind != a.Type {
			return nil, invalidValues("Attribute %s is of type %s in this table and cannot be redefined", a.Name, a.Type)
		}
		types[a.Name] = a.Type
	}
	var updates []indexUpdate
	changes := 0
	list := c.request.Get("GlobalSecondaryIndexUpdates")
	for n, ok := list.First(); ok; n, ok = n.Next() {
		u, err := attributeTypes{types, defined}.update(n)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(updates, func(v indexUpdate) bool { return v.name == u.name }) {
			return nil, invalidValues("Only one global secondary index update per index is allowed simultaneously. Index: %s", u.name)
		}
		if u.added != nil || u.gone {
			changes++
		}
		updates = append(updates, u)
	}
	if changes > 1 || changes == 1 && c.server.fillsAnother(t, updates) {
		return nil, &apiError{
			status: http.StatusBadRequest, kind: database + "LimitExceededException",
			message: "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
		}
	}
	return updates, nil
}

// update reads one of GlobalSecondaryIndexUpdates.
func (a attributeTypes) update(n item.Node) (u indexUpdate, err error) {
	created, deleted, updated := n.Get("Create"), n.Get("Delete"), n.Get("Update")
	given := 0
	for _, one := range []item.Node{created, deleted, updated} {
		if one.Exists() {
			given++
			u.name = one.Get("IndexName").Text()
			u.node = one
		}
	}
	switch {
	case given != 1:
		return u, invalidValues("Exactly one of Create, Update and Delete must be specified in each of GlobalSecondaryIndexUpdates")
	case created.Exists():
		x, err := a.index(created, globalIndex)
		u.added = &x
		return u, err
	case u.name == "":
		return u, invalid("1 validation error detected: Value null at 'globalSecondaryIndexUpdates.1.member.indexName' failed to satisfy constraint: Member must not be null")
	}
	u.gone = deleted.Exists()
	return u, nil
}

// check refuses what does not fit the table's indexes.
func (u indexUpdate) check(t table.Table) error {
	x, there := t.Index(u.name)
	switch {
	case u.added != nil && there:
		return invalid("Attempting to create an index which already exists")
	case u.added == nil && (!there || x.Local):
		return missing("Requested resource not found")
	}
	return nil
}

// apply adds or removes the index. The table may have changed since the update was
// checked.
func (u indexUpdate) apply(t *table.Table) error {
	if err := u.check(*t); err != nil {
		return err
	}
	if u.gone {
		t.Indexes = slices.DeleteFunc(slices.Clone(t.Indexes), func(x table.Index) bool { return x.Name == u.name })
		t.Settings.DropIndex(u.name)
		return nil
	}
	t.Indexes = append(slices.Clone(t.Indexes), *u.added)
	if err := billIndex(&t.Settings, u.name, u.node); err != nil {
		return err
	}
	return checkIncluded(*t)
}

// fillsAnother reports whether an index of the table is being filled here that is
// not the one to be removed.
func (s *Server) fillsAnother(t table.Table, updates []indexUpdate) bool {
	return slices.ContainsFunc(t.Indexes, func(x table.Index) bool {
		whole, err := s.config.Store.IndexWhole(t.ID, x)
		removed := slices.ContainsFunc(updates, func(u indexUpdate) bool { return u.gone && u.name == x.Name })
		return err == nil && !whole && !removed
	})
}
