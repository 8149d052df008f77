package world

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/meridian-run/meridian/client"
)

const ledgerSpec = `
world: notes
domain: notes.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  ledger: {key: pk, consistency: primary, primary: us-east-1}
  other:  {key: pk, consistency: primary, primary: eu-west-1}
  notes:  {key: pk}
`

// at is the round trip of a world in one building.
func at(d time.Duration) func(string, string) time.Duration {
	return func(string, string) time.Duration { return d }
}

// awaitLease waits until a table's primary holds it, as it says itself.
func awaitLease(t *testing.T, w *World, table, holder string) {
	t.Helper()
	eventually(t, 60*time.Second, holder+" holds table "+table, func() bool {
		l := leaseOf(t, w, holder, table)
		return l != nil && l.Holder == holder
	})
}

func leaseOf(t *testing.T, w *World, seenBy, table string) *client.Lease {
	t.Helper()
	for _, one := range status(t, w, seenBy).Tables {
		if one.Name == table {
			return one.Lease
		}
	}
	return nil
}

// consistent reads an item as its table's primary has it.
func consistent(t *testing.T, db *dynamodb.Client, table, pk string) string {
	t.Helper()
	out, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: attributes{"pk": text(pk)}, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatalf("read %s of %s consistently: %v", pk, table, err)
	}
	return show(out.Item)
}

// TestD4_PrimaryTables: one region takes the writes, the others forward them and
// read locally; a promotion moves it without loss.
func TestD4_PrimaryTables(t *testing.T) {
	t.Parallel()
	w := run(t, Config{Spec: parse(t, ledgerSpec), RoundTrip: at(2 * time.Millisecond)})
	awaitLease(t, w, "ledger", "us-east-1")
	awaitLease(t, w, "other", "eu-west-1")
	l := ledger{w: w, db: map[string]*dynamodb.Client{}}
	for _, name := range ledgerRegions {
		l.db[name] = tables(t, w, name)
	}
	t.Run("forwards", l.forwards)
	t.Run("one winner", l.oneWinner)
	t.Run("several tables", l.severalTables)
	t.Run("promotes", l.promotes)
	t.Run("retries", l.retries)
	t.Run("transactions", l.transactions)
	t.Run("refuses", l.refuses)
	t.Run("no answer", l.noAnswer)
}

var ledgerRegions = []string{"us-east-1", "eu-west-1", "ap-southeast-2"}

type ledger struct {
	w  *World
	db map[string]*dynamodb.Client
}

// forwards: a write from elsewhere is the primary's at once; consistent reads see
// it everywhere, others as soon as it has been replicated.
func (l ledger) forwards(t *testing.T) {
	if err := put(t.Context(), l.db["ap-southeast-2"], "ledger", "pk", "a", "v", "1"); err != nil {
		t.Fatal(err)
	}
	for _, name := range ledgerRegions {
		if got := consistent(t, l.db[name], "ledger", "a"); got != "pk=a v=1" {
			t.Errorf("%s reads %q", name, got)
		}
	}
	eventually(t, 40*time.Second, "it is in every region", func() bool {
		return get(t, l.db["eu-west-1"], "ledger", "a") == "pk=a v=1" && get(t, l.db["ap-southeast-2"], "ledger", "a") == "pk=a v=1"
	})
	for i, one := range status(t, l.w, "ap-southeast-2").Tables {
		if one.Name == "ledger" && (one.Primary != "us-east-1" || one.Lease != nil && one.Lease.Holder != "us-east-1") {
			t.Errorf("status of table %d: %+v", i, one)
		}
	}
}

// oneWinner: conditions are judged by one region, so of all who try to be first
// one is.
func (l ledger) oneWinner(t *testing.T) {
	for round := range 5 {
		var won atomic.Int32
		var all sync.WaitGroup
		for _, name := range ledgerRegions {
			all.Go(func() {
				_, err := l.db[name].PutItem(t.Context(), &dynamodb.PutItemInput{
					TableName: aws.String("ledger"), Item: attributes{"pk": text(fmt.Sprint("first", round)), "by": text(name)},
					ConditionExpression: aws.String("attribute_not_exists(pk)"),
				})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.As(err, new(*types.ConditionalCheckFailedException)):
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("round %d was won by %d", round, won.Load())
		}
	}
}

// severalTables: what one region cannot do is refused in a sentence.
func (l ledger) severalTables(t *testing.T) {
	write := func(names ...string) error {
		in := &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{}}
		for _, name := range names {
			in.RequestItems[name] = []types.WriteRequest{{PutRequest: &types.PutRequest{Item: attributes{"pk": text("batch")}}}}
		}
		_, err := l.db["ap-southeast-2"].BatchWriteItem(t.Context(), in)
		return err
	}
	if err := write("ledger", "other"); err == nil || !strings.Contains(err.Error(), "have different primaries") {
		t.Errorf("two primaries: %v", err)
	}
	if err := write("ledger", "notes"); err == nil || !strings.Contains(err.Error(), "use one request for each") {
		t.Errorf("a table with a primary elsewhere and one without: %v", err)
	}
	if err := write("ledger"); err != nil {
		t.Errorf("one table: %v", err)
	}
	out, err := l.db["ap-southeast-2"].BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		"ledger": {Keys: []attributes{{"pk": text("batch")}}, ConsistentRead: aws.Bool(true)},
	}})
	if err != nil || len(out.Responses["ledger"]) != 1 {
		t.Errorf("a consistent batch read: %v, %v", out, err)
	}
}

// promotes moves the primary while every region counts in one item: no write
// fails, none is lost, none has effect twice.
func (l ledger) promotes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var done atomic.Int64
	var all sync.WaitGroup
	for _, name := range ledgerRegions {
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := l.db[name].UpdateItem(context.WithoutCancel(ctx), &dynamodb.UpdateItemInput{
					TableName: aws.String("ledger"), Key: attributes{"pk": text("count")},
					UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: attributes{":one": &types.AttributeValueMemberN{Value: "1"}},
				})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				done.Add(1)
			}
		})
	}
	best := time.Hour
	for i, to := range []string{"eu-west-1", "ap-southeast-2", "us-east-1"} {
		out, err := l.w.Region("eu-west-1").Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: to})
		if err != nil {
			t.Fatalf("promote %s: %v", to, err)
		}
		t.Log(out.Text)
		best = min(best, time.Duration(out.PauseMillis*float64(time.Millisecond)))
		if want := uint32(i + 1); out.Epoch != want {
			t.Errorf("epoch %d, want %d", out.Epoch, want)
		}
	}
	cancel()
	all.Wait()
	// Other tests share the machine: what the machine can do shows in the best.
	if best >= time.Second {
		t.Errorf("the shortest of three promotions stopped the writes for %v", best)
	}
	if want, got := fmt.Sprint("AttributeValueMemberN{Value:\"", done.Load()), consistent(t, l.db["eu-west-1"], "ledger", "count"); !strings.Contains(got, want+"\"") {
		t.Errorf("%d writes were acknowledged, the item is %s", done.Load(), got)
	}
	for _, name := range ledgerRegions {
		for _, r := range status(t, l.w, name).Regions {
			if r.Conflicts != 0 {
				t.Errorf("%s has %d conflicts", r.Name, r.Conflicts)
			}
		}
	}
}

// retries: the tries of one call have effect once, wherever they come in, also at
// the primary itself, and after a promotion (DATA 21).
func (l ledger) retries(t *testing.T) {
	try := func(region, invocation string) string {
		t.Helper()
		out, err := l.db[region].UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: aws.String("ledger"), Key: attributes{"pk": text("retried")}, ReturnValues: types.ReturnValueUpdatedNew,
			UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: attributes{":one": &types.AttributeValueMemberN{Value: "1"}},
		}, named(invocation))
		if err != nil {
			t.Fatalf("%s at %s: %v", invocation, region, err)
		}
		return out.Attributes["n"].(*types.AttributeValueMemberN).Value
	}
	for _, step := range []struct{ region, invocation, n string }{
		{"us-east-1", "direct", "1"},
		{"us-east-1", "direct", "1"},
		{"ap-southeast-2", "direct", "1"},
		{"ap-southeast-2", "passed on", "2"},
		{"us-east-1", "passed on", "2"},
		{"eu-west-1", "passed on", "2"},
	} {
		if got := try(step.region, step.invocation); got != step.n {
			t.Errorf("%s at %s: n is %s, want %s", step.invocation, step.region, got, step.n)
		}
	}
	for _, to := range []string{"eu-west-1", "us-east-1"} {
		if _, err := l.w.Region(to).Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: to}); err != nil {
			t.Fatalf("promote %s: %v", to, err)
		}
		for _, region := range ledgerRegions {
			if one, two := try(region, "direct"), try(region, "passed on"); one != "1" || two != "2" {
				t.Errorf("retries at %s with %s as the primary: %s and %s, want 1 and 2", region, to, one, two)
			}
		}
	}
}

// named gives a call the name that all of its tries share.
func named(invocation string) func(*dynamodb.Options) {
	return dynamodb.WithAPIOptions(smithyhttp.SetHeaderValue("Amz-Sdk-Invocation-Id", invocation))
}

// refuses: promotions that make no sense say why.
func (l ledger) refuses(t *testing.T) {
	for _, c := range []struct {
		in   client.PromoteRequest
		says string
	}{
		{client.PromoteRequest{Table: "nope", To: "eu-west-1"}, "the tables with a primary are ledger, other"},
		{client.PromoteRequest{Table: "notes", To: "eu-west-1"}, "each of its regions takes writes"},
		{client.PromoteRequest{Table: "ledger", To: "mars"}, "its regions are ap-southeast-2, eu-west-1, us-east-1"},
	} {
		if _, err := l.w.Region("ap-southeast-2").Promote(t.Context(), c.in); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.in, err)
		}
	}
	out, err := l.w.Region("ap-southeast-2").Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: "us-east-1"})
	if err != nil || !strings.Contains(out.Text, "already") {
		t.Errorf("promoting the primary: %+v, %v", out, err)
	}
}

// noAnswer: without the primary, writes fail with an error that SDKs try again
// and people understand; reads go on. Without quorum there is no promotion.
func (l ledger) noAnswer(t *testing.T) {
	if _, err := l.w.CutRegion(t.Context(), "us-east-1", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := l.w.CutRegion(t.Context(), "eu-west-1", "ap-southeast-2"); err != nil {
		t.Fatal(err)
	}
	err := put(t.Context(), l.db["eu-west-1"], "ledger", "pk", "none", "v", "1")
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "InternalServerError" ||
		!strings.Contains(err.Error(), "primary us-east-1") || !strings.Contains(err.Error(), "meridian promote ledger --to REGION --force") {
		t.Errorf("a write without the primary: %v", err)
	}
	if got := get(t, l.db["eu-west-1"], "ledger", "a"); got != "pk=a v=1" {
		t.Errorf("a local read: %q", got)
	}
	_, err = l.w.Region("eu-west-1").Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: "eu-west-1", Force: true, Yes: true})
	if err == nil || !strings.Contains(err.Error(), "quorum") {
		t.Errorf("a promotion without quorum: %v", err)
	}
	eventually(t, 40*time.Second, "the primary stops without a lease", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := put(ctx, l.db["us-east-1"], "ledger", "pk", "none", "v", "2")
		return err != nil && strings.Contains(err.Error(), "has no lease")
	})
}
