package access_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/access"
)

func TestD1_KeysMayDoWhatTheirGrantsSay(t *testing.T) {
	admin := access.Key{ID: "A", Secret: "s", Kind: access.Admin}
	function := access.Key{ID: "F", Secret: "s", Kind: access.Function, Tables: []string{"notes"}}
	program := access.Key{ID: "P", Secret: "s", Kind: access.Program, Tables: []string{"notes"}, Grants: []access.Grant{
		{Tables: []string{"orders-*", "log"}, Actions: []access.Action{access.Read}},
		{Tables: []string{"orders-new"}, Actions: []access.Action{access.Write}, Prefix: "user-1/"},
		{Tables: []string{"own"}, Actions: []access.Action{access.Manage}},
	}}
	const all, some, none = "all", "some", "none"
	for _, c := range []struct {
		key    access.Key
		action access.Action
		table  string
		want   string
	}{
		{admin, access.Manage, "notes", all},
		{admin, access.Read, "other", all},
		{function, access.Read, "notes", all},
		{function, access.Write, "notes", all},
		{function, access.Describe, "notes", all},
		{function, access.Manage, "notes", none},
		{function, access.Read, "other", none},
		{function, "", "notes", none},
		{program, access.Read, "orders-new", all},
		{program, access.Read, "orders-", all},
		{program, access.Read, "orders", none},
		{program, access.Read, "log", all},
		{program, access.Read, "logs", none},
		{program, access.Write, "log", none},
		{program, access.Write, "orders-new", some},
		{program, access.Describe, "orders-new", all},
		{program, access.Describe, "own", all},
		{program, access.Read, "own", none},
		{program, access.Manage, "own", all},
		{program, access.Read, "notes", none},
		{program, "", "log", none},
		{access.Key{Tables: []string{"notes"}, Grants: program.Grants}, access.Read, "log", none},
	} {
		got := none
		switch {
		case c.key.MayAll(c.action, c.table):
			got = all
		case c.key.MaySome(c.action, c.table):
			got = some
		}
		if got != c.want {
			t.Errorf("%v, %q on %s: %s, want %s", c.key, c.action, c.table, got, c.want)
		}
	}
	for partition, want := range map[string]bool{"user-1/": true, "user-1/a": true, "user-1": false, "user-2/": false, "": false} {
		if got := program.May(access.Write, "orders-new", partition); got != want {
			t.Errorf("may write %q: %t", partition, got)
		}
	}
}

func TestD1_MistakenGrantsAreNamed(t *testing.T) {
	read := []access.Action{access.Read}
	for _, c := range []struct {
		key  access.Key
		want string
	}{
		{access.Key{ID: "A", Secret: "s", Kind: "root"}, `no kind "root"`},
		{access.Key{ID: "A", Kind: access.Admin}, "an id and a secret"},
		{access.Key{ID: "A", Secret: "s", Kind: access.Program, Grants: []access.Grant{{Actions: read}}}, "tables and actions"},
		{access.Key{ID: "A", Secret: "s", Kind: access.Program, Grants: []access.Grant{{Tables: []string{"a*b"}, Actions: read}}}, "a star stands in the end"},
		{access.Key{ID: "A", Secret: "s", Kind: access.Program, Grants: []access.Grant{{Tables: []string{"a"}, Actions: []access.Action{"eat"}}}}, `no action "eat"`},
		{access.Key{ID: "A", Secret: "s", Kind: access.Program, Grants: []access.Grant{{Tables: []string{"a"}, Actions: []access.Action{access.Manage}, Prefix: "x"}}}, "limited to a prefix"},
	} {
		if err := c.key.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.key, err, c.want)
		}
	}
	good := access.Key{ID: "A", Secret: "s", Kind: access.Program, Grants: []access.Grant{{Tables: []string{"orders-*"}, Actions: read, Prefix: "u"}}}
	if err := good.Check(); err != nil {
		t.Error(err)
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
