package region

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestADataDirectoryHasOneOwner(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "eu-west-1")
	own := Owner{World: "notes", Node: "eu-west-1"}
	for range 2 {
		if err := Claim(dir, own); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []Owner{
		{World: "other", Node: "eu-west-1"},
		{World: "notes", Node: "us-east-1"},
		{World: "notes", Node: "eu-west-1", Witness: true},
	} {
		err := Claim(dir, other)
		if !errors.Is(err, ErrForeignDirectory) || !strings.Contains(err.Error(), own.String()) || !strings.Contains(err.Error(), other.String()) {
			t.Errorf("%v: %v, want a refusal that names both", other, err)
		}
	}
}

func TestADirectoryOfANewerReleaseIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for text, want := range map[string]string{
		`{"format":2,"world":"notes","node":"eu-west-1"}`: "format 2, this release reads up to 1",
		`{}`:  "format 0",
		`xyz`: "does not say whose",
	} {
		if err := os.WriteFile(filepath.Join(dir, ownerFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Claim(dir, Owner{World: "notes", Node: "eu-west-1"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
