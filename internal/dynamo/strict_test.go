package dynamo_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// seat is the primary of all tables, as long as it is not lost.
type seat struct {
	t      *testing.T
	store  *store.Store
	memory *store.Memory
	lost   error // what Still answers
}

func (s *seat) Hold(context.Context, []table.Table) (dynamo.Held, error) { return s, nil }
func (s *seat) Still() error                                             { return s.lost }
func (s *seat) Done()                                                    {}

func (s *seat) Forward(context.Context, string, dynamo.Forwarded) (dynamo.Answer, error) {
	s.t.Error("the primary forwards")
	return dynamo.Answer{}, nil
}

func (s *seat) Memory(t table.Table) (*store.Memory, error) {
	if s.memory != nil {
		return s.memory, nil
	}
	m, err := s.store.OpenMemory(s.t.Context(), t)
	s.memory = m
	return m, err
}

// ledger is eu-west-1, the primary of table ledger.
func ledger(t *testing.T) (*dynamo.Server, *seat) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Engine: memkv.New(memkv.Config{}), World: "test", RegionName: "eu-west-1", Region: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := &catalog{store: s, tables: []table.Table{placed(table.Table{
		ID: 7, Name: "ledger", Key: table.Attribute{Name: "pk", Type: "S"}, State: table.Active, Primary: "eu-west-1",
		Replicas: []table.Replica{{Region: "eu-west-1"}, {Region: "us-east-1"}},
	})}}
	s.SetTables(table.WithMemories(c.tables))
	p := &seat{t: t, store: s}
	return dynamo.New(dynamo.Config{Store: s, Catalog: c, Keys: access.NewKeyring(admin), Region: "eu-west-1", Primaries: p}), p
}

// act passes a request on, as us-east-1 does.
func act(t *testing.T, s *dynamo.Server, id byte, operation, body string) dynamo.Answer {
	t.Helper()
	return s.Act(t.Context(), dynamo.Forwarded{Operation: operation, Body: []byte(body), Key: admin, ID: store.RequestID{id}, From: "us-east-1"})
}

// DATA 21: a forwarded write is answered again, with the same answer, and has
// effect once, whatever it is; another write of the same text has its own.
func TestD4_DATA21_ForwardedOnce(t *testing.T) {
	s, _ := ledger(t)
	const add = `{"TableName":"ledger","Key":{"pk":{"S":"k"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}},"ReturnValues":"ALL_NEW"}`
	for i, id := range []byte{1, 1, 2, 1, 2} {
		want := `{"Attributes":{"n":{"N":"1"},"pk":{"S":"k"}}}`
		if id == 2 {
			want = strings.Replace(want, `"1"`, `"2"`, 1)
		}
		if got := act(t, s, id, "UpdateItem", add); got.Status != 200 || string(got.Body) != want {
			t.Errorf("try %d of write %d: %d %s, want %s", i, id, got.Status, got.Body, want)
		}
	}
	const first = `{"TableName":"ledger","Item":{"pk":{"S":"new"}},"ConditionExpression":"attribute_not_exists(pk)"}`
	for range 2 { // a retry of the winner has not lost
		if got := act(t, s, 3, "PutItem", first); got.Status != 200 {
			t.Errorf("the winner: %d %s", got.Status, got.Body)
		}
	}
	if got := act(t, s, 4, "PutItem", first); got.Code != "ConditionalCheckFailedException" {
		t.Errorf("another write: %d %s", got.Status, got.Body)
	}
	const batch = `{"RequestItems":{"ledger":[{"DeleteRequest":{"Key":{"pk":{"S":"new"}}}}]}}`
	act(t, s, 5, "BatchWriteItem", batch)
	act(t, s, 6, "PutItem", first)
	act(t, s, 5, "BatchWriteItem", batch)
	const read = `{"TableName":"ledger","Key":{"pk":{"S":"new"}},"ConsistentRead":true}`
	if got := act(t, s, 7, "GetItem", read); string(got.Body) != `{"Item":{"pk":{"S":"new"}}}` {
		t.Errorf("a delete had effect twice: %s", got.Body)
	}
}

// DATA 19: a lease that ran out during a request takes its answer back, of reads
// and failed conditions, too. DATA 22: a region that does not hold the table is
// told nothing.
func TestD4_DATA19_CheckedAgainBeforeTheAnswer(t *testing.T) {
	s, p := ledger(t)
	act(t, s, 1, "PutItem", `{"TableName":"ledger","Item":{"pk":{"S":"k"}}}`)
	p.lost = errors.New("the lease ran out")
	for operation, body := range map[string]string{
		"GetItem": `{"TableName":"ledger","Key":{"pk":{"S":"k"}},"ConsistentRead":true}`,
		"PutItem": `{"TableName":"ledger","Item":{"pk":{"S":"k"}},"ConditionExpression":"attribute_not_exists(pk)"}`,
		"Scan":    `{"TableName":"ledger","ConsistentRead":true}`,
	} {
		if got := act(t, s, 2, operation, body); got.Status != 500 || got.Code != "InternalServerError" || !strings.Contains(string(got.Body), "the lease ran out") {
			t.Errorf("%s: %d %s", operation, got.Status, got.Body)
		}
	}
	if got := act(t, s, 3, "GetItem", `{"TableName":"ledger","Key":{"pk":{"S":"k"}}}`); got.Status != 200 {
		t.Errorf("an eventually consistent read: %d %s", got.Status, got.Body)
	}
	stranger := s.Act(t.Context(), dynamo.Forwarded{Operation: "GetItem", Key: admin, From: "ap-southeast-2", Body: []byte(`{"TableName":"ledger","Key":{"pk":{"S":"k"}}}`)})
	if stranger.Code != "ResourceNotFoundException" {
		t.Errorf("a region without the table reads it: %d %s", stranger.Status, stranger.Body)
	}
}

// DATA 21: the primary knows a retry however it comes: directly, and through
// another region that gave it the same id. Without the caller's name for it, a
// request is a new one.
func TestD4_DATA21_DirectlyOnce(t *testing.T) {
	s, _ := ledger(t)
	server := httptest.NewServer(s)
	defer server.Close()
	r := &region{t: t, url: server.URL, client: server.Client(), now: time.Now}
	const add = `{"TableName":"ledger","Key":{"pk":{"S":"k"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}},"ReturnValues":"ALL_NEW"}`
	send := func(invocation string) string {
		t.Helper()
		got := r.sendNamed(admin, invocation, "UpdateItem", add)
		if got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return got.body
	}
	for i, try := range []struct{ invocation, n string }{{"a", "1"}, {"a", "1"}, {"b", "2"}, {"a", "1"}, {"", "3"}, {"", "4"}, {"b", "2"}} {
		if got, want := send(try.invocation), `{"Attributes":{"n":{"N":"`+try.n+`"},"pk":{"S":"k"}}}`; got != want {
			t.Errorf("try %d, of %q: %s, want %s", i, try.invocation, got, want)
		}
	}
}

// noCopy is a region whose peers were cut off just now.
type noCopy struct{}

func (noCopy) Before([]table.Table) error { return nil }
func (noCopy) After(context.Context, []table.Table, uint64) error {
	return errors.New("no other region can be reached")
}

// D11: a write whose second copy does not come is there, and the error says so,
// and what to do.
func TestD11_WhatHasNoSecondCopyIsSaidPlainly(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{Engine: memkv.New(memkv.Config{}), World: "test", RegionName: "eu-west-1", Region: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := &catalog{store: s, tables: []table.Table{placed(table.Table{
		ID: 7, Name: "sure", Key: table.Attribute{Name: "pk", Type: "S"}, State: table.Active, Copies: 2,
		Replicas: []table.Replica{{Region: "eu-west-1"}, {Region: "us-east-1"}},
	})}}
	s.SetTables(c.tables)
	server := dynamo.New(dynamo.Config{Store: s, Catalog: c, Keys: access.NewKeyring(admin), Region: "eu-west-1", Copies: noCopy{}})
	got := act(t, server, 1, "PutItem", `{"TableName":"sure","Item":{"pk":{"S":"k"}}}`)
	for _, want := range []string{"is done in eu-west-1 and not yet in a second region", "no other region can be reached", "Read the item before writing it again"} {
		if got.Status != 500 || !strings.Contains(string(got.Body), want) {
			t.Errorf("%q is not in %d %s", want, got.Status, got.Body)
		}
	}
	if strings.Contains(string(got.Body), "may or may not") {
		t.Errorf("it is written, and the error leaves that open: %s", got.Body)
	}
}
