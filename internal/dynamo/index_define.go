package dynamo

import (
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// attributeTypes are what AttributeDefinitions says: types by name, and the names
// as errors show them.
type attributeTypes struct {
	types   map[string]string
	defined string
}

// defineIndexes reads the secondary indexes of a table that is created.
func (c *call) defineIndexes(t *table.Table, a attributeTypes) error {
	local, global := c.request.Get("LocalSecondaryIndexes"), c.request.Get("GlobalSecondaryIndexes")
	switch {
	case local.Exists() && local.Len() == 0:
		return invalidValues("List of LocalSecondaryIndexes is empty")
	case global.Exists() && global.Len() == 0:
		return invalidValues("List of GlobalSecondaryIndexes is empty")
	case local.Exists() && t.Sort == nil:
		return invalidValues("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	case local.Len() > table.LocalIndexesMax:
		return invalidValues("Number of LocalSecondaryIndexes exceeds per-table limit of %d", table.LocalIndexesMax)
	case global.Len() > table.GlobalIndexesMax:
		return invalidValues("GlobalSecondaryIndex count exceeds the per-table limit of %d", table.GlobalIndexesMax)
	}
	for n, ok := local.First(); ok; n, ok = n.Next() {
		if err := a.define(t, n, localIndex); err != nil {
			return err
		}
	}
	for n, ok := global.First(); ok; n, ok = n.Next() {
		if err := a.define(t, n, globalIndex); err != nil {
			return err
		}
	}
	return checkIncluded(*t)
}

// indexKind is which list of a request an index stands in.
type indexKind bool

const (
	globalIndex indexKind = false
	localIndex  indexKind = true
)

// define adds one index to a table.
func (a attributeTypes) define(t *table.Table, n item.Node, kind indexKind) error {
	x, err := a.index(n, kind)
	if err != nil {
		return err
	}
	if _, twice := t.Index(x.Name); twice {
		return invalidValues("Duplicate index name: %s", x.Name)
	}
	if x.Local = kind == localIndex; x.Local {
		switch {
		case x.Sort == nil:
			return invalidValues("Index KeySchema does not have a range key for index: %s", x.Name)
		case x.Key != t.Key:
			return invalidValues("Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. index hash key: %s, table hash key: %s", x.Name, x.Key.Name, t.Key.Name)
		}
	}
	t.Indexes = append(t.Indexes, x)
	return nil
}

func checkIncluded(t table.Table) error {
	included := 0
	for _, x := range t.Indexes {
		included += len(x.Include)
	}
	if included > table.IncludedMax {
		return invalidValues("Total number of non-key attributes of all indexes exceeds the limit of %d", table.IncludedMax)
	}
	return nil
}

// index reads an index's name, keys and projection.
func (a attributeTypes) index(n item.Node, kind indexKind) (x table.Index, err error) {
	list := "globalSecondaryIndexes"
	if kind == localIndex {
		list = "localSecondaryIndexes"
	}
	x.Name = n.Get("IndexName").Text()
	if len(x.Name) < 3 || len(x.Name) > 255 || !isName(x.Name) {
		return x, invalid("1 validation error detected: Value '%s' at '%s.1.member.indexName' failed to satisfy constraint: Member must have length between 3 and 255 and satisfy regular expression pattern: %s", x.Name, list, namePattern)
	}
	schema := n.Get("KeySchema")
	if hashes, ranges := countKeys(schema); kind == globalIndex && (hashes > 1 || ranges > 1) {
		err = a.severalKeys(&x, schema)
	} else {
		x.Key, x.Sort, err = readKeySchema(schema, a.types, a.defined)
	}
	if err != nil {
		return x, err
	}
	return x, readProjection(&x, n.Get("Projection"))
}

func countKeys(schema item.Node) (hashes, ranges int) {
	for n, ok := schema.First(); ok; n, ok = n.Next() {
		switch n.Get("KeyType").Text() {
		case "HASH":
			hashes++
		case "RANGE":
			ranges++
		}
	}
	return hashes, ranges
}

// severalKeys reads the schema of a key with several attributes in one part: up
// to four HASH elements, then up to four RANGE elements.
func (a attributeTypes) severalKeys(x *table.Index, schema item.Node) error {
	var parts [2][]table.Attribute
	seen := map[string]bool{}
	for n, ok := schema.First(); ok; n, ok = n.Next() {
		name, kind := n.Get("AttributeName").Text(), n.Get("KeyType").Text()
		part := 0
		switch {
		case kind == "RANGE":
			part = 1
		case kind != "HASH":
			return invalid("1 validation error detected: Value '%s' at 'keySchema.%d.member.keyType' failed to satisfy constraint: Member must satisfy enum value set: [HASH, RANGE]", kind, len(seen)+1)
		case len(parts[1]) > 0:
			return invalid("Invalid KeySchema: HASH key elements must come before RANGE key elements")
		}
		switch {
		case seen[name]:
			return invalid("Invalid KeySchema: Some elements in the KeySchema have the same name: %s", name)
		case a.types[name] == "":
			return invalidValues("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: %s", name, a.defined)
		case len(parts[part]) == table.IndexKeysMax:
			return invalidValues("KeySchema of index %s has more than %d %s elements", x.Name, table.IndexKeysMax, kind)
		}
		seen[name] = true
		parts[part] = append(parts[part], table.Attribute{Name: name, Type: a.types[name]})
	}
	if len(parts[0]) == 0 {
		return invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	x.Key, x.MoreKeys = parts[0][0], parts[0][1:]
	if len(parts[1]) > 0 {
		x.Sort, x.MoreSorts = &parts[1][0], parts[1][1:]
	}
	return nil
}

func readProjection(x *table.Index, p item.Node) error {
	x.Projection = p.Get("ProjectionType").Text()
	list := p.Get("NonKeyAttributes")
	for child, ok := list.First(); ok; child, ok = child.Next() {
		x.Include = append(x.Include, child.Text())
	}
	switch x.Projection {
	case "ALL", "KEYS_ONLY":
		if list.Exists() {
			return invalidValues("ProjectionType is %s, but NonKeyAttributes is specified", x.Projection)
		}
	case "INCLUDE":
		if !list.Exists() {
			return invalidValues("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
		}
	case "":
		return invalidValues("Unknown ProjectionType: null")
	default:
		return invalid("1 validation error detected: Value '%s' at 'projection.projectionType' failed to satisfy constraint: Member must satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]", x.Projection)
	}
	return nil
}
