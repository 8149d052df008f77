package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/meridian-run/meridian/internal/kv/pebblekv"
)

// accounts is how many items a history is about; few, so that clients meet. They
// lie in two tables.
const accounts = 3

type balances [accounts]int

// transfer is one call of a client.
type transfer struct {
	kind   string // move, all, add, check
	a, b   int
	amount int
}

// reply is what a client was told.
type reply struct {
	seen    balances
	refused bool // the transaction was cancelled
	unknown bool // the call ended without an answer: it may have happened
}

// alone says what each call does where there is only one client.
var alone = porcupine.Model{
	Init: func() any { return balances{} },
	Step: func(s, in, out any) (bool, any) {
		got := out.(reply)
		want, next := in.(transfer).apply(s.(balances))
		return got.unknown || got == want, next
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

func (o transfer) apply(s balances) (reply, balances) {
	switch o.kind {
	case "all": // TransactGetItems
		return reply{seen: s}, s
	case "add": // UpdateItem, by the side of transactions
		s[o.a] += o.amount
		return reply{seen: balances{s[o.a]}}, s
	case "check": // a counts if b has what it had
		if s[o.b] < o.amount {
			return reply{refused: true, seen: balances{s[o.b]}}, s
		}
		s[o.a]++
		return reply{}, s
	}
	if s[o.a] < o.amount {
		return reply{refused: true, seen: balances{s[o.a]}}, s
	}
	s[o.a] -= o.amount
	s[o.b] += o.amount
	return reply{}, s
}

// account is where an item lies.
func account(i int) (name *string, key map[string]types.AttributeValue) {
	key = map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint("account ", i)}}
	if i == 0 {
		key["sk"] = &types.AttributeValueMemberN{Value: "0"}
		return aws.String("events"), key
	}
	return aws.String("notes"), key
}

func balance(it map[string]types.AttributeValue) int {
	n, ok := it["n"].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	value, _ := strconv.Atoi(n.Value)
	return value
}

func amount(n int) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: strconv.Itoa(n)}}
}

// enough is the condition that an account has an amount.
func enough(i int) (name *string, key map[string]types.AttributeValue, condition *string) {
	name, key = account(i)
	return name, key, aws.String("n >= :n")
}

func add(i, n int, condition *string) types.TransactWriteItem {
	name, key := account(i)
	values := amount(n)
	u := &types.Update{TableName: name, Key: key, UpdateExpression: aws.String("ADD n :n"), ExpressionAttributeValues: values}
	if condition != nil {
		u.ConditionExpression, values[":least"] = condition, &types.AttributeValueMemberN{Value: strconv.Itoa(-n)}
		u.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	return types.TransactWriteItem{Update: u}
}

// perform is the call at a region's endpoint.
func (o transfer) perform(ctx context.Context, db *dynamodb.Client) (got reply, err error) {
	switch o.kind {
	case "all":
		in := &dynamodb.TransactGetItemsInput{}
		for i := range accounts {
			name, key := account(i)
			in.TransactItems = append(in.TransactItems, types.TransactGetItem{Get: &types.Get{TableName: name, Key: key}})
		}
		out, err := db.TransactGetItems(ctx, in)
		if err != nil {
			return got, err
		}
		for i, r := range out.Responses {
			got.seen[i] = balance(r.Item)
		}
		return got, nil
	case "add":
		name, key := account(o.a)
		out, err := db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: name, Key: key, UpdateExpression: aws.String("ADD n :n"), ExpressionAttributeValues: amount(o.amount), ReturnValues: types.ReturnValueAllNew,
		})
		if err != nil {
			return got, err
		}
		got.seen[0] = balance(out.Attributes)
		return got, nil
	}
	name, key, condition := enough(o.b)
	items := []types.TransactWriteItem{add(o.a, 1, nil), {ConditionCheck: &types.ConditionCheck{
		TableName: name, Key: key, ConditionExpression: condition, ExpressionAttributeValues: amount(o.amount), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
	if o.kind == "move" {
		items = []types.TransactWriteItem{add(o.b, o.amount, nil), add(o.a, -o.amount, aws.String("n >= :least"))}
	}
	_, err = db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
	if cancelled := (*types.TransactionCanceledException)(nil); errors.As(err, &cancelled) {
		return reply{refused: true, seen: balances{balance(cancelled.CancellationReasons[1].Item)}}, nil
	}
	return got, err
}

// TestD1_TransactionsAreLinearizable: transactions on overlapping items of two
// tables, beside writes of single items, by clients that run at once, have an order
// in which each is told what a lone client would be, cancelled ones too. A crash
// that forgets what was not synced lies between.
func TestD1_TransactionsAreLinearizable(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dir, began := t.TempDir(), time.Now()
			var mu sync.Mutex // guards list
			var list []porcupine.Operation
			const lives, clients, calls = 2, 4, 30
			for life := range lives {
				engine, err := pebblekv.Open(pebblekv.Config{Dir: dir, Forgetful: true, MemtableBytes: 256 << 10})
				if err != nil {
					t.Fatal(err)
				}
				r := start(t, engine).tables()
				var all sync.WaitGroup
				for c := range clients {
					random := rand.New(rand.NewPCG(seed, uint64(life*clients+c)))
					all.Go(func() {
						for i := range calls {
							if c == 0 && life+1 < lives && i == calls/2 {
								if err := engine.Crash(); err != nil {
									t.Error(err)
								}
								return
							}
							o := transfer{kind: []string{"move", "all", "add", "check"}[random.IntN(4)], a: random.IntN(accounts), amount: 1 + random.IntN(3)}
							o.b = (o.a + 1 + random.IntN(accounts-1)) % accounts
							call := time.Since(began).Nanoseconds()
							got, err := o.perform(t.Context(), r.sdk(admin))
							back := time.Since(began).Nanoseconds()
							if err != nil { // it may take effect, from now to the end
								got, back = reply{unknown: true}, math.MaxInt64
							}
							mu.Lock()
							list = append(list, porcupine.Operation{ClientId: life*clients + c, Input: o, Output: got, Call: call, Return: back})
							mu.Unlock()
							if err != nil {
								if life+1 == lives {
									t.Error(err)
								}
								return
							}
						}
					})
				}
				all.Wait()
			}
			if result, _ := porcupine.CheckOperationsVerbose(alone, list, time.Minute); result != porcupine.Ok {
				t.Errorf("the history of %d operations is not linearizable: %s", len(list), result)
			}
		})
	}
}
