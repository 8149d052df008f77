package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const docs = `# Tables

## Operations

| operation | state |
|---|---|
| GetItem | supported |
| ListExports | not supported |
| ListContributorInsights | answers none |

## Clients

<!-- written by make test-clients -->
old
<!-- end of what make test-clients writes -->
after
`

const run1 = `{"client":"boto3","version":"1.2","case":"a","operations":["GetItem","PutItem"],"passed":true}
{"client":"boto3","version":"1.2","case":"b","operations":["GetItem"],"passed":false,"error":"why"}
{"client":"aws CLI","version":"2","case":"a","operations":["GetItem"],"passed":true}
`

// D1: the conformance table is made of a run's results: a row for each supported
// operation, a column for each client.
func TestD1_TheConformanceTableIsWrittenFromResults(t *testing.T) {
	dir := t.TempDir()
	results, path := filepath.Join(dir, "results"), filepath.Join(dir, "tables.md")
	for name, text := range map[string]string{results: run1, path: docs} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(results, path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(docs, "old\n", `
| client | version | cases passed |
|---|---|---|
| boto3 | 1.2 | 1 of 2 |
| aws CLI | 2 | 1 of 1 |

| asked for | boto3 | aws CLI |
|---|---|---|
| GetItem | **1 of 2** | 1 |
| ListContributorInsights |  |  |

`, 1)
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Error(diff)
	}
}

func TestDocsWithoutMarkersAreLeftAlone(t *testing.T) {
	if _, err := replaced("no markers", "tables"); err == nil {
		t.Error("no error")
	}
	if _, err := read(strings.NewReader("no JSON\n")); err == nil {
		t.Error("no error")
	}
}
