package dynamo

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/access"
)

// Whoever forgets to say what an operation needs has not opened it.
func TestD1_AnOperationThatDeclaresNothingIsForAdministrators(t *testing.T) {
	all := access.Key{ID: "P", Secret: "s", Kind: access.Program, Grants: []access.Grant{
		{Tables: []string{"*"}, Actions: []access.Action{access.Read, access.Write, access.Manage}},
	}}
	c := &call{server: New(Config{Region: "eu-west-1"}), operation: "Invented", key: all}
	var refused *apiError
	if err := c.authorize(operation{}); !errors.As(err, &refused) || refused.code() != "AccessDeniedException" {
		t.Errorf("a program runs an operation that declares nothing: %v", err)
	}
	c.operation = "ExecuteStatement"
	if err := c.authorize(operation{}); err != nil || c.allowed("notes") {
		t.Errorf("a statement that does not say what it touches: %v, allowed %t", err, c.allowed("notes"))
	}
	c.operation, c.key = "Invented", access.Key{Kind: access.Admin}
	if err := c.authorize(operation{}); err != nil {
		t.Errorf("an administrator: %v", err)
	}
}

// What a statement touches decides what its key needs.
func TestD1_StatementsNeedWhatTheyTouch(t *testing.T) {
	reader := access.Key{ID: "P", Kind: access.Program, Grants: []access.Grant{{Tables: []string{"notes"}, Actions: []access.Action{access.Read}}}}
	for _, q := range []struct {
		touches []touch
		want    bool
	}{
		{[]touch{reads, readsStrongly}, true},
		{[]touch{writes}, false},
		{[]touch{reads, writes}, false},
	} {
		c := &call{server: New(Config{Region: "eu-west-1"}), operation: "ExecuteTransaction", key: reader}
		for _, x := range q.touches {
			c.touched = append(c.touched, touched{"notes", x})
		}
		err := c.authorize(operation{touched: touchesStatements})
		if got := err == nil; got != q.want {
			t.Errorf("%v: %v", q.touches, err)
		}
	}
}

// Whoever lets keys with a prefix use an operation shows that it holds to it.
func TestD1_OperationsOnItemsAreTriedWithAPrefix(t *testing.T) {
	tried, err := os.ReadFile("access_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for name := range operations {
		if n := needs[name]; n.byKey && n.action != access.Describe && !strings.Contains(string(tried), `{"`+name+`", `) {
			t.Errorf("%s may be used with a prefix: add it to onItems", name)
		}
	}
}
