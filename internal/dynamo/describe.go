package dynamo

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// account is the account in ARNs; there are no accounts here.
const account = "000000000000"

func (s *Server) arn(name string) string { return arnIn(s.config.Region, name) }

// arnIn is the name of a table's replica in a region.
func arnIn(region, name string) string {
	return "arn:aws:dynamodb:" + region + ":" + account + ":table/" + name
}

// describeTable answers a table's description.
func describeTable(_ context.Context, c *call) error {
	t, err := c.described()
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"Table":`...)
	c.out = append(c.appendTable(c.out, t, c.status(t)), '}')
	return nil
}

// described is the request's table, by whose name it is missed.
func (c *call) described() (table.Table, error) {
	name := tableFrom(c.text("TableName"))
	t, err := c.tableHere(name)
	if err == errNotFound {
		return t, noTable(name)
	}
	return t, err
}

// status is CREATING until the store here has adopted the table, and has copied
// it where others had it before, and UPDATING while an index is filled.
func (c *call) status(t table.Table) table.State {
	_, ok := c.server.config.Store.Table(t.ID)
	if served, err := c.server.serves(t); !ok || !served || err != nil {
		return table.Creating
	}
	copying := slices.ContainsFunc(t.Replicas, func(r table.Replica) bool { return !r.Complete() })
	if copying || c.server.beginsStream(t) { // in another region, as on AWS; here
		return table.Updating
	}
	if t.State == "" || t.State == table.Active {
		if c.server.fillsAny(t) {
			return table.Updating
		}
		return table.Active
	}
	return t.State
}

// appendTable appends a TableDescription. Its counts of items and bytes are those
// of the last count (Server.Count), its settings those of this region's replica.
func (c *call) appendTable(dst []byte, t table.Table, status table.State) []byte {
	everywhere := t
	t.Settings = t.Settings.In(c.server.config.Region)
	dst = appendDefinitions(append(dst, '{'), t)
	dst = appendKeySchema(dst, t)
	dst = item.AppendQuoted(member(dst, "TableName"), t.Name)
	dst = item.AppendQuoted(member(dst, "TableStatus"), string(status))
	dst = strconv.AppendFloat(member(dst, "CreationDateTime"), float64(t.Created)/1000, 'f', 3, 64)
	dst = item.AppendQuoted(member(dst, "TableArn"), c.server.arn(t.Name))
	dst = item.AppendQuoted(member(dst, "TableId"), tableID(t))
	dst = c.appendBilling(dst, t.Settings)
	count := c.server.counted(t.ID)
	dst = strconv.AppendInt(member(dst, "ItemCount"), count.table.items, 10)
	dst = strconv.AppendInt(member(dst, "TableSizeBytes"), count.table.bytes, 10)
	dst = appendSettings(dst, t)
	dst = c.appendStream(dst, t)
	dst = c.appendIndexes(dst, t, status)
	dst = c.appendGlobal(dst, everywhere)
	return append(appendOrigin(dst, t), '}')
}

// appendDefinitions appends AttributeDefinitions.
func appendDefinitions(dst []byte, t table.Table) []byte {
	dst = append(member(dst, "AttributeDefinitions"), '[')
	for i, a := range definitions(t) {
		dst = append(comma(dst, i), `{"AttributeName":`...)
		dst = item.AppendQuoted(dst, a.Name)
		dst = append(item.AppendQuoted(member(dst, "AttributeType"), a.Type), '}')
	}
	return append(dst, ']')
}

// tableID is the table's id in the form of AWS's, a UUID.
func tableID(t table.Table) string {
	id := fmt.Sprintf("%016x", uint64(t.ID))
	return "00000000-0000-4000-" + id[:4] + "-" + id[4:]
}

// definitions are all key attributes of the table and its indexes, by name.
func definitions(t table.Table) []table.Attribute {
	var all []table.Attribute
	add := func(a table.Attribute) bool {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
		return true
	}
	attributes(t)(add)
	for _, x := range t.Indexes {
		x.Attributes()(add)
	}
	return all
}

func appendKeySchema(dst []byte, t table.Table) []byte {
	dst = append(member(dst, "KeySchema"), '[')
	kind := "HASH"
	for a := range attributes(t) {
		if kind == "RANGE" {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"AttributeName":`...)
		dst = item.AppendQuoted(dst, a.Name)
		dst = append(item.AppendQuoted(member(dst, "KeyType"), kind), '}')
		kind = "RANGE"
	}
	return append(dst, ']')
}

var listTablesParameters = []parameter{
	{name: "ExclusiveStartTableName", min: 3, max: 255, isName: true},
	{name: "Limit", form: integerForm, min: 1, max: listMax},
}

// listMax is DynamoDB's page of table names.
const listMax = 100

// listTables answers the names of the tables in this region that the key may
// use, in order.
func listTables(_ context.Context, c *call) error {
	names := []string{}
	for _, t := range c.server.config.Catalog.Tables() {
		if t.In(c.server.config.Region) && c.visible(t.Name) && t.Name > c.text("ExclusiveStartTableName") {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	size := listMax
	if n := c.request.Get("Limit"); n.Exists() {
		size = integer(n)
	}
	more := len(names) > size
	names = names[:min(size, len(names))]
	c.out = append(c.out, `{"TableNames":[`...)
	for i, name := range names {
		c.out = item.AppendQuoted(comma(c.out, i), name)
	}
	c.out = append(c.out, ']')
	if more {
		c.out = item.AppendQuoted(member(c.out, "LastEvaluatedTableName"), names[len(names)-1])
	}
	c.out = append(c.out, '}')
	return nil
}

// describeLimits answers AWS's default quotas: nothing here limits throughput.
func describeLimits(_ context.Context, c *call) error {
	c.out = append(c.out, `{"AccountMaxReadCapacityUnits":80000,"AccountMaxWriteCapacityUnits":80000,"TableMaxReadCapacityUnits":40000,"TableMaxWriteCapacityUnits":40000}`...)
	return nil
}

// describeEndpoints answers this endpoint, as the client named it.
func describeEndpoints(_ context.Context, c *call) error {
	c.out = append(c.out, `{"Endpoints":[{"Address":`...)
	c.out = item.AppendQuoted(c.out, c.host)
	c.out = append(c.out, `,"CachePeriodInMinutes":1440}]}`...)
	return nil
}
