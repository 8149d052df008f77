package table

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Limits on a table's settings, DynamoDB's.
const (
	TagsMax       = 50
	tagKeyMax     = 128
	tagValueMax   = 256
	throughputMax = 1_000_000_000_000
	encryptionMax = 2048 // bytes of a key's name
)

// InfrequentAccess is the class of tables whose storage shall be cheap; the
// empty class is STANDARD.
const InfrequentAccess = "STANDARD_INFREQUENT_ACCESS"

// ThrottleTag is the tag by which a table of the API asks for its throughput to
// be enforced: with the value "true".
const ThrottleTag = "meridian:throttle"

// Throughput is a rate of capacity units: those of a second. Zero is none, or no
// bound.
type Throughput struct {
	Read  int64 `json:"read,omitempty"`
	Write int64 `json:"write,omitempty"`
}

// Provisioned is the throughput that a table was given, and its history in Unix
// milliseconds.
type Provisioned struct {
	Throughput
	Raised  int64 `json:"raised,omitempty"`
	Lowered int64 `json:"lowered,omitempty"`
	// Lowerings is how often it was lowered on the day (UTC) of Lowered.
	Lowerings int `json:"lowerings,omitempty"`
}

// IndexSettings are those of an index.
type IndexSettings struct {
	Provisioned *Provisioned `json:"provisioned,omitempty"`
	OnDemand    Throughput   `json:"on_demand,omitzero"`
	Warm        Throughput   `json:"warm,omitzero"`
}

// Encryption is how the table's user wants it to be encrypted at rest. It is
// kept and shown; nothing here does it.
type Encryption struct {
	Key string `json:"key,omitempty"`
}

// ReplicaSettings are those in which a replica differs from its table. Zero is
// as the table.
type ReplicaSettings struct {
	Class string `json:"class,omitempty"`
	Key   string `json:"key,omitempty"` // as Encryption's
	// Read replaces the provisioned reads a second, OnDemandRead their bound.
	Read         int64                   `json:"read,omitempty"`
	OnDemandRead int64                   `json:"on_demand_read,omitempty"`
	Indexes      map[string]ReplicaIndex `json:"indexes,omitempty"`
}

// ReplicaIndex is how an index differs in a replica.
type ReplicaIndex struct {
	Read         int64 `json:"read,omitempty"`
	OnDemandRead int64 `json:"on_demand_read,omitempty"`
}

// Tag is a label of a table.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Settings are what a table was told that says nothing about its data. They are
// the same in all regions.
type Settings struct {
	// Provisioned is the throughput of a table that is billed for it; nil is a
	// table that is billed by request. OnDemand bounds the latter.
	Provisioned *Provisioned `json:"provisioned,omitempty"`
	OnDemand    Throughput   `json:"on_demand,omitzero"`
	// ByRequestSince is when a table with provisioned throughput was changed to
	// be billed by request, in Unix milliseconds; 0 is from the beginning.
	ByRequestSince int64      `json:"by_request_since,omitempty"`
	Warm           Throughput `json:"warm,omitzero"`
	// Indexes has the settings of those indexes, by name, that have some. Names
	// of indexes that are gone mean nothing.
	Indexes map[string]IndexSettings `json:"indexes,omitempty"`
	// Replicas has the settings of the replicas, by region, that have some.
	Replicas map[string]ReplicaSettings `json:"replicas,omitempty"`
	// Class is the table class; ClassSince when it was changed, in Unix
	// milliseconds.
	Class      string `json:"class,omitempty"`
	ClassSince int64  `json:"class_since,omitempty"`
	// Protected tables cannot be deleted.
	Protected  bool        `json:"protected,omitempty"`
	Encryption *Encryption `json:"encryption,omitempty"`
	// Tags are sorted by key.
	Tags []Tag `json:"tags,omitempty"`
	// Throttle says that the spec wants the throughput to be enforced.
	Throttle bool `json:"throttle,omitempty"`
	// Global says that the table was made a global one by CreateGlobalTable,
	// however many regions it has.
	Global bool `json:"global,omitempty"`
}

// Tag is the value of a tag, and whether it is there.
func (s Settings) Tag(key string) (value string, ok bool) {
	for _, t := range s.Tags {
		if t.Key == key {
			return t.Value, true
		}
	}
	return "", false
}

// Enforced is the throughput beyond which the table's requests in a region are
// refused; a zero rate has no bound. Only tables that ask for it have one.
func (s Settings) Enforced(region string) Throughput {
	if tag, _ := s.Tag(ThrottleTag); !s.Throttle && tag != "true" {
		return Throughput{}
	}
	if s = s.In(region); s.Provisioned == nil {
		return s.OnDemand
	}
	return s.Provisioned.Throughput
}

// In is the settings as they hold in a region: with those of its replica.
func (s Settings) In(region string) Settings {
	own, ok := s.Replicas[region]
	if !ok {
		return s
	}
	s = s.clone()
	s.Class = cmp.Or(own.Class, s.Class)
	s.OnDemand.Read = cmp.Or(own.OnDemandRead, s.OnDemand.Read)
	if s.Provisioned != nil {
		s.Provisioned.Read = cmp.Or(own.Read, s.Provisioned.Read)
	}
	for name, o := range own.Indexes {
		s.SetIndex(name, func(x *IndexSettings) {
			x.OnDemand.Read = cmp.Or(o.OnDemandRead, x.OnDemand.Read)
			if x.Provisioned != nil {
				x.Provisioned.Read = cmp.Or(o.Read, x.Provisioned.Read)
			}
		})
	}
	return s
}

// SetIndex changes the settings of an index by fn.
func (s *Settings) SetIndex(name string, fn func(*IndexSettings)) {
	s.Indexes = changed(s.Indexes, name, fn)
}

// DropIndex forgets the settings of an index, in all replicas: an index that gets
// its name later is another one.
func (s *Settings) DropIndex(name string) {
	s.SetIndex(name, func(x *IndexSettings) { *x = IndexSettings{} })
	for region := range s.Replicas {
		s.SetReplica(region, func(r *ReplicaSettings) {
			r.SetIndex(name, func(x *ReplicaIndex) { *x = ReplicaIndex{} })
		})
	}
}

// SetIndex changes how an index differs in the replica by fn.
func (s *ReplicaSettings) SetIndex(name string, fn func(*ReplicaIndex)) {
	s.Indexes = changed(s.Indexes, name, fn)
}

// SetReplica changes the settings of a region's replica by fn.
func (s *Settings) SetReplica(region string, fn func(*ReplicaSettings)) {
	s.Replicas = changed(s.Replicas, region, fn)
}

// changed is a copy of settings with those of name changed by fn; where nothing
// is set, nothing is kept.
func changed[T any](settings map[string]T, name string, fn func(*T)) map[string]T {
	x := settings[name]
	fn(&x)
	settings = maps.Clone(settings)
	if settings == nil {
		settings = map[string]T{}
	}
	settings[name] = x
	if reflect.ValueOf(x).IsZero() {
		delete(settings, name)
	}
	if len(settings) == 0 {
		return nil
	}
	return settings
}

// Change sets the throughput at a time in Unix milliseconds.
func (p *Provisioned) Change(to Throughput, now int64) {
	if to.Read > p.Read || to.Write > p.Write {
		p.Raised = now
	}
	if to.Read < p.Read || to.Write < p.Write {
		p.Lowerings = p.LoweredOn(now) + 1
		p.Lowered = now
	}
	p.Throughput = to
}

// LoweredOn is how often the throughput was lowered on the day of a time in Unix
// milliseconds.
func (p *Provisioned) LoweredOn(now int64) int {
	const day = 24 * 60 * 60 * 1000
	if now/day != p.Lowered/day {
		return 0
	}
	return p.Lowerings
}

func (s Settings) same(u Settings) bool { return reflect.DeepEqual(s, u) }

func (s Settings) clone() Settings {
	s.Provisioned = s.Provisioned.clone()
	s.Indexes = maps.Clone(s.Indexes)
	for name, x := range s.Indexes {
		x.Provisioned = x.Provisioned.clone()
		s.Indexes[name] = x
	}
	s.Replicas = maps.Clone(s.Replicas)
	for region, r := range s.Replicas {
		r.Indexes = maps.Clone(r.Indexes)
		s.Replicas[region] = r
	}
	if s.Encryption != nil {
		e := *s.Encryption
		s.Encryption = &e
	}
	s.Tags = slices.Clone(s.Tags)
	return s
}

func (p *Provisioned) clone() *Provisioned {
	if p == nil {
		return nil
	}
	q := *p
	return &q
}

func (s Settings) check() error {
	var errs []error
	if s.Provisioned != nil {
		errs = append(errs, s.Provisioned.check())
	}
	if s.Throttle && s.Provisioned == nil {
		errs = append(errs, errors.New("a table that is throttled needs a throughput"))
	}
	if s.Class != "" && s.Class != InfrequentAccess {
		errs = append(errs, fmt.Errorf("the class %q is unknown", s.Class))
	}
	if s.Encryption != nil && len(s.Encryption.Key) > encryptionMax {
		errs = append(errs, fmt.Errorf("the name of the encryption key has %d bytes, at most %d are allowed", len(s.Encryption.Key), encryptionMax))
	}
	if len(s.Tags) > TagsMax {
		errs = append(errs, fmt.Errorf("%d tags, at most %d are allowed", len(s.Tags), TagsMax))
	}
	for _, t := range s.Tags {
		errs = append(errs, t.Check())
	}
	return errors.Join(errs...)
}

func (t Throughput) check() error {
	if t.Read < 1 || t.Write < 1 || t.Read > throughputMax || t.Write > throughputMax {
		return fmt.Errorf("throughput: %d reads and %d writes a second, each must be from 1 to %d", t.Read, t.Write, throughputMax)
	}
	return nil
}

// Check reports what is wrong with a tag.
func (t Tag) Check() error {
	switch {
	case t.Key == "" || len([]rune(t.Key)) > tagKeyMax:
		return fmt.Errorf("the tag key %q must have 1 to %d characters", t.Key, tagKeyMax)
	case len([]rune(t.Value)) > tagValueMax:
		return fmt.Errorf("the value of tag %q has more than %d characters", t.Key, tagValueMax)
	case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
		return fmt.Errorf("the tag key %q begins with aws:, which is AWS's own", t.Key)
	}
	return nil
}
