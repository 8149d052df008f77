package world

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/meridian-run/meridian/client"
)

// A block on a region's disk is damaged: it is noticed and named, the store is
// set aside, and the region begins anew under a new log id and has everything
// from the others, its own former writes too (DATA 4, 5).
func TestDATA4_DamagedStoreIsCopiedAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := run(t, Config{Spec: parse(t, notesSpec), RoundTrip: near, Dir: dir})
	const items = 150
	for i := range items {
		if err := put(t.Context(), tables(t, w, us), "notes", "pk", fmt.Sprintf("%03d", i), "text", incompressible(6000)); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, w, "notes", all...)
	// A start turns what the log of the engine holds into tables.
	for range 2 {
		stop(t, w, us)
		start(t, w, us)
	}
	damaged := tables(t, w, us)
	stop(t, w, us)
	damageTables(t, filepath.Join(dir, us, "store"))
	if err := put(t.Context(), tables(t, w, eu), "notes", "pk", "meanwhile"); err != nil {
		t.Fatal(err)
	}
	start(t, w, us)
	eventually(t, time.Minute, "the damaged store is set aside", func() bool {
		// Somebody reads, or collects, or compacts: here a scan does. The region starts
		// anew meanwhile, and then knows nothing for a moment.
		_, _ = damaged.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("notes")})
		r := w.Region(us)
		if r == nil {
			return false
		}
		s, err := r.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Events, func(e client.Event) bool {
			return e.Kind == "storage" && strings.Contains(e.Text, "set aside") && strings.Contains(e.Text, ".sst")
		})
	})
	eventually(t, time.Minute, "it has its tables again, and answers", func() bool {
		_, err := damaged.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("notes")})
		return err == nil
	})
	if err := put(t.Context(), tables(t, w, eu), "notes", "pk", "afterwards"); err != nil {
		t.Fatal(err)
	}
	if got := len(equal(t, w, "notes", all...)); got != items+2 {
		t.Errorf("%s has %d items, want %d", us, got, items+2)
	}
	if _, err := os.Stat(filepath.Join(dir, us, "store-damaged")); err != nil {
		t.Errorf("the damaged store is not kept: %v", err)
	}
}

func incompressible(n int) string {
	b := make([]byte, n*3/4)
	_, _ = rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b)
}

// damageTables changes a byte in the middle of each of the engine's tables.
func damageTables(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables in %s: %v", dir, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 0xff
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
