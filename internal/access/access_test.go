package access_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/access"
)

func TestKeysMayUseTheirTablesOnly(t *testing.T) {
	admin := access.Key{ID: "A", Secret: "s", Kind: access.Admin}
	function := access.Key{ID: "F", Secret: "s", Kind: access.Function, Tables: []string{"notes"}}
	for _, c := range []struct {
		key         access.Key
		table       string
		use, manage bool
	}{
		{admin, "notes", true, true},
		{admin, "other", true, true},
		{function, "notes", true, false},
		{function, "other", false, false},
		{access.Key{Tables: []string{"notes"}}, "notes", false, false},
	} {
		if got := c.key.MayUse(c.table); got != c.use {
			t.Errorf("%v may use %s: %t", c.key, c.table, got)
		}
		if got := c.key.MayManage(); got != c.manage {
			t.Errorf("%v may manage: %t", c.key, got)
		}
	}
}

func TestKeyringIsReplacedAsAWhole(t *testing.T) {
	var empty access.Keyring
	if _, ok := empty.Find("A"); ok {
		t.Error("an empty keyring has a key")
	}
	ring := access.NewKeyring(access.Key{ID: "A", Secret: "1"}, access.Key{ID: "", Secret: "2"}, access.Key{ID: "C"})
	if k, ok := ring.Find("A"); !ok || k.Secret != "1" {
		t.Errorf("Find(A) = %v, %t", k, ok)
	}
	for _, id := range []string{"", "C"} {
		if _, ok := ring.Find(id); ok {
			t.Errorf("a key that nobody can sign with is in the ring: %q", id)
		}
	}
	ring.Replace([]access.Key{{ID: "B", Secret: "3"}})
	if _, ok := ring.Find("A"); ok {
		t.Error("A survived its rotation")
	}
}

func TestSecretsStayOutOfLogs(t *testing.T) {
	key := access.Key{ID: "A", Secret: "hush", Kind: access.Admin}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", key)
	fmt.Fprintf(&out, "%v %s", key, key)
	if strings.Contains(out.String(), "hush") {
		t.Errorf("the secret is in %s", out.String())
	}
}
