package dynamo_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/meridian-run/meridian/internal/kv/memkv"
)

// under is a transaction with a token.
func under(token string, actions ...string) string {
	return fmt.Sprintf(`{"ClientRequestToken":%q,"TransactItems":[%s]}`, token, strings.Join(actions, ","))
}

// D1: a token makes the same transaction have effect once, also over a restart,
// and another one an error. What failed may be tried again.
func TestD1_TransactionTokens(t *testing.T) {
	const mismatch = "IdempotentParameterMismatchException"
	engine := memkv.New(memkv.Config{})
	r := start(t, engine).tables()
	counts := func(want string) {
		t.Helper()
		r.expect("TransactGetItems", one(getC), `{"Responses":[{"Item":{"n":{"N":"`+want+`"}}}]}`)
	}
	r.must("TransactWriteItems", under("a", countC, putA))
	r.must("TransactWriteItems", under("a", countC, putA))
	counts("1")
	// The same members in another order, with other wishes for the answer.
	r.expect("TransactWriteItems", `{"TransactItems":[{"Update":{"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}},"Key":{"pk":{"S":"c"}},"TableName":"notes"}},`+
		putA+`],"ReturnConsumedCapacity":"NONE","ClientRequestToken":"a"}`, `{}`)
	r.refuse("TransactWriteItems", under("a", putA, countC), mismatch, "a different payload")
	r.refuse("TransactWriteItems", under("a", countC, strings.Replace(putA, `"1"`, `"2"`, 1)), mismatch, "token that was already used")
	r.must("TransactWriteItems", under("b", countC, putA))
	r.must("TransactWriteItems", one(countC, putA))
	counts("3")

	const failing = `{"ConditionCheck":{"TableName":"notes","Key":{"pk":{"S":"d"}},"ConditionExpression":"attribute_exists(pk)"}}`
	r.refuse("TransactWriteItems", under("c", countC, failing), "TransactionCanceledException", "[None, ConditionalCheckFailed]")
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"d"}}}`)
	r.must("TransactWriteItems", under("c", countC, failing))
	// Done is done: what its condition would say now does not matter.
	r.must("DeleteItem", `{"TableName":"notes","Key":{"pk":{"S":"d"}}}`)
	r.must("TransactWriteItems", under("c", countC, failing))
	// So it is where nothing but conditions was asked for.
	r.must("TransactWriteItems", under("d", checkD))
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"d"}}}`)
	r.must("TransactWriteItems", under("d", checkD))
	counts("4")

	if err := engine.Crash(); err != nil {
		t.Fatal(err)
	}
	r = start(t, engine.Reopen(memkv.Config{})).tables()
	for token, actions := range map[string][]string{"a": {countC, putA}, "b": {countC, putA}, "c": {countC, failing}, "d": {checkD}} {
		r.must("TransactWriteItems", under(token, actions...))
	}
	counts("4")
	r.refuse("TransactWriteItems", under("a", putA, countC), mismatch, "a different payload")
}

// D1: of tries that come at once, one has the effect, and all succeed.
func TestD1_TransactionTokensAtOnce(t *testing.T) {
	r := newRegion(t).tables()
	for round := range 8 {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if a := r.send(admin, "TransactWriteItems", under(fmt.Sprint("t", round), countC, checkD)); a.status != 200 {
					t.Errorf("round %d: %d %s", round, a.status, a.body)
				}
			})
		}
		all.Wait()
	}
	r.expect("TransactGetItems", one(getC), `{"Responses":[{"Item":{"n":{"N":"8"}}}]}`)
}

// DATA 21: of tables with a primary the token is remembered where their writes go:
// whoever passes the transaction on, and under whatever name of its own. The memory
// is the primary's, and not the region's.
func TestD1_DATA21_TransactionTokensOfPrimaries(t *testing.T) {
	s, p := ledger(t)
	count := strings.ReplaceAll(countC, "notes", "ledger")
	get := strings.ReplaceAll(getC, "notes", "ledger")
	try := func(id byte, body, want string) {
		t.Helper()
		if got := act(t, s, id, "TransactWriteItems", body); got.Code != want {
			t.Errorf("try %d: %d %s, want %q", id, got.Status, got.Body, want)
		}
	}
	try(1, under("a", count), "")
	try(1, under("a", count), "")
	try(2, under("a", count), "")
	try(3, under("a", count, strings.ReplaceAll(putA, "notes", "ledger")), "IdempotentParameterMismatchException")
	try(4, under("b", count), "")
	try(5, one(count), "") // without a token, the name that tries share
	try(5, one(count), "")
	p.memory = nil // as a new primary that has the table's records
	try(6, under("a", count), "")
	try(5, one(count), "")
	if got := act(t, s, 7, "TransactGetItems", one(get)); string(got.Body) != `{"Responses":[{"Item":{"n":{"N":"3"}}}]}` {
		t.Errorf("it was counted as often as %s", got.Body)
	}
}
