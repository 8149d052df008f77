package table_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/table"
)

// D1: settings are a part of what regions agree on; states without them are read
// as before.
func TestD1_SettingsAreKeptWithTheTable(t *testing.T) {
	good := notes()
	encoded, err := json.Marshal(good)
	if err != nil || strings.Contains(string(encoded), "settings") {
		t.Fatalf("a table without settings is kept as %s, %v", encoded, err)
	}
	good.Settings = table.Settings{
		Provisioned: &table.Provisioned{Throughput: table.Throughput{Read: 5, Write: 6}, Raised: 1},
		Indexes:     map[string]table.IndexSettings{"by-owner": {Provisioned: &table.Provisioned{Throughput: table.Throughput{Read: 1, Write: 1}}}},
		Class:       table.InfrequentAccess, Protected: true, Encryption: &table.Encryption{Key: "k"},
		Tags: []table.Tag{{Key: "team", Value: "a"}},
	}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	var read table.Table
	if encoded, err = json.Marshal(good); err == nil {
		err = json.Unmarshal(encoded, &read)
	}
	if err != nil || !read.SameSchema(good) || good.SameSchema(notes()) {
		t.Fatalf("read %+v, %v", read, err)
	}
	changed := good.Clone()
	changed.Settings.Provisioned.Read = 9
	changed.Settings.SetIndex("by-owner", func(x *table.IndexSettings) { x.Provisioned.Read = 9 })
	changed.Settings.Tags[0].Value = "b"
	changed.Settings.Encryption.Key = "other"
	if !read.SameSchema(good) || good.SameSchema(changed) {
		t.Error("a clone shares memory with its original")
	}
	changed.Settings.SetIndex("by-owner", func(x *table.IndexSettings) { *x = table.IndexSettings{} })
	if changed.Settings.Indexes != nil {
		t.Errorf("settings of nothing are kept: %v", changed.Settings.Indexes)
	}
	for want, change := range map[string]func(*table.Settings){
		"each must be from 1": func(s *table.Settings) { s.Provisioned.Write = 0 },
		"needs a throughput":  func(s *table.Settings) { s.Provisioned, s.Throttle = nil, true },
		"is unknown":          func(s *table.Settings) { s.Class = "COLD" },
		"encryption key has":  func(s *table.Settings) { s.Encryption.Key = strings.Repeat("k", 2049) },
		"at most 50":          func(s *table.Settings) { s.Tags = make([]table.Tag, 51) },
		"1 to 128 characters": func(s *table.Settings) { s.Tags[0].Key = "" },
		"more than 256":       func(s *table.Settings) { s.Tags[0].Value = strings.Repeat("v", 257) },
		"which is AWS's own":  func(s *table.Settings) { s.Tags[0].Key = "AWS:x" },
	} {
		bad := good.Clone()
		change(&bad.Settings)
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

// D1: a throughput's history is that of its last changes, and of one day.
func TestD1_AThroughputRemembersItsChanges(t *testing.T) {
	const hour = 60 * 60 * 1000
	p := table.Provisioned{Throughput: table.Throughput{Read: 5, Write: 5}}
	p.Change(table.Throughput{Read: 4, Write: 6}, 2*hour)
	p.Change(table.Throughput{Read: 3, Write: 6}, 3*hour)
	if p.Raised != 2*hour || p.Lowered != 3*hour || p.LoweredOn(4*hour) != 2 || p.LoweredOn(24*hour) != 0 {
		t.Errorf("history %+v", p)
	}
	p.Change(table.Throughput{Read: 1, Write: 6}, 25*hour)
	if p.LoweredOn(26*hour) != 1 || p.Read != 1 {
		t.Errorf("on the next day %+v", p)
	}
}

// D1: only tables that ask for it are throttled.
func TestD1_OnlyTablesThatAskAreThrottled(t *testing.T) {
	rate := table.Throughput{Read: 5, Write: 6}
	s := table.Settings{Provisioned: &table.Provisioned{Throughput: rate}}
	if got := s.Enforced("eu"); got != (table.Throughput{}) {
		t.Errorf("unasked: %v", got)
	}
	s.Throttle = true
	if got := s.Enforced("eu"); got != rate {
		t.Errorf("asked by the spec: %v", got)
	}
	s.SetReplica("us", func(r *table.ReplicaSettings) { r.Read = 50 })
	if got := s.Enforced("us"); got != (table.Throughput{Read: 50, Write: 6}) {
		t.Errorf("a replica with reads of its own: %v", got)
	}
	s = table.Settings{OnDemand: table.Throughput{Write: 7}, Tags: []table.Tag{{Key: table.ThrottleTag, Value: "true"}}}
	if got := s.Enforced("eu"); got != s.OnDemand {
		t.Errorf("asked by a tag: %v", got)
	}
}
