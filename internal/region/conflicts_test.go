package region

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// Keys are written as a person knows them, and shown as DynamoDB has them.
func TestD7_KeysOfConflicts(t *testing.T) {
	text := table.Table{ID: 7, Name: "notes", Key: table.Attribute{Name: "pk", Type: "S"}, Sort: &table.Attribute{Name: "sk", Type: "N"}}
	number := table.Table{ID: 7, Name: "views", Key: table.Attribute{Name: "n", Type: "N"}}
	bytes := table.Table{ID: 7, Name: "blobs", Key: table.Attribute{Name: "b", Type: "B"}}
	for _, test := range []struct {
		table table.Table
		key   string
		want  string // as shown; empty is refused
		whole bool   // the sort key is named, too
	}{
		{text, "note-1", `{"pk":{"S":"note-1"},"sk":{"N":"7"}}`, false},
		{text, `{"pk": {"S": "note-1"}}`, `{"pk":{"S":"note-1"},"sk":{"N":"7"}}`, false},
		{text, `{"pk": {"S": "note-1"}, "sk": {"N": "-12.50"}}`, `{"pk":{"S":"note-1"},"sk":{"N":"-12.5"}}`, true},
		{number, "1e2", `{"n":{"N":"100"}}`, false},
		{bytes, "aGk=", `{"b":{"B":"aGk="}}`, false},
		{number, "ten", "", false},
		{bytes, "%", "", false},
		{text, "{", "", false},
		{text, `{"pk": {"N": "1"}}`, "", false},
		{text, `{"pk": {"Q": "1"}}`, "", false},
	} {
		partition, sort, err := parseKey(test.table, test.key)
		if (err == nil) != (test.want != "") || (sort != nil) != test.whole {
			t.Errorf("%s of %s: %v, sort key %x", test.key, test.table.Name, err, sort)
		}
		if err != nil {
			continue
		}
		if sort == nil {
			seven, err := item.Number("7")
			if err != nil {
				t.Fatal(err)
			}
			sort = item.AppendOrdered(nil, seven)
		}
		if got := string(keyJSON(test.table, record.Key{Partition: partition, Sort: sort})); got != test.want {
			t.Errorf("%s is shown as %s, want %s", test.key, got, test.want)
		}
	}
}

// Both sides of a conflict are shown with their regions, removed ones too.
func TestD7_ConflictsAreShown(t *testing.T) {
	a := &applied{state: &control.State{Regions: []control.Region{{Name: "eu", ID: 2}}}}
	notes := table.Table{ID: 7, Name: "notes", Key: table.Attribute{Name: "pk", Type: "S"}}
	value := item.Make(item.Attribute{Name: "pk", Value: item.Text("k")}, item.Attribute{Name: "text", Value: item.Text("lost")})
	at := hlc.Time(1_700_000_000_000_000_000)
	got := conflictOf(a, notes, store.Receipt{
		ID: "1-2", Key: record.Key{Table: 7, Partition: []byte("k")},
		Lost:    record.Record{Version: record.Version{Time: at, Region: 2}, Value: item.Encode(nil, value), Expires: 1_700_000_060},
		Current: record.Record{Version: record.Version{Time: at + 5, Region: 9}, Tombstone: true},
	})
	want := client.Conflict{
		ID: "1-2", Table: "notes", Key: []byte(`{"pk":{"S":"k"}}`),
		Lost: client.Write{
			Region: "eu", At: at.Wall().UTC(), Item: []byte(`{"pk":{"S":"k"},"text":{"S":"lost"}}`),
			Expires: at.Wall().Add(60e9).UTC(),
		},
		Now: &client.Write{Region: "region 9", At: (at + 5).Wall().UTC(), Deleted: true},
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
}

func TestConflictErrorsSayWhatToDo(t *testing.T) {
	for cause, code := range map[error]client.Code{
		store.ErrNoReceipt: client.CodeNotFound, store.ErrPast: client.CodeConflict, store.ErrElsewhere: client.CodeConflict,
	} {
		var refused *client.Error
		if err := conflictError(cause); !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("%v becomes %v, want code %v", cause, err, code)
		}
	}
}
