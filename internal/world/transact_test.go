package world

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/meridian-run/meridian/client"
)

// increment is an action that counts.
func increment(table, pk string) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{
		TableName: aws.String(table), Key: attributes{"pk": text(pk)},
		UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: attributes{":one": &types.AttributeValueMemberN{Value: "1"}},
	}}
}

// exists is a check that an item is there.
func exists(table, pk string) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: aws.String(table), Key: attributes{"pk": text(pk)}, ConditionExpression: aws.String("attribute_exists(pk)"),
	}}
}

// transact sends a transaction to a region.
func (l ledger) transact(t *testing.T, region, token string, items ...types.TransactWriteItem) error {
	t.Helper()
	_, err := l.db[region].TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: items, ClientRequestToken: aws.String(token)})
	return err
}

// counted reads two items of the ledger in one transaction.
func (l ledger) counted(t *testing.T, region string) string {
	t.Helper()
	in := &dynamodb.TransactGetItemsInput{}
	for _, pk := range []string{"debit", "credit"} {
		in.TransactItems = append(in.TransactItems, types.TransactGetItem{Get: &types.Get{TableName: aws.String("ledger"), Key: attributes{"pk": text(pk)}}})
	}
	out, err := l.db[region].TransactGetItems(t.Context(), in)
	if err != nil {
		t.Fatalf("read at %s: %v", region, err)
	}
	return show(out.Responses[0].Item) + ", " + show(out.Responses[1].Item)
}

// transactions are judged by the primary wherever they come in, and have effect
// once under their token, through whatever region, also after a promotion.
func (l ledger) transactions(t *testing.T) {
	both := []types.TransactWriteItem{increment("ledger", "debit"), increment("ledger", "credit")}
	once := func() {
		t.Helper()
		for _, region := range []string{"ap-southeast-2", "us-east-1", "eu-west-1", "ap-southeast-2"} {
			if err := l.transact(t, region, "first", both...); err != nil {
				t.Errorf("at %s: %v", region, err)
			}
			if got := l.counted(t, region); strings.Count(got, `Value:"1"`) != 2 {
				t.Errorf("%s reads %s", region, got)
			}
		}
	}
	once()
	for _, to := range []string{"eu-west-1", "us-east-1"} {
		if _, err := l.w.Region(to).Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: to}); err != nil {
			t.Fatalf("promote %s: %v", to, err)
		}
		once()
	}
	if err := l.transact(t, "eu-west-1", "first", both[0]); !errors.As(err, new(*types.IdempotentParameterMismatchException)) {
		t.Errorf("another transaction under the same token: %v", err)
	}
	var cancelled *types.TransactionCanceledException
	if err := l.transact(t, "ap-southeast-2", "refused", both[0], exists("ledger", "nobody")); !errors.As(err, &cancelled) ||
		aws.ToString(cancelled.CancellationReasons[0].Code) != "None" || aws.ToString(cancelled.CancellationReasons[1].Code) != "ConditionalCheckFailed" {
		t.Errorf("a check that fails: %v", err)
	}
	for other, words := range map[string]string{"other": "have different primaries", "notes": "use one request for each"} {
		for _, action := range []types.TransactWriteItem{increment(other, "x"), exists(other, "x")} {
			err := l.transact(t, "ap-southeast-2", other, both[0], action)
			if refused := err != nil && strings.Contains(err.Error(), words); !refused {
				t.Errorf("a transaction on ledger and %s: %v", other, err)
			}
		}
	}
	if err := l.transact(t, "us-east-1", "mixed", both[0], increment("notes", "mixed")); err != nil {
		t.Errorf("the primary, on a table of its own and one of all: %v", err)
	}
	eventually(t, 40*time.Second, "every region has both tables' items", func() bool {
		return !slices.ContainsFunc(ledgerRegions, func(name string) bool {
			return !strings.Contains(get(t, l.db[name], "ledger", "debit"), `Value:"2"`) || !strings.Contains(get(t, l.db[name], "notes", "mixed"), `Value:"1"`)
		})
	})
}
