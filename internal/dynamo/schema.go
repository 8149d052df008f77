package dynamo

import (
	"net/http"
	"slices"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// DynamoDB's limits on items and keys, in bytes.
const (
	itemMax      = 400 << 10
	partitionMax = 2048
	sortMax      = 1024
)

const schemaMismatch = "The provided key element does not match the schema"

// table finds the request's table, if this region serves it and the key may use
// it. As on AWS, a table that is CREATING has no items to ask for.
func (c *call) table() (table.Table, error) { return c.tableNamed(tableFrom(c.text("TableName"))) }

func (c *call) tableNamed(name string) (table.Table, error) {
	t, err := c.tableHere(name)
	if err != nil {
		return t, err
	}
	served, err := c.server.serves(t)
	if err == nil && !served {
		err = errNotFound
	}
	if err != nil {
		return t, err
	}
	return t, c.admit(t)
}

// serves reports whether this region has all of a table, as far as it knows and
// as all have agreed: until then it would not find what is there.
func (s *Server) serves(t table.Table) (bool, error) {
	i := slices.IndexFunc(t.Replicas, func(r table.Replica) bool { return r.Region == s.config.Region })
	if i < 0 || !t.Replicas[i].Complete() || t.Filling() {
		return false, nil
	}
	if t.Replicas[i].Since == 0 {
		if s.config.Lacking != nil {
			if why := s.config.Lacking(); why != "" {
				return false, unavailable("%s. Try again, or ask another region", why)
			}
		}
		return true, nil
	}
	whole, err := s.config.Store.Whole(t.ID)
	return whole >= t.Replicas[i].Since, err
}

// tableHere finds a table, whether or not it is served yet, if the key may do to
// it what the operation needs.
func (c *call) tableHere(name string) (table.Table, error) {
	if !c.allowed(name) {
		return table.Table{}, c.denied(name)
	}
	return c.find(name)
}

// find finds a table of this region.
func (c *call) find(name string) (table.Table, error) {
	t, ok := c.server.config.Catalog.Table(name)
	if !ok || !t.In(c.server.config.Region) {
		return t, errNotFound
	}
	return t, nil
}

// keyFrom reads a Key or ExclusiveStartKey: exactly the key attributes. what
// begins the message of a mismatch.
func (c *call) keyFrom(t table.Table, it item.Item) (record.Key, error) {
	want := 1
	if t.Sort != nil {
		want = 2
	}
	if len(it) != want {
		return record.Key{}, invalid(schemaMismatch)
	}
	for a := range attributes(t) {
		if err := checkKeyValue(it.Get(a.Name), a); err != nil {
			return record.Key{}, err
		}
	}
	return c.keyIn(t, it)
}

// checkKeyValue refuses a value that a key attribute cannot have.
func checkKeyValue(v item.Value, a table.Attribute) error {
	if v.Kind.String() != a.Type {
		return invalid(schemaMismatch)
	}
	if empty(v) {
		return emptyKey("", v, " Key: "+a.Name)
	}
	return nil
}

// keyOf is the key of a whole item.
func (c *call) keyOf(t table.Table, it item.Item) (record.Key, error) {
	for a := range attributes(t) {
		v := it.Get(a.Name)
		switch {
		case !v.Exists():
			return record.Key{}, invalidValues("Missing the key %s in the item", a.Name)
		case v.Kind.String() != a.Type:
			return record.Key{}, invalidValues("Type mismatch for key %s expected: %s actual: %s", a.Name, a.Type, v.Kind)
		case empty(v):
			return record.Key{}, emptyKey("", v, " Key: "+a.Name)
		}
	}
	return c.keyIn(t, it)
}

// keyIn is the store's key of an item whose key attributes are there, if the
// caller may touch it.
func (c *call) keyIn(t table.Table, it item.Item) (record.Key, error) {
	k := record.Key{Table: t.ID, Partition: item.AppendOrdered(nil, it.Get(t.Key.Name))}
	if len(k.Partition) > partitionMax {
		return k, invalidValues("Size of hashkey has exceeded the maximum size limit of2048 bytes") // AWS's spelling
	}
	if t.Sort != nil {
		k.Sort = item.AppendOrdered(nil, it.Get(t.Sort.Name))
		if len(k.Sort) > sortMax {
			return k, invalidValues("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
		}
	}
	return k, c.mayTouch(t, k)
}

// attributes are the table's key attributes.
func attributes(t table.Table) func(yield func(table.Attribute) bool) {
	return func(yield func(table.Attribute) bool) {
		if yield(t.Key) && t.Sort != nil {
			yield(*t.Sort)
		}
	}
}

func empty(v item.Value) bool { return v.Kind != item.N && v.Text == "" }

// emptyKey refuses an empty value for a key attribute: which says which.
func emptyKey(more string, v item.Value, which string) error {
	return &apiError{
		status: http.StatusBadRequest, kind: validate + "ValidationException", whole: true,
		message: "One or more parameter values are not valid. " + more + "The AttributeValue for a key attribute cannot contain an empty " + kindWord(v.Kind) + " value." + which,
	}
}

func kindWord(k item.Kind) string {
	if k == item.B {
		return "binary"
	}
	return "string"
}

// checkIndexKeys refuses an item whose attributes cannot be keys of an index
// that has them as such. Items without them are just not in the index.
func checkIndexKeys(t table.Table, it item.Item) error {
	for _, x := range t.Indexes {
		for a := range x.Attributes() {
			v := it.Get(a.Name)
			if v.Exists() && v.Kind.String() != a.Type {
				return indexType(t, a, v.Kind)
			}
			if err := checkIndexKey(t, x, a, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// firstIndex is the name that AWS gives where several indexes have the attribute
// in their keys: the first by alphabet.
func firstIndex(t table.Table, a table.Attribute) (name string) {
	for _, x := range t.Indexes {
		for of := range x.Attributes() {
			if of == a && (name == "" || x.Name < name) {
				name = x.Name
			}
		}
	}
	return name
}

func indexType(t table.Table, a table.Attribute, kind item.Kind) error {
	return invalidValues("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", a.Name, a.Type, kind, firstIndex(t, a))
}

// checkIndexKey refuses a value of the right type that cannot be an index's key.
func checkIndexKey(t table.Table, x table.Index, a table.Attribute, v item.Value) error {
	switch {
	case !v.Exists():
	case empty(v):
		return emptyKey("A value specified for a secondary index key is not supported. ", v, " IndexName: "+firstIndex(t, a)+", IndexKey: "+a.Name)
	case tooLong(x, a, v):
		return invalidValues("Size of index key %s has exceeded the maximum size limit. IndexName: %s", a.Name, firstIndex(t, a))
	}
	return nil
}

// checkUpdatedKey is checkIndexKey of the value that an update gave an attribute.
func checkUpdatedKey(x table.Index, a table.Attribute, v item.Value) error {
	const attempt = "The update expression attempted to update "
	switch {
	case !v.Exists():
	case v.Kind.String() != a.Type:
		return invalid(attempt + "the secondary index key to unsupported type")
	case empty(v):
		return emptyKey(attempt+"a secondary index key to a value that is not supported. ", v, "")
	case tooLong(x, a, v):
		return invalid(attempt + "the secondary index key beyond allowed size limits")
	}
	return nil
}

// tooLong reports whether a value is longer than the attribute of an index's key may be.
func tooLong(x table.Index, a table.Attribute, v item.Value) bool {
	return len(v.Text) > partitionMax || len(v.Text) > sortMax && slices.Contains(x.Sorted(), a)
}

// nested is anything that can look inside of an attribute.
type nested interface{ UsesInside(attribute string) bool }

// checkScalarKeys refuses paths that lead into key attributes, which have no
// inside.
func checkScalarKeys(t table.Table, n nested) error {
	const refusal = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
	for a := range attributes(t) {
		if n.UsesInside(a.Name) {
			return invalid(refusal+"Key: %s", a.Name)
		}
	}
	for _, x := range t.Indexes {
		for a := range x.Attributes() {
			if n.UsesInside(a.Name) {
				return invalid(refusal+"IndexKey: %s", a.Name)
			}
		}
	}
	return nil
}
