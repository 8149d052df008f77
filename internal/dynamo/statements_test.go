package dynamo_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// several is the body of a BatchExecuteStatement or ExecuteTransaction.
func several(name string, statements ...string) string {
	bodies := make([]string, len(statements))
	for i, s := range statements {
		bodies[i] = execute(s)
	}
	return `{"` + name + `":[` + strings.Join(bodies, ",") + `]}`
}

func TestD1_BatchesOfStatementsAnswerEachForItself(t *testing.T) {
	r := newRegion(t).tables()
	r.run(`INSERT INTO notes VALUE {'pk': 'a', 'n': 1}`)
	r.expect("BatchExecuteStatement", several("Statements",
		`SELECT * FROM notes WHERE pk = 'a'`,
		`SELECT * FROM notes WHERE pk = 'nothing'`,
		`SELECT * FROM notes WHERE n = 1`,
		`SLECT * FROM notes`,
		`SELECT * FROM nowhere WHERE pk = 'a'`,
	), `{"Responses":[{"Item":{"n":{"N":"1"},"pk":{"S":"a"}},"TableName":"notes"},{"TableName":"notes"},`+
		`{"Error":{"Code":"ValidationError","Message":"Select statements within BatchExecuteStatement must specify the primary key in the where clause."}},`+
		`{"Error":{"Code":"ValidationError","Message":"Statement wasn't well formed, can't be processed: Expected data manipulation"}},`+
		`{"Error":{"Code":"ResourceNotFound","Message":"Requested resource not found"}}]}`)
	r.expect("BatchExecuteStatement", several("Statements",
		`INSERT INTO notes VALUE {'pk': 'a'}`,
		`INSERT INTO notes VALUE {'pk': 'b'}`,
		`UPDATE notes SET n = n + 1 WHERE pk = 'a' RETURNING MODIFIED NEW *`,
		`UPDATE notes SET n = n + 1 WHERE pk = 'a' RETURNING MODIFIED NEW *`,
		`DELETE FROM notes WHERE pk = 'b' AND attribute_exists(n)`,
		`UPDATE notes SET n = 1 WHERE n = 3`,
	), `{"Responses":[{"Error":{"Code":"DuplicateItem","Message":"Duplicate primary key exists in table"},"TableName":"notes"},`+
		`{"TableName":"notes"},{"Item":{"n":{"N":"2"}},"TableName":"notes"},{"Item":{"n":{"N":"3"}},"TableName":"notes"},`+
		`{"Error":{"Code":"ConditionalCheckFailed","Message":"The conditional request failed"},"TableName":"notes"},`+
		`{"Error":{"Code":"ValidationError","Message":"Where clause does not contain a mandatory equality on all key attributes"}}]}`)
	if got := r.run(`SELECT * FROM notes WHERE pk IN ['a', 'b']`); got != `[{"n":{"N":"3"},"pk":{"S":"a"}},{"pk":{"S":"b"}}]` {
		t.Errorf("after the batch: %s", got)
	}
	body := strings.TrimSuffix(several("Statements", `SELECT pk FROM notes WHERE pk = 'a'`, `SELECT pk FROM notes WHERE pk = 'b'`), "}") + `,"ReturnConsumedCapacity":"TOTAL"}`
	if got := r.must("BatchExecuteStatement", strings.Replace(body, `"Statement"`, `"ConsistentRead":true,"Statement"`, 1)); !strings.Contains(got, `"ConsumedCapacity":[{"TableName":"notes","CapacityUnits":1.5`) {
		t.Errorf("one consistent read and one other cost: %s", got)
	}
	mixed := several("Statements", `SELECT * FROM notes WHERE pk = 'a'`, `DELETE FROM notes WHERE pk = 'a'`)
	r.refuse("BatchExecuteStatement", mixed, "ValidationException", "does not support both read and write operations")
	r.refuse("BatchExecuteStatement", several("Statements", strings.Split(strings.Repeat("SELECT * FROM notes;", 26), ";")[:26]...), "ValidationException", "Member must have length less than or equal to 25")
	r.refuse("BatchExecuteStatement", `{"Statements":[]}`, "ValidationException", "")
	r.refuse("BatchExecuteStatement", `{"Statements":[{}]}`, "ValidationException", "Value null at 'statements.1.member.statement' failed to satisfy constraint: Member must not be null")
}

func TestD1_TransactionsOfStatementsAreAllOrNone(t *testing.T) {
	r := newRegion(t).tables()
	r.expect("ExecuteTransaction", several("TransactStatements",
		`INSERT INTO notes VALUE {'pk': 'a', 'n': 1}`, `INSERT INTO notes VALUE {'pk': 'b'}`), `{"Responses":[]}`)
	r.expect("ExecuteTransaction", several("TransactStatements",
		`EXISTS(SELECT * FROM notes WHERE pk = 'a' AND n = 1)`, `UPDATE notes SET n = 5 WHERE pk = 'b'`, `INSERT INTO notes VALUE {'pk': 'c'}`), `{"Responses":[]}`)
	got := r.send(admin, "ExecuteTransaction", several("TransactStatements",
		`EXISTS(SELECT * FROM notes WHERE pk = 'a' AND n = 2)`, `INSERT INTO notes VALUE {'pk': 'b'}`, `DELETE FROM notes WHERE pk = 'c'`, `UPDATE notes SET x = 1 WHERE pk = 'nothing'`))
	for _, want := range []string{
		"[ConditionalCheckFailed, DuplicateItem, None, ConditionalCheckFailed]", `{"Code":"DuplicateItem","Message":"Duplicate primary key exists in table"}`,
		`TransactionCanceledException`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("%s is not in %s", want, got.body)
		}
	}
	r.expect("ExecuteTransaction", several("TransactStatements",
		`SELECT n FROM notes WHERE pk = 'b'`, `SELECT * FROM notes WHERE pk = 'nothing'`, `SELECT * FROM notes WHERE pk = 'c'`),
		`{"Responses":[{"Item":{"n":{"N":"5"}}},{},{"Item":{"pk":{"S":"c"}}}]}`)
}

func TestD1_TransactionsSayWhichStatementIsWrong(t *testing.T) {
	r := newRegion(t).tables()
	const set = `UPDATE notes SET x = 1 WHERE pk = 'a'`
	for statement, want := range map[string]string{
		`SELECT * FROM notes WHERE`:                                 "Validation failed in TransactStatements[0]: Statement wasn't well formed, can't be processed: Unexpected term",
		`UPDATE notes SET x = 1 WHERE pk = 'b' RETURNING ALL NEW *`: "Validation failed in TransactStatements[0]: RETURNING clause is not supported in ExecuteTransaction.",
		`SELECT * FROM events."by-color" WHERE color = 'x'`:         "Validation failed in TransactStatements[0]: Reads on indices are not supported within transactions.",
		`EXISTS(SELECT * FROM notes WHERE pk = 'b')`:                "Validation failed in TransactStatements[0]: EXISTS() must contain a single item read with additional condition",
		`UPDATE notes SET x = 'a' + 1 WHERE pk = 'b'`:               "Validation failed in TransactStatements[0]: Incorrect operand type for operator or function; operator or function: +, operand type: S",
		`SELECT * FROM notes WHERE pk = 'a'`:                        "ExecuteTransaction API does not support both read and write operations in the same request.",
		`DELETE FROM notes WHERE pk = 'a'`:                          "Transaction request cannot include multiple operations on one item",
	} {
		r.refuse("ExecuteTransaction", several("TransactStatements", statement, set), "ValidationException", want)
	}
	r.refuse("ExecuteTransaction", several("TransactStatements", `SELECT * FROM notes WHERE n = 1`), "ValidationException",
		"Validation failed in TransactStatements[0]: Select statements within ExecuteTransaction must specify the primary key in the where clause.")
	for statement, want := range map[string]string{
		`UPDATE nowhere SET x = 1 WHERE pk = 'a'`: `[{"Code":"ResourceNotFound","Message":"Requested resource not found"},{"Code":"None"}]`,
		`UPDATE notes SET x = 1 WHERE pk = 5`:     `[{"Code":"ValidationError","Message":"The provided key element does not match the schema"},{"Code":"None"}]`,
		`UPDATE notes SET x = 1 WHERE n = 5`:      `[{"Code":"ValidationError","Message":"The provided key element does not match the schema"},{"Code":"None"}]`,
	} {
		if got := r.send(admin, "ExecuteTransaction", several("TransactStatements", statement, set)); !strings.Contains(got.body, want) {
			t.Errorf("%s: %s is not in %s", statement, want, got.body)
		}
	}
}

// D2: a token makes a transaction of statements have effect once.
func TestD2_StatementsWithATokenHaveEffectOnce(t *testing.T) {
	r := newRegion(t).tables()
	r.run(`INSERT INTO notes VALUE {'pk': 'a', 'n': 0}`)
	body := strings.TrimSuffix(several("TransactStatements", `UPDATE notes SET n = n + 1 WHERE pk = 'a'`), "}") + `,"ClientRequestToken":"once"}`
	for range 3 {
		r.expect("ExecuteTransaction", body, `{"Responses":[]}`)
	}
	if got := r.run(`SELECT n FROM notes`); got != `[{"n":{"N":"1"}}]` {
		t.Errorf("after three tries: %s", got)
	}
	r.refuse("ExecuteTransaction", strings.Replace(body, "n + 1", "n + 2", 1), "IdempotentParameterMismatchException", "")
}

// D1: the SDK's own types take what is answered.
func TestD1_StatementsThroughTheAWSSDK(t *testing.T) {
	r := newRegion(t).tables()
	db, ctx := r.sdk(function), t.Context()
	insert := func(pk string) *dynamodb.ExecuteStatementInput {
		return &dynamodb.ExecuteStatementInput{
			Statement:  aws.String(`INSERT INTO "notes" VALUE {'pk': ?, 'tags': <<'a', 'b'>>}`),
			Parameters: []types.AttributeValue{&types.AttributeValueMemberS{Value: pk}},
		}
	}
	for _, pk := range []string{"1", "2", "3"} {
		if _, err := db.ExecuteStatement(ctx, insert(pk)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := db.ExecuteStatement(ctx, insert("1"))
	var duplicate *types.DuplicateItemException
	if !errors.As(err, &duplicate) {
		t.Errorf("a second insert: %v", err)
	}
	found, pages := 0, 0
	in := &dynamodb.ExecuteStatementInput{Statement: aws.String(`SELECT pk FROM "notes"`), Limit: aws.Int32(1), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal}
	for ; pages < 10; pages++ {
		page, err := db.ExecuteStatement(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		found += len(page.Items)
		if aws.ToFloat64(page.ConsumedCapacity.CapacityUnits) != 0.5 {
			t.Errorf("a page costs %v", page.ConsumedCapacity)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	if found != 3 {
		t.Errorf("%d items on %d pages", found, pages)
	}
	out, err := db.BatchExecuteStatement(ctx, &dynamodb.BatchExecuteStatementInput{Statements: []types.BatchStatementRequest{
		{Statement: aws.String(`DELETE FROM notes WHERE pk = '1' RETURNING ALL OLD *`)},
		{Statement: aws.String(`UPDATE notes SET x = 1 WHERE pk = '9'`)},
	}})
	if err != nil || len(out.Responses) != 2 || len(out.Responses[0].Item) != 2 || out.Responses[1].Error.Code != types.BatchStatementErrorCodeEnumConditionalCheckFailed {
		t.Errorf("the batch: %+v, %v", out, err)
	}
	_, err = db.ExecuteTransaction(ctx, &dynamodb.ExecuteTransactionInput{TransactStatements: []types.ParameterizedStatement{
		{Statement: aws.String(`DELETE FROM notes WHERE pk = '2'`)},
		{Statement: aws.String(`INSERT INTO notes VALUE {'pk': '3'}`)},
	}})
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) || len(cancelled.CancellationReasons) != 2 || aws.ToString(cancelled.CancellationReasons[1].Code) != "DuplicateItem" {
		t.Errorf("the transaction: %v", err)
	}
}

// D4: statements find the primary of their tables like any other request: a
// forwarded batch is done once.
func TestD4_StatementsActAtThePrimary(t *testing.T) {
	s, _ := ledger(t)
	act(t, s, 1, "ExecuteStatement", execute(`INSERT INTO ledger VALUE {'pk': 'a', 'n': 0}`))
	batch := several("Statements", `UPDATE ledger SET n = n + 1 WHERE pk = 'a'`, `INSERT INTO ledger VALUE {'pk': 'b'}`)
	var answers []string
	for range 3 {
		answers = append(answers, string(act(t, s, 2, "BatchExecuteStatement", batch).Body))
	}
	if answers[0] != `{"Responses":[{"TableName":"ledger"},{"TableName":"ledger"}]}` || answers[1] != answers[0] || answers[2] != answers[0] {
		t.Errorf("the batch and its retries: %q", answers)
	}
	got := act(t, s, 3, "ExecuteStatement", strings.TrimSuffix(execute(`SELECT n FROM ledger WHERE pk = 'a'`), "}")+`,"ConsistentRead":true}`)
	var items struct{ Items json.RawMessage }
	if err := json.Unmarshal(got.Body, &items); err != nil || string(items.Items) != `[{"n":{"N":"1"}}]` {
		t.Errorf("after the retries: %s", got.Body)
	}
}
