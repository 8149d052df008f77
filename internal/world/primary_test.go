package world

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	"github.com/meridian-run/meridian/internal/primary"
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

// skewed is a clock that runs faster or slower than time does.
func skewed(rate float64) func() time.Duration {
	return func() time.Duration { return time.Duration(float64(primary.Clock()) * rate) }
}

// TestD4_NoSplitBrain: the primary is cut off while it takes writes, another
// region is promoted, and the network heals: the two never acknowledge writes at
// the same time, and what the old one acknowledged is current everywhere or has
// its receipt everywhere. With the clocks of the two skewed both ways (DATA 19,
// 20).
func TestD4_NoSplitBrain(t *testing.T) {
	for name, rates := range map[string][2]float64{
		"old slow, new fast": {0.93, 1.07},
		"old fast, new slow": {1.07, 0.93},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := run(t, Config{Spec: parse(t, ledgerSpec), RoundTrip: at(2 * time.Millisecond), BootClock: func(region string) func() time.Duration {
				switch region {
				case "us-east-1":
					return skewed(rates[0])
				case "eu-west-1":
					return skewed(rates[1])
				}
				return nil
			}})
			awaitLease(t, w, "ledger", "us-east-1")
			// Its writes have an epoch, those of the other tables in the same log have
			// none: an epoch does not order a log (DATA 14).
			for _, to := range []string{"eu-west-1", "us-east-1"} {
				if _, err := w.Region(to).Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: to}); err != nil {
					t.Fatalf("promote %s: %v", to, err)
				}
			}
			awaitLease(t, w, "ledger", "us-east-1")
			splitBrain(t, w)
		})
	}
}

// acknowledged are writes, by when their answer was there. Writers begin their
// next write at once, so the times are dense while a region takes writes.
type acknowledged struct {
	mu    sync.Mutex // guards what follows
	ended map[string]time.Time
	notes []string // in the table without a primary, each beside a write
}

// write puts items, one after the other, until ctx ends.
func (a *acknowledged) write(ctx context.Context, db *dynamodb.Client, prefix string) {
	for i := 0; ctx.Err() == nil; i++ {
		short, cancel := context.WithTimeout(ctx, time.Second)
		key := fmt.Sprintf("%s%06d", prefix, i)
		err := put(short, db, "ledger", "pk", key, "v", prefix)
		cancel()
		if err != nil {
			continue
		}
		a.mu.Lock()
		a.ended[key] = time.Now()
		a.mu.Unlock()
		if prefix == "old" {
			a.note(ctx, db, key)
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// note writes to the table without a primary, in turn with the ledger.
func (a *acknowledged) note(ctx context.Context, db *dynamodb.Client, key string) {
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if put(short, db, "notes", "pk", key, "v", key) == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.notes = append(a.notes, key)
	}
}

// span is when the first and the last write of a prefix were acknowledged, before
// a time.
func (a *acknowledged) span(prefix string, before time.Time) (first, last time.Time, keys []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, at := range a.ended {
		if !strings.HasPrefix(key, prefix) || at.After(before) {
			continue
		}
		keys = append(keys, key)
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	slices.Sort(keys)
	return first, last, keys
}

func splitBrain(t *testing.T, w *World) {
	old, next := tables(t, w, "us-east-1"), tables(t, w, "eu-west-1")
	if err := put(t.Context(), old, "ledger", "pk", "both", "v", "before"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 40*time.Second, "what was before is everywhere", func() bool { return get(t, next, "ledger", "both") == "pk=both v=before" })

	a := &acknowledged{ended: map[string]time.Time{}}
	taken := func(prefix string) bool { _, _, keys := a.span(prefix, time.Now()); return len(keys) > 10 }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var writers sync.WaitGroup
	writers.Go(func() { a.write(ctx, old, "old") })
	eventually(t, 40*time.Second, "the primary takes writes", func() bool { return taken("old") })
	if _, err := w.CutRegion(t.Context(), "us-east-1", ""); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), old, "ledger", "pk", "both", "v", "lost"); err != nil {
		t.Logf("the primary took no write after the cut: %v", err) // it may have lost its lease on a slow machine
	}
	writers.Go(func() { a.write(ctx, next, "new") })

	eventually(t, 40*time.Second, "the survivors hear nothing of it any more", func() bool {
		out, err := w.Region("eu-west-1").Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: "eu-west-1", Force: true})
		return err == nil && out.Loss != nil && out.Loss.Seconds > 0.5
	})
	asked, err := w.Region("eu-west-1").Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: "eu-west-1", Force: true})
	if err != nil || !asked.Asked || asked.Loss == nil || asked.Loss.Seconds < 0 || !strings.Contains(asked.Text, "records") {
		t.Fatalf("asking what may be lost: %+v, %v", asked, err)
	}
	t.Log(asked.Text)
	eventually(t, 60*time.Second, "the survivors have a quorum", func() bool {
		out, err := w.Region("eu-west-1").Promote(t.Context(), client.PromoteRequest{Table: "ledger", To: "eu-west-1", Force: true, Yes: true})
		if err != nil {
			t.Log(err)
			return false
		}
		t.Log(out.Text)
		return true
	})
	eventually(t, 40*time.Second, "the new primary takes writes", func() bool { return taken("new") })
	healed := time.Now()
	if _, err := w.HealRegion(t.Context(), "us-east-1", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, "the old primary forwards to the new one", func() bool {
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return put(short, old, "ledger", "pk", "forwarded", "v", "x") == nil && leaseOf(t, w, "us-east-1", "ledger") != nil &&
			leaseOf(t, w, "us-east-1", "ledger").Holder == "eu-west-1"
	})
	cancel()
	writers.Wait()
	a.check(t, w, healed)
}

// check compares what was acknowledged with what is there. As long as the network
// was not healed, the old primary could only answer by itself.
func (a *acknowledged) check(t *testing.T, w *World, healed time.Time) {
	firstNew, _, _ := a.span("new", healed)
	_, lastOld, oldKeys := a.span("old", healed)
	lost := map[string]bool{}
	t.Logf("the old primary acknowledged until %v before the new one did", firstNew.Sub(lastOld))
	if lastOld.After(firstNew) {
		t.Errorf("the old primary acknowledged a write %v after the new one had", lastOld.Sub(firstNew))
	}
	var items map[string]string
	eventually(t, 60*time.Second, "all regions hold the same", func() bool {
		all := map[string]map[string]string{}
		for _, name := range ledgerRegions {
			short, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			got, err := scan(short, tables(t, w, name), "ledger")
			cancel()
			if err != nil {
				return false
			}
			all[name] = got
		}
		items = all["us-east-1"]
		return maps.Equal(items, all["eu-west-1"]) && maps.Equal(items, all["ap-southeast-2"])
	})
	if got := items["pk=both"]; got != "pk=both v=before" {
		t.Errorf("what the promotion did not include is %q, want the value before", got)
	}
	for key := range a.ended {
		if items["pk="+key] == "" {
			lost[key] = true
		}
	}
	for key := range lost {
		if !strings.HasPrefix(key, "old") {
			t.Errorf("%s was acknowledged by the new primary and is gone", key)
		}
	}
	receipts := uint64(len(lost) + 1) // and that of "both"
	eventually(t, 40*time.Second, fmt.Sprintf("each of the %d writes that were not shipped has its receipt everywhere", receipts), func() bool {
		for _, r := range status(t, w, "us-east-1").Regions {
			if r.Conflicts < receipts {
				return false
			}
		}
		return true
	})
	for _, r := range status(t, w, "us-east-1").Regions {
		// A write whose answer did not come in time may be among them.
		if r.Conflicts > receipts+2 {
			t.Errorf("%s has %d receipts for %d writes", r.Name, r.Conflicts, receipts)
		}
	}
	t.Logf("%d writes of the old primary, %d of them receipts", len(oldKeys), receipts)
	for _, name := range ledgerRegions {
		eventually(t, 40*time.Second, name+" has what the old primary wrote to a table without one", func() bool {
			items, err := scan(t.Context(), tables(t, w, name), "notes")
			return err == nil && !slices.ContainsFunc(a.notes, func(key string) bool { return items["pk="+key] == "" })
		})
	}
}
