package table

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Limits on indexes, DynamoDB's.
const (
	// GlobalIndexesMax and LocalIndexesMax are how many a table can have.
	GlobalIndexesMax = 20
	LocalIndexesMax  = 5
	// IndexKeysMax is how many attributes the partition key of a global index can
	// have, and how many its sort key.
	IndexKeysMax = 4
	// IncludedMax is how many attributes all of a table's indexes can list.
	IncludedMax = 100
)

// Index is a secondary index: its keys and what it projects.
type Index struct {
	Name string     `json:"name"`
	Key  Attribute  `json:"key"`
	Sort *Attribute `json:"sort,omitempty"`
	// MoreKeys and MoreSorts are the attributes behind the first of a partition key
	// or sort key that has several.
	MoreKeys  []Attribute `json:"more_keys,omitempty"`
	MoreSorts []Attribute `json:"more_sorts,omitempty"`
	// Projection is ALL, KEYS_ONLY or INCLUDE; Include lists the latter's
	// attributes.
	Projection string   `json:"projection"`
	Include    []string `json:"include,omitempty"`
	// Local says that the index has the table's partition key and counts as a part
	// of the table: it can be read consistently, and has all attributes.
	Local bool `json:"local,omitempty"`
	// Since is the control revision that added the index to a table that was there;
	// 0 if the table had it from the beginning. With the name it tells the index
	// from others that had its name before.
	Since uint64 `json:"since,omitempty"`
}

// Partition are the attributes of the index's partition key.
func (x Index) Partition() []Attribute {
	return append([]Attribute{x.Key}, x.MoreKeys...)
}

// Sorted are the attributes of the index's sort key, none if it has none.
func (x Index) Sorted() []Attribute {
	if x.Sort == nil {
		return nil
	}
	return append([]Attribute{*x.Sort}, x.MoreSorts...)
}

// Attributes are all key attributes of the index.
func (x Index) Attributes() iter.Seq[Attribute] {
	return func(yield func(Attribute) bool) {
		if !yield(x.Key) {
			return
		}
		for _, a := range x.MoreKeys {
			if !yield(a) {
				return
			}
		}
		if x.Sort == nil || !yield(*x.Sort) {
			return
		}
		for _, a := range x.MoreSorts {
			if !yield(a) {
				return
			}
		}
	}
}

// Is reports whether x and y are one index: of one name, and added at once. The
// entries of one are of no use to another.
func (x Index) Is(y Index) bool { return x.Name == y.Name && x.Since == y.Since }

// Index finds an index by name.
func (t Table) Index(name string) (Index, bool) {
	for _, x := range t.Indexes {
		if x.Name == name {
			return x, true
		}
	}
	return Index{}, false
}

// HasLocal reports whether the table has a local secondary index, and so item
// collections.
func (t Table) HasLocal() bool {
	return slices.ContainsFunc(t.Indexes, func(x Index) bool { return x.Local })
}

// SameIndexes reports whether t and u have the same secondary indexes.
func (t Table) SameIndexes(u Table) bool { return slices.EqualFunc(t.Indexes, u.Indexes, sameIndex) }

// AddedSince notes in t's indexes, and of its expiry attribute, under which control
// revision they were added to what the table was before.
func (t *Table) AddedSince(revision uint64, before Table) {
	switch t.TTL {
	case before.TTL:
		t.TTLSince = before.TTLSince
	case "":
		t.TTLSince = 0
	default:
		t.TTLSince = revision
	}
	for i, x := range t.Indexes {
		t.Indexes[i].Since = revision
		if y, ok := before.Index(x.Name); ok && sameIndex(x, y) {
			t.Indexes[i].Since = y.Since
		}
	}
}

// sameIndex compares all that a user says of an index.
func sameIndex(x, y Index) bool {
	return x.Name == y.Name && x.Key == y.Key && sameAttribute(x.Sort, y.Sort) && x.Local == y.Local &&
		slices.Equal(x.MoreKeys, y.MoreKeys) && slices.Equal(x.MoreSorts, y.MoreSorts) &&
		x.Projection == y.Projection && slices.Equal(x.Include, y.Include)
}

func cloneIndexes(indexes []Index) []Index {
	indexes = slices.Clone(indexes)
	for i, x := range indexes {
		indexes[i].Sort = cloneAttribute(x.Sort)
		indexes[i].MoreKeys, indexes[i].MoreSorts = slices.Clone(x.MoreKeys), slices.Clone(x.MoreSorts)
		indexes[i].Include = slices.Clone(x.Include)
	}
	return indexes
}

func (t Table) checkIndexes() error {
	var errs []error
	seen := map[string]bool{}
	local, included := 0, 0
	for _, x := range t.Indexes {
		if seen[x.Name] {
			errs = append(errs, fmt.Errorf("index %s is there twice: give each a name of its own", x.Name))
		}
		seen[x.Name] = true
		included += len(x.Include)
		errs = append(errs, x.check())
		if x.Local {
			local++
			errs = append(errs, t.checkLocal(x))
		}
	}
	if global := len(t.Indexes) - local; global > GlobalIndexesMax {
		errs = append(errs, fmt.Errorf("%d global indexes, at most %d are allowed", global, GlobalIndexesMax))
	}
	if local > LocalIndexesMax {
		errs = append(errs, fmt.Errorf("%d local indexes, at most %d are allowed", local, LocalIndexesMax))
	}
	if included > IncludedMax {
		errs = append(errs, fmt.Errorf("the indexes list %d attributes, at most %d are allowed in all of them together", included, IncludedMax))
	}
	return errors.Join(errs...)
}

func (x Index) check() error {
	if err := checkName(x.Name); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	switch x.Projection {
	case "ALL", "KEYS_ONLY", "INCLUDE":
	default:
		return fmt.Errorf("index %s: projection %q is none of ALL, KEYS_ONLY, INCLUDE", x.Name, x.Projection)
	}
	if len(x.Partition()) > IndexKeysMax || len(x.Sorted()) > IndexKeysMax || x.Sort == nil && len(x.MoreSorts) > 0 {
		return fmt.Errorf("index %s: at most %d attributes are allowed in each part of its key", x.Name, IndexKeysMax)
	}
	seen := []string{x.Key.Name}
	if x.Sort != nil {
		seen = append(seen, x.Sort.Name)
	}
	for _, a := range slices.Concat(x.MoreKeys, x.MoreSorts) {
		if err := a.check(); err != nil {
			return fmt.Errorf("index %s: %w", x.Name, err)
		}
		if slices.Contains(seen, a.Name) {
			return fmt.Errorf("index %s: %s cannot be in its key twice", x.Name, a.Name)
		}
		seen = append(seen, a.Name)
	}
	return checkKeys("index "+x.Name, x.Key, x.Sort)
}

func (t Table) checkLocal(x Index) error {
	switch {
	case x.Key != t.Key || len(x.MoreKeys) > 0:
		return fmt.Errorf("index %s: a local index has the partition key of its table, %s", x.Name, t.Key.Name)
	case x.Sort == nil || len(x.MoreSorts) > 0:
		return fmt.Errorf("index %s: a local index has one sort key of its own", x.Name)
	case t.Sort == nil:
		return fmt.Errorf("index %s: a table without a sort key has one item for each partition key, and no use for a local index", x.Name)
	}
	return nil
}
