package dynamo

import (
	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// need is what an operation does to the tables that it finds.
type need struct {
	// action is what the key has to be allowed. Empty: to write if the request
	// touches any table so, else to read.
	action access.Action
	// byKey says that the operation reads and writes only items whose keys come
	// from keyOf, keyFrom or mayQuery, which hold them against the key's prefix.
	// The others are refused to a key that is limited to one.
	byKey bool
}

// needs are what operations need. What is not here is refused to all but an
// administrator's keys.
var needs = map[string]need{
	"GetItem":            {access.Read, true},
	"BatchGetItem":       {access.Read, true},
	"TransactGetItems":   {access.Read, true},
	"Query":              {access.Read, true},
	"Scan":               {access.Read, false},
	"PutItem":            {access.Write, true},
	"UpdateItem":         {access.Write, true},
	"DeleteItem":         {access.Write, true},
	"BatchWriteItem":     {access.Write, true},
	"TransactWriteItems": {access.Write, true},

	"ExecuteStatement":      {"", true},
	"BatchExecuteStatement": {"", true},
	"ExecuteTransaction":    {"", true},

	"DescribeTable":                       {access.Describe, true},
	"DescribeTimeToLive":                  {access.Describe, true},
	"DescribeContinuousBackups":           {access.Describe, true},
	"DescribeContributorInsights":         {access.Describe, true},
	"DescribeKinesisStreamingDestination": {access.Describe, true},
	"DescribeTableReplicaAutoScaling":     {access.Describe, true},
	"DescribeGlobalTable":                 {access.Describe, true},
	"DescribeGlobalTableSettings":         {access.Describe, true},
	"ListTagsOfResource":                  {access.Describe, true},
	"ListGlobalTables":                    {access.Describe, true},
	"ListContributorInsights":             {access.Describe, true},
	"GetResourcePolicy":                   {access.Describe, true},
	"ListTables":                          {access.Describe, true},
	"DescribeLimits":                      {access.Describe, true},
	"DescribeEndpoints":                   {access.Describe, true},

	"CreateTable":                        {access.Manage, false},
	"UpdateTable":                        {access.Manage, false},
	"DeleteTable":                        {access.Manage, false},
	"UpdateTimeToLive":                   {access.Manage, false},
	"TagResource":                        {access.Manage, false},
	"UntagResource":                      {access.Manage, false},
	"CreateGlobalTable":                  {access.Manage, false},
	"UpdateGlobalTable":                  {access.Manage, false},
	"UpdateGlobalTableSettings":          {access.Manage, false},
	"DeleteResourcePolicy":               {access.Manage, false},
	"UpdateTableReplicaAutoScaling":      {access.Manage, false},
	"UpdateContinuousBackups":            {access.Manage, false},
	"UpdateContributorInsights":          {access.Manage, false},
	"EnableKinesisStreamingDestination":  {access.Manage, false},
	"DisableKinesisStreamingDestination": {access.Manage, false},
	"UpdateKinesisStreamingDestination":  {access.Manage, false},

	// ImportTable reads files of all tables, and is for administrators. What makes
	// files or tables of a table needs the right to read all of it besides.
	"CreateBackup":              {access.Manage, false},
	"DescribeBackup":            {access.Describe, true},
	"DeleteBackup":              {access.Manage, false},
	"ListBackups":               {access.Describe, true},
	"RestoreTableFromBackup":    {access.Manage, false},
	"RestoreTableToPointInTime": {access.Manage, false},
	"ExportTableToPointInTime":  {access.Manage, false},
	"DescribeExport":            {access.Describe, true},
	"ListExports":               {access.Describe, true},
	"DescribeImport":            {access.Describe, true},
	"ListImports":               {access.Describe, true},

	"ListStreams":      {access.Read, false},
	"DescribeStream":   {access.Read, false},
	"GetShardIterator": {access.Read, false},
	"GetRecords":       {access.Read, false},
}

// authorize refuses a request on tables to which the caller may not do what the
// operation does. One that declares nothing is for administrators: whoever
// forgets it has not opened anything.
func (c *call) authorize(op operation) error {
	var declared bool
	if c.need, declared = needs[c.operation]; c.key.Kind == access.Admin {
		return nil
	}
	if !declared {
		return c.denied("*")
	}
	if op.touched == nil {
		return nil // what finds the table refuses
	}
	if c.need.action == "" {
		c.need.action = access.Read
		for _, x := range c.touched {
			if x.what == writes { // and what else is only looked at is its condition
				c.need.action = access.Write
			}
		}
	}
	for _, x := range c.touched {
		if !c.allowed(x.table) {
			return c.denied(x.table)
		}
	}
	return nil
}

// requires says what the request does, before its table is looked for.
func (c *call) requires(a access.Action) { c.need.action = a }

// allowed reports whether the key may do this to the table, or to those of its
// items whose keys mayTouch lets through.
func (c *call) allowed(name string) bool {
	if c.need.byKey {
		return c.key.MaySome(c.need.action, name)
	}
	return c.key.MayAll(c.need.action, name)
}

// visible reports whether the key may know of the table.
func (c *call) visible(name string) bool { return c.key.MaySome(access.Describe, name) }

// mayTouch refuses the key of an item that is not under the caller's prefix.
// Prefixes are of strings: of a table with other keys the caller has no item.
func (c *call) mayTouch(t table.Table, k record.Key) error {
	if c.key.MayAll(c.need.action, t.Name) || t.Key.Type == item.S.String() && c.key.May(c.need.action, t.Name, string(k.Partition)) {
		return nil
	}
	return c.denied(t.Name)
}

// mayQuery refuses to read a partition of the table, or of its index, that is
// not under the caller's prefix. The prefix says nothing about an index with
// another partition key.
func (c *call) mayQuery(t table.Table, x *table.Index, partition item.Value) error {
	switch {
	case c.key.MayAll(c.need.action, t.Name):
		return nil
	case x != nil && x.Key != t.Key:
		return c.denied(t.Name + "/index/" + x.Name)
	}
	return c.mayTouch(t, record.Key{Partition: item.AppendOrdered(nil, partition)})
}
