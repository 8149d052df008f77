package table_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/table"
)

func notes() table.Table {
	return table.Table{
		ID: 1<<63 + 1, Name: "notes", Key: table.Attribute{Name: "pk", Type: "S"}, Sort: &table.Attribute{Name: "at", Type: "N"},
		Indexes:  []table.Index{{Name: "by-owner", Key: table.Attribute{Name: "owner", Type: "S"}, Sort: &table.Attribute{Name: "at", Type: "N"}, Projection: "INCLUDE", Include: []string{"title"}}},
		Replicas: []table.Replica{{Region: "eu", ID: 2}, {Region: "us", ID: 1}},
	}
}

func TestCloneSharesNothing(t *testing.T) {
	a := notes()
	b := a.Clone()
	if diff := cmp.Diff(b, a); diff != "" {
		t.Error(diff)
	}
	b.Sort.Name, b.Indexes[0].Name, b.Indexes[0].Sort.Name, b.Indexes[0].Include[0], b.Replicas[0].Region = "x", "x", "x", "x", "x"
	if diff := cmp.Diff(a, notes()); diff != "" {
		t.Errorf("changing the clone changed the table: %s", diff)
	}
}

func TestJSONKeepsAllOfAnID(t *testing.T) {
	b, err := json.Marshal(notes())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), `"id":"9223372036854775809"`) {
		t.Errorf("the id is not text: %s", b)
	}
	var got table.Table
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, notes()); diff != "" {
		t.Error(diff)
	}
}

func TestSchemasAreCompared(t *testing.T) {
	for what, change := range map[string]func(*table.Table){
		"ttl":      func(t *table.Table) { t.TTL = "until" },
		"replicas": func(t *table.Table) { t.Replicas = t.Replicas[:1] },
		"no index": func(t *table.Table) { t.Indexes = nil },
		"include":  func(t *table.Table) { t.Indexes[0].Include = nil },
		"no sort":  func(t *table.Table) { t.Sort = nil },
		"key type": func(t *table.Table) { t.Key.Type = "B" },
	} {
		changed := notes()
		change(&changed)
		if changed.SameSchema(notes()) {
			t.Errorf("%s: the same schema", what)
		}
		if keys := what == "no sort" || what == "key type"; changed.SameKeys(notes()) == keys {
			t.Errorf("%s: same keys is %v", what, !keys)
		}
	}
	other := notes()
	other.ID, other.Revision, other.State = 7, 9, table.Active
	if !other.SameSchema(notes()) {
		t.Error("what control gives is no part of the schema")
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	if err := notes().Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*table.Table){
		"3 to 255":               func(t *table.Table) { t.Name = "no" },
		"letters, digits":        func(t *table.Table) { t.Name = "no/tes" },
		"S, N or B":              func(t *table.Table) { t.Key.Type = "BOOL" },
		"1 to 255":               func(t *table.Table) { t.Key.Name = "" },
		"both partition and":     func(t *table.Table) { t.Sort.Name = "pk" },
		"ALL, KEYS_ONLY":         func(t *table.Table) { t.Indexes[0].Projection = "" },
		"there twice":            func(t *table.Table) { t.Indexes = append(t.Indexes, t.Indexes[0]) },
		"at most 20":             func(t *table.Table) { t.Indexes = make([]table.Index, 21) },
		"index by-owner, sort: ": func(t *table.Table) { t.Indexes[0].Sort.Type = "" },
		"ttl: the attribute":     func(t *table.Table) { t.TTL = strings.Repeat("x", 256) },
		"replicas, at most":      func(t *table.Table) { t.Replicas = make([]table.Replica, 65) },
	} {
		bad := notes()
		change(&bad)
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}
