package table

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits on what a table may be, DynamoDB's where it has one.
const (
	NameLengthMax  = 255
	NameLengthMin  = 3
	ReplicasMax    = 64
	attributeNames = 255
)

// SameKeys reports whether t and u have the same key schema, which a table
// keeps for life: records are stored under it.
func (t Table) SameKeys(u Table) bool {
	return t.Key == u.Key && sameAttribute(t.Sort, u.Sort)
}

// SameSchema reports whether t and u have the same keys, indexes, expiry
// attribute, settings and regions: all that SchemaVersion counts the changes of.
func (t Table) SameSchema(u Table) bool {
	return t.SameKeys(u) && t.TTL == u.TTL &&
		slices.Equal(t.Regions(), u.Regions()) &&
		t.sameStrictness(u) &&
		sameImages(t.Images, u.Images) &&
		t.sameStreams(u) && sameRecovery(t.Recovery, u.Recovery) && sameOrigin(t.Origin, u.Origin) &&
		t.SameMerge(u) &&
		t.Settings.same(u.Settings) &&
		t.SameIndexes(u)
}

func sameAttribute(a, b *Attribute) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Keys says the key schema in words: "pk S", or "pk S, sk N".
func (t Table) Keys() string {
	if t.Sort == nil {
		return t.Key.Name + " " + t.Key.Type
	}
	return fmt.Sprintf("%s %s, %s %s", t.Key.Name, t.Key.Type, t.Sort.Name, t.Sort.Type)
}

// Check reports what is wrong with a table that someone asks for; all of it at
// once. Replicas are the asker's names and need no ids yet.
func (t Table) Check() error {
	var errs []error
	if err := checkName(t.Name); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, checkKeys("key", t.Key, t.Sort))
	if len(t.TTL) > attributeNames {
		errs = append(errs, fmt.Errorf("ttl: the attribute name has %d bytes, at most %d are allowed", len(t.TTL), attributeNames))
	}
	if len(t.Replicas) > ReplicasMax {
		errs = append(errs, fmt.Errorf("%d replicas, at most %d are allowed", len(t.Replicas), ReplicasMax))
	}
	errs = append(errs, t.checkStrictness(), t.Images.check(), t.Stream.check(), t.Recovery.check(), t.checkMerge(), t.Settings.check(), t.checkIndexes())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("table %q: %w", t.Name, err)
	}
	return nil
}

func checkName(name string) error {
	if len(name) < NameLengthMin || len(name) > NameLengthMax {
		return fmt.Errorf("the name has %d characters, it must have %d to %d", len(name), NameLengthMin, NameLengthMax)
	}
	bad := strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	})
	if bad >= 0 {
		return fmt.Errorf("the name %q may hold only letters, digits, _, - and dots", name)
	}
	return nil
}

func checkKeys(what string, key Attribute, sort *Attribute) error {
	if err := key.check(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if sort == nil {
		return nil
	}
	if err := sort.check(); err != nil {
		return fmt.Errorf("%s, sort: %w", what, err)
	}
	if sort.Name == key.Name {
		return fmt.Errorf("%s: %s cannot be both partition and sort key", what, key.Name)
	}
	return nil
}

func (a Attribute) check() error {
	if a.Name == "" || len(a.Name) > attributeNames {
		return fmt.Errorf("the attribute name has %d bytes, it must have 1 to %d", len(a.Name), attributeNames)
	}
	switch a.Type {
	case "S", "N", "B":
		return nil
	}
	return fmt.Errorf("the type of %s is %q, it must be S, N or B", a.Name, a.Type)
}
