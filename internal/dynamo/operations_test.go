package dynamo_test

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"
)

// row is one of the operations' table in the docs.
var row = regexp.MustCompile(`(?m)^\| ([A-Z][A-Za-z]+) \| (not supported|supported|answers)(.*) \|$`)

// documented are the operations that docs/tables.md lists, and whether it says
// that they are supported.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/tables.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Operations\n")
	section, _, _ = strings.Cut(section, "\n## ")
	operations := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		operations[m[1]] = m[2] != "not supported"
	}
	return operations
}

// modeled are the operations of the SDK's model: the client's methods that take
// a context and an input.
func modeled() map[string]bool {
	operations := map[string]bool{}
	client := reflect.TypeFor[*dynamodb.Client]()
	for m := range client.Methods() {
		if m.Type.NumIn() >= 3 && m.Type.In(2).Kind() == reflect.Pointer && m.Type.In(2).Elem().Name() == m.Name+"Input" {
			operations[m.Name] = true
		}
	}
	return operations
}

// D1: each operation of the SDK's model has a row in docs/tables.md, and is
// answered as the row says.
func TestD1_EveryOperationIsDocumentedAndAnswersSo(t *testing.T) {
	r := newRegion(t)
	rows, model := documented(t), modeled()
	if len(model) < 58 {
		t.Fatalf("the model has only %d operations: how they are found is out of date", len(model))
	}
	got := map[string]bool{}
	for name := range model {
		got[name] = r.send(admin, name, `{}`).kind() != "UnknownOperationException"
	}
	for name, supported := range rows {
		if !model[name] { // of the streams' API
			got[name] = supported
		}
	}
	if diff := cmp.Diff(got, maps.Clone(rows)); diff != "" {
		t.Errorf("operations that the server answers (-) and docs/tables.md lists (+):\n%s", diff)
	}
}

// D1: the conformance table, which make test-clients writes, has a row for each
// operation that the server supports, and no other.
func TestD1_TheConformanceTableListsEveryOperation(t *testing.T) {
	text, err := os.ReadFile("../../docs/tables.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| asked for |")
	table, _, _ = strings.Cut(table, "\n\n")
	got, want := map[string]bool{}, documented(t)
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-Z][A-Za-z]+) \|`).FindAllStringSubmatch(table, -1) {
		got[m[1]] = true
	}
	maps.DeleteFunc(want, func(_ string, supported bool) bool { return !supported })
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("operations in the conformance table (-) and supported ones (+); run make test-clients, or add a row:\n%s", diff)
	}
}
