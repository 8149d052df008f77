package dynamo

import (
	"context"
	"strings"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

var createTableParameters = []parameter{
	{name: "AttributeDefinitions", form: listForm, required: true, members: []parameter{
		{name: "AttributeName", required: true, min: 1, max: 255},
		{name: "AttributeType", required: true, enum: []string{"B", "N", "S"}},
	}},
	tableName, billingMode, provisionedThroughput, onDemandThroughput, warmThroughput,
	keySchema(2), localIndexes, globalIndexed,
	{name: "StreamSpecification", form: objectForm},
	tags, tableClass, deletionProtection, encryption, resourcePolicy, vectorIndexes, globalSource, settingsReplication,
}

// tablesMax is how many tables there can be, AWS's default.
const tablesMax = 2500

// createTable adds a table in this region; UpdateTable gives it replicas in
// others.
func createTable(ctx context.Context, c *call) error {
	name := tableFrom(c.text("TableName"))
	if !c.allowed(name) {
		return c.denied(name)
	}
	if err := c.checkRefused(); err != nil {
		return err
	}
	t, err := c.definition()
	if err != nil {
		return err
	}
	if err := c.streamed(&t); err != nil {
		return err
	}
	if _, ok := c.server.config.Catalog.Table(name); ok {
		return inUse("Table already exists: %s", name)
	}
	if len(c.server.config.Catalog.Tables()) >= tablesMax {
		return refusal("LimitExceededException", "Subscriber limit exceeded: Account limit for total number of tables is %d", tablesMax)
	}
	created, err := c.server.config.Catalog.CreateTable(ctx, t)
	if err != nil {
		return err
	}
	c.appendDescription(created, table.Creating)
	return nil
}

func (c *call) appendDescription(t table.Table, status table.State) {
	c.out = append(c.out, `{"TableDescription":`...)
	c.out = append(c.appendTable(c.out, t, status), '}')
}

// definition reads the table that the request describes.
func (c *call) definition() (table.Table, error) {
	t := table.Table{Name: tableFrom(c.text("TableName")), Owner: table.OwnerAPI, Replicas: []table.Replica{{Region: c.server.config.Region}}}
	if err := c.settings(&t); err != nil {
		return t, err
	}
	types, defined, err := readDefinitions(c.request.Get("AttributeDefinitions"))
	if err != nil {
		return t, err
	}
	if t.Key, t.Sort, err = readKeySchema(c.request.Get("KeySchema"), types, defined); err != nil {
		return t, err
	}
	if err := c.defineIndexes(&t, attributeTypes{types, defined}); err != nil {
		return t, err
	}
	if len(definitions(t)) != len(types) {
		return t, invalidValues("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return t, c.indexSettings(&t)
}

// readDefinitions reads AttributeDefinitions: types by name, and the names as
// errors show them.
func readDefinitions(list item.Node) (types map[string]string, defined string, err error) {
	types = make(map[string]string)
	var names []string
	for n, ok := list.First(); ok; n, ok = n.Next() {
		name, kind := n.Get("AttributeName").Text(), n.Get("AttributeType").Text()
		if name == "" || len(name) > 255 {
			return nil, "", invalid("1 validation error detected: Value '%s' at 'attributeDefinitions.%d.member.attributeName' failed to satisfy constraint: Member must have length between 1 and 255", name, len(names)+1)
		}
		if kind != "S" && kind != "N" && kind != "B" {
			return nil, "", invalid("1 validation error detected: Value '%s' at 'attributeDefinitions.%d.member.attributeType' failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]", kind, len(names)+1)
		}
		if _, twice := types[name]; twice {
			return nil, "", invalid("Attribute Name is duplicated: %s", name)
		}
		types[name] = kind
		names = append(names, name)
	}
	return types, "[" + strings.Join(names, ", ") + "]", nil
}

// readKeySchema reads a KeySchema: a HASH key, then perhaps a RANGE key.
func readKeySchema(list item.Node, types map[string]string, defined string) (key table.Attribute, sort *table.Attribute, err error) {
	var keys []table.Attribute
	var names []string
	for n, ok := list.First(); ok; n, ok = n.Next() {
		name, kind := n.Get("AttributeName").Text(), n.Get("KeyType").Text()
		want := [...]string{"HASH", "RANGE"}
		switch {
		case len(keys) == 2:
			return key, nil, invalidValues("Too many KeySchema elements: a table or index has one HASH and at most one RANGE key here")
		case kind != "HASH" && kind != "RANGE":
			return key, nil, invalid("1 validation error detected: Value '%s' at 'keySchema.%d.member.keyType' failed to satisfy constraint: Member must satisfy enum value set: [HASH, RANGE]", kind, len(keys)+1)
		case kind != want[len(keys)]:
			which := [...]string{"first", "second"}[len(keys)]
			return key, nil, invalid("Invalid KeySchema: The %s KeySchemaElement is not a %s key type", which, want[len(keys)])
		case len(keys) == 1 && keys[0].Name == name:
			return key, nil, invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
		}
		keys = append(keys, table.Attribute{Name: name, Type: types[name]})
		names = append(names, name)
	}
	for _, k := range keys {
		if k.Type == "" {
			return key, nil, invalidValues("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: %s", strings.Join(names, ", "), defined)
		}
	}
	switch len(keys) {
	case 0:
		return key, nil, invalid("1 validation error detected: Value '[]' at 'keySchema' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case 2:
		sort = &keys[1]
	}
	return keys[0], sort, nil
}

// deleteTable removes the table from this region: the replica here, or the
// table where it is the last one.
func deleteTable(ctx context.Context, c *call) error {
	t, err := c.changeable()
	if err != nil {
		return err
	}
	if t.Settings.Protected {
		return invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	if err := c.removeHere(ctx, t); err != nil {
		return err
	}
	c.appendDescription(t, table.Deleting)
	return nil
}

// removeHere removes the replica here, or the table if there is no other. This
// region may not know yet that the others have removed theirs.
func (c *call) removeHere(ctx context.Context, t table.Table) error {
	catalog, region := c.server.config.Catalog, c.server.config.Region
	last := len(t.Replicas) == 1
	if !last {
		_, err := catalog.UpdateTable(ctx, t.Name, func(t *table.Table) error {
			if last = len(t.Replicas) == 1 && t.In(region); last {
				return nil
			}
			return removeReplica(t, region)
		})
		if err != nil || !last {
			return err
		}
	}
	_, err := catalog.DeleteTable(ctx, t.Name)
	return err
}

// changeable is the request's table, if it is in a state to be changed. That one
// of the spec cannot be changed here is the catalog's to say.
func (c *call) changeable() (table.Table, error) {
	t, err := c.managed()
	if err == nil && t.Owner != table.OwnerSpec && c.status(t) == table.Creating {
		err = inUse("Attempt to change a resource which is still in use: Table is being created: %s", t.Name)
	}
	return t, err
}

// managed is the request's table, if the key may change it.
func (c *call) managed() (table.Table, error) {
	c.requires(access.Manage)
	t, err := c.described()
	if err == nil && t.Filling() {
		err = inUse("Attempt to change a resource which is still in use: Table is being created: %s", t.Name)
	}
	return t, err
}
