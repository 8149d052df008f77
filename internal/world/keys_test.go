package world

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/meridian-run/meridian/internal/access"
)

const keysSpec = `world: notes
domain: notes.test
regions:
  us-east-1: {place: Ashburn}
tables:
  ledger: {key: id}
access: anonymous
`

// A key is changed while the region runs: for a while both are good, and then
// only the new one. What is not signed is let in where the spec says so, which
// this is a local world for.
func TestD1_KeysRotateWithoutARestart(t *testing.T) {
	t.Parallel()
	const us = "us-east-1"
	dir := t.TempDir()
	w := run(t, Config{Spec: parse(t, keysSpec), Dir: dir})
	path := filepath.Join(dir, "bundles", us, "keys.json")
	before, err := access.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := access.Key{ID: "MRDNOLDOLDOLDOLDOLDO", Secret: "old", Kind: access.Program, Grants: []access.Grant{
		{Tables: []string{"led*"}, Actions: []access.Action{access.Read}, Prefix: "user-1/"},
	}}
	next := old
	next.ID, next.Secret = "MRDNNEWNEWNEWNEWNEWN", "new"
	read := func(key access.Key, id string) string {
		db := tables(t, w, us)
		_, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String("ledger"), Key: attributes{"id": text(id)},
		}, func(o *dynamodb.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider(key.ID, key.Secret, "")
		})
		if err != nil {
			return err.Error()
		}
		return ""
	}
	steps := []struct {
		name  string
		keys  []access.Key
		good  []access.Key
		wrong []access.Key
	}{
		{"the first", []access.Key{old}, []access.Key{old}, []access.Key{next}},
		{"both", []access.Key{old, next}, []access.Key{old, next}, nil},
		{"the second", []access.Key{next}, []access.Key{next}, []access.Key{old}},
	}
	for _, s := range steps {
		if err := access.WriteFile(path, append(before[:len(before):len(before)], s.keys...)); err != nil {
			t.Fatal(err)
		}
		for _, key := range s.good {
			eventually(t, 40*time.Second, s.name+": "+key.ID+" is good", func() bool { return read(key, "user-1/a") == "" })
			if got := read(key, "user-2/a"); !strings.Contains(got, "AccessDeniedException") {
				t.Errorf("%s: the key of a prefix reads another's item: %q", s.name, got)
			}
		}
		for _, key := range s.wrong {
			eventually(t, 40*time.Second, s.name+": "+key.ID+" is unknown", func() bool {
				return strings.Contains(read(key, "user-1/a"), "UnrecognizedClientException")
			})
		}
	}
	unsigned := dynamodb.New(dynamodb.Options{
		BaseEndpoint: tables(t, w, us).Options().BaseEndpoint, Region: us, RetryMaxAttempts: 1, Credentials: aws.AnonymousCredentials{},
	})
	if err := put(t.Context(), unsigned, "ledger", "id", "a"); err != nil {
		t.Errorf("an unsigned request: %v", err)
	}
}
