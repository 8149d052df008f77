package access_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/access"
)

func ids(keys []access.Key) (ids []string) {
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestD1_AKeysFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	old := access.Key{ID: "OLD", Secret: "1", Kind: access.Admin}
	next := access.Key{ID: "NEW", Secret: "2", Kind: access.Program, Grants: []access.Grant{
		{Tables: []string{"orders-*"}, Actions: []access.Action{access.Read}, Prefix: "user-1/"},
	}}
	if err := access.WriteFile(path, []access.Key{old}); err != nil {
		t.Fatal(err)
	}
	f, err := access.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	reread := func(wantChanged bool, want ...string) {
		t.Helper()
		changed, err := f.Reread()
		if err != nil || changed != wantChanged {
			t.Errorf("reread: %t, %v", changed, err)
		}
		if diff := cmp.Diff(want, ids(f.Keys())); diff != "" {
			t.Errorf("keys: %s", diff)
		}
	}
	reread(false, "OLD")
	if err := access.WriteFile(path, []access.Key{old, next}); err != nil {
		t.Fatal(err)
	}
	reread(true, "OLD", "NEW")
	if diff := cmp.Diff(next, f.Keys()[1]); diff != "" {
		t.Errorf("the key has changed on its way: %s", diff)
	}
	// Half a file, as somebody's editor may leave it: the last good keys stay.
	if err := os.WriteFile(path, []byte(`[{"id":"NEW"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := f.Reread(); changed || err == nil {
		t.Errorf("half a file was taken: %t, %v", changed, err)
	}
	if diff := cmp.Diff([]string{"OLD", "NEW"}, ids(f.Keys())); diff != "" {
		t.Errorf("after half a file: %s", diff)
	}
	if err := access.WriteFile(path, []access.Key{next}); err != nil {
		t.Fatal(err)
	}
	reread(true, "NEW")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	var none *access.File
	if changed, err := none.Reread(); changed || err != nil || none.Keys() != nil {
		t.Error("no file has keys")
	}
}

func TestD1_AMistakenKeysFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	for text, want := range map[string]string{
		`{}`: "want a list",
		`[{"id":"A","secret":"s","kind":"admin"},{"id":"A","secret":"t","kind":"admin"}]`:                 "twice",
		`[{"id":"A","secret":"s","kind":"admin"},{"id":"B","kind":"admin"}]`:                              "key 2",
		`[{"id":"A","secret":"s","kind":"program","grants":[{"tables":["*"],"actions":["everything"]}]}]`: "no action",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := access.Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	// A file of before grants reads as it did.
	old := `[{"id":"A","secret":"s","kind":"admin","name":"admin"},{"id":"B","secret":"s","kind":"function","name":"batch","tables":["notes"]}]`
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := access.ReadFile(path)
	if err != nil || len(keys) != 2 || !keys[1].MayAll(access.Write, "notes") || keys[1].MaySome(access.Read, "other") {
		t.Errorf("an old file: %v, %v", keys, err)
	}
}
