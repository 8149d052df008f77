package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

// tablesSpec has a table with an index, and one that stays in Europe.
const tablesSpec = `
world: notes
domain: notes.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  notes: {key: pk}
  orders:
    key: pk
    indexes:
      by_user: {key: user, sort: at}
  staff: {key: pk, regions: [eu-west-1]}
services:
  api:
    function: {bundle: BUNDLE, idle: 1s}
    tables:   [notes, orders]
    health:   {path: /health, every: 1s}
    routing:  {policy: latency, ttl: 1s}
`

var all = []string{us, eu, ap}

// stage is a running world of tablesSpec and a tables client for each region.
type stage struct {
	*World
	db map[string]*dynamodb.Client
}

func TestTables_D1_D2_D3_F1_I1(t *testing.T) {
	t.Parallel()
	s := stage{run(t, Config{Spec: parse(t, tablesSpec)}), map[string]*dynamodb.Client{}}
	for _, name := range all {
		s.db[name] = tables(t, s.World, name)
	}
	t.Run("D3 items carry the region, the function finds its table", s.itemCarriesRegion)
	t.Run("D1 the last writer wins everywhere", s.lastWriterWins)
	t.Run("D2 created once, then in all regions", s.createdOnce)
	t.Run("D2 a table with data becomes global", s.becomesGlobal)
	t.Run("D2 a region that was down when it got a table has all of it", s.addedWhileDown)
	t.Run("D2 a replica that was removed and added again has nothing of before", s.removedAndAddedAgain)
	t.Run("D1 writes of a removed replica reach the others", s.removedWhileCut)
	t.Run("D2 a replica serves once it has copied the table", s.servesOnceCopied)
	t.Run("D1 the stream of a region makes up its table", s.streamMakesUpTable)
	t.Run("residency: a table of one region is not in the others", s.residency)
	t.Run("D2 an index is added to a table with items", s.addsIndex)
	t.Run("an index stays right with writes on both sides", s.index)
	t.Run("cut and healed, all regions are equal", s.cutAndHeal)
	t.Run("F1 probing does not keep a function alive", s.scalesToZero)
}

// same waits until all regions hold the same items of a table and returns them.
func (s stage) same(t *testing.T, table string, regions ...string) map[string]string {
	t.Helper()
	var items map[string]string
	difference := "nothing was read yet"
	eventually(t, 40*time.Second, table+" is the same in "+strings.Join(regions, ", "), func() bool {
		for i, name := range regions {
			got, err := scan(t.Context(), s.db[name], table)
			if err != nil {
				t.Fatalf("scan %s in %s: %v", table, name, err)
			}
			if i == 0 {
				items = got
				continue
			}
			if difference = cmp.Diff(got, items); difference != "" {
				return false
			}
		}
		return true
	})
	return items
}

func (s stage) itemCarriesRegion(t *testing.T) {
	for at, from := range besides {
		posted := newUser(t, s.World, "api.notes.test", from).must(t, "POST", "/data", `{"name":"from `+at+`"}`, 200)
		var id struct{ RequestID string }
		if err := json.Unmarshal([]byte(posted.body), &id); err != nil || id.RequestID == "" {
			t.Fatalf("POST /data answered %q", posted.body)
		}
		want := "name=from " + at + " pk=" + id.RequestID + " region=" + at
		for _, reader := range all {
			eventually(t, 40*time.Second, reader+" has what was written in "+at, func() bool {
				return get(t, s.db[reader], "notes", id.RequestID) == want
			})
		}
	}
}

func (s stage) lastWriterWins(t *testing.T) {
	for _, writer := range all { // one after the other: each has seen the one before
		if err := put(t.Context(), s.db[writer], "notes", "pk", "shared", "by", writer); err != nil {
			t.Fatal(err)
		}
		for _, reader := range all {
			eventually(t, 40*time.Second, reader+" reads what "+writer+" wrote", func() bool {
				return get(t, s.db[reader], "notes", "shared") == "by="+writer+" pk=shared"
			})
		}
	}
	for i := range 20 { // at the same time: one wins, the same one everywhere
		for _, writer := range all {
			if err := put(t.Context(), s.db[writer], "notes", "pk", fmt.Sprint("contended", i), "by", writer); err != nil {
				t.Fatal(err)
			}
		}
	}
	items := s.same(t, "notes", all...)
	for i := range 20 {
		if got := items[fmt.Sprint("pk=contended", i)]; got == "" {
			t.Errorf("contended%d is nowhere", i)
		}
	}
}

func (s stage) createdOnce(t *testing.T) {
	s.create(t, us, "carts")
	_, err := s.db[us].CreateTable(t.Context(), creation("carts"))
	if exists := new(types.ResourceInUseException); !errors.As(err, &exists) {
		t.Errorf("creating it twice: %v, want ResourceInUseException", err)
	}
	s.addReplicas(t, "carts", us, eu, ap)
	for _, name := range all {
		if err := put(t.Context(), s.db[name], "carts", "pk", name); err != nil {
			t.Fatalf("write in %s: %v", name, err)
		}
	}
	if items := s.same(t, "carts", all...); len(items) != 3 {
		t.Errorf("carts has %v, want an item of each region", items)
	}
}

// tryAddReplicas adds what is missing with UpdateTable, asked in the first
// region.
func (s stage) tryAddReplicas(t *testing.T, table string, regions ...string) error {
	t.Helper()
	out, err := s.db[regions[0]].DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	var updates []types.ReplicationGroupUpdate
	for _, name := range regions {
		has := slices.ContainsFunc(out.Table.Replicas, func(r types.ReplicaDescription) bool { return *r.RegionName == name })
		if !has && name != regions[0] {
			updates = append(updates, types.ReplicationGroupUpdate{Create: &types.CreateReplicationGroupMemberAction{RegionName: &name}})
		}
	}
	if len(updates) == 0 {
		return nil
	}
	_, err = s.db[regions[0]].UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &table, ReplicaUpdates: updates})
	return err
}

// addReplicas does it and waits until every region has the table.
func (s stage) addReplicas(t *testing.T, table string, regions ...string) {
	t.Helper()
	eventually(t, 40*time.Second, "replicas are added", func() bool { // not during an election
		err := s.tryAddReplicas(t, table, regions...)
		if err != nil {
			t.Log(err)
		}
		return err == nil
	})
	for _, name := range regions {
		eventually(t, 40*time.Second, table+" is active in "+name, func() bool {
			out, err := s.db[name].DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
			return err == nil && out.Table.TableStatus == types.TableStatusActive
		})
	}
}

// fill creates a table in one region and writes 300 items there.
func (s stage) fill(t *testing.T, in, table string) {
	t.Helper()
	s.create(t, in, table)
	var writes []types.WriteRequest
	for i := range 300 {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: attributes{"pk": text(fmt.Sprint(i)), "name": text("old")}}})
	}
	for batch := range slices.Chunk(writes, 25) {
		out, err := s.db[in].BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: batch}})
		if err != nil || len(out.UnprocessedItems) > 0 {
			t.Fatalf("%v, %v", out, err)
		}
	}
}

func (s stage) becomesGlobal(t *testing.T) {
	s.fill(t, eu, "local")
	s.addReplicas(t, "local", eu, us, ap)
	if err := put(t.Context(), s.db[us], "local", "pk", "0", "name", "new"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 40*time.Second, "every region has all of it", func() bool {
		for _, name := range all {
			items, err := scan(t.Context(), s.db[name], "local")
			if err != nil || len(items) != 300 || items["pk=0"] != "name=new pk=0" {
				return false
			}
		}
		return true
	})
}

// addedWhileDown adds a replica in a region that does not run, and one in a
// region that loses power before it has copied anything.
func (s stage) addedWhileDown(t *testing.T) {
	s.fill(t, us, "late")
	stop(t, s.World, ap)
	eventually(t, 40*time.Second, "replicas are added", func() bool { return s.tryAddReplicas(t, "late", us, eu, ap) == nil })
	start(t, s.World, ap)
	eventually(t, 40*time.Second, ap+" has all of it", func() bool {
		items, err := scan(t.Context(), s.db[ap], "late")
		return err == nil && len(items) == 300
	})

	s.fill(t, us, "later")
	s.addReplicas(t, "later", us, ap)
	stop(t, s.World, ap)
	start(t, s.World, ap)
	eventually(t, 40*time.Second, ap+" has all of it in its next life", func() bool {
		items, err := scan(t.Context(), s.db[ap], "later")
		return err == nil && len(items) == 300
	})
}

// create makes a table, which begins in the region that is asked.
func (s stage) create(t *testing.T, in, table string) {
	t.Helper()
	creates(t, s.World, table, in)
}

func creation(table string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	}
}

func (s stage) residency(t *testing.T) {
	if err := put(t.Context(), s.db[eu], "staff", "pk", "1", "name", "x"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{us, ap} {
		err := put(t.Context(), s.db[name], "staff", "pk", "2")
		if missing := new(types.ResourceNotFoundException); !errors.As(err, &missing) {
			t.Errorf("a write to staff in %s: %v, want ResourceNotFoundException", name, err)
		}
	}
}

// byUser queries the index and shows what it has.
func (s stage) byUser(t *testing.T, in, user string) []string {
	t.Helper()
	out, err := s.db[in].Query(t.Context(), &dynamodb.QueryInput{
		TableName: aws.String("orders"), IndexName: aws.String("by_user"),
		KeyConditionExpression:    aws.String("#u = :u"),
		ExpressionAttributeNames:  map[string]string{"#u": "user"},
		ExpressionAttributeValues: attributes{":u": text(user)},
	})
	if err != nil {
		t.Fatalf("query by_user in %s: %v", in, err)
	}
	var lines []string
	for _, item := range out.Items {
		lines = append(lines, show(item))
	}
	return lines
}

// index writes, moves and deletes on all sides, the same keys among them; then
// the index of each region has to be what a scan of the table says.
func (s stage) index(t *testing.T) {
	for i := range 60 {
		for j, writer := range all {
			user := fmt.Sprint("user", (i+j)%3)
			if err := put(t.Context(), s.db[writer], "orders", "pk", fmt.Sprint(i%30), "user", user, "at", fmt.Sprintf("%03d", i), "by", writer); err != nil {
				t.Fatal(err)
			}
		}
		if i%7 == 0 {
			key := attributes{"pk": text(fmt.Sprint(i % 30))}
			if _, err := s.db[all[i%3]].DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("orders"), Key: key}); err != nil {
				t.Fatal(err)
			}
		}
	}
	items := slices.Sorted(maps.Values(s.same(t, "orders", all...)))
	for _, name := range all {
		var indexed []string
		for _, user := range []string{"user0", "user1", "user2"} {
			indexed = append(indexed, s.byUser(t, name, user)...)
		}
		slices.Sort(indexed)
		if diff := cmp.Diff(indexed, items); diff != "" {
			t.Errorf("the index in %s differs from the table (-index +table):\n%s", name, diff)
		}
	}
}

// cutAndHeal writes on both sides of a cut, the same keys too. While it is cut,
// nothing passes between the two; after a while the third may give each what the
// other wrote (DATA 13).
func (s stage) cutAndHeal(t *testing.T) {
	s.network.Cut(us, eu)
	defer s.network.Heal(us, eu)
	before := s.network.Bytes(us, eu) + s.network.Bytes(eu, us)
	for i := range 100 {
		for _, writer := range []string{us, eu} {
			for _, pk := range []string{fmt.Sprint("cut", i), fmt.Sprint("cut", writer, i)} {
				if err := put(t.Context(), s.db[writer], "orders", "pk", pk, "user", "cut", "at", fmt.Sprintf("%03d", i), "by", writer); err != nil {
					t.Fatalf("write in %s while cut: %v", writer, err)
				}
			}
		}
		if i%10 == 0 {
			key := attributes{"pk": text(fmt.Sprint("cut", i))}
			if _, err := s.db[us].DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("orders"), Key: key}); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, 40*time.Second, ap+" has the last of both sides", func() bool {
		return get(t, s.db[ap], "orders", "cut"+us+"99") != "" && get(t, s.db[ap], "orders", "cut"+eu+"99") != ""
	})
	if after := s.network.Bytes(us, eu) + s.network.Bytes(eu, us); after != before {
		t.Errorf("%d bytes passed the cut", after-before)
	}
	s.network.Heal(us, eu)
	items := s.same(t, "orders", all...)
	for i := range 100 {
		for _, writer := range []string{us, eu} {
			if items[fmt.Sprint("pk=cut", writer, i)] == "" {
				t.Errorf("write %d of %s is missing after the heal", i, writer)
			}
		}
	}
	for _, name := range all {
		if got := s.byUser(t, name, "cut"); len(got) < 200 {
			t.Errorf("the index in %s has %d items of the cut, want at least 200", name, len(got))
		}
	}
}

// instances is how many instances of the function live in a region.
func (s stage) instances(t *testing.T, in string) int {
	t.Helper()
	for _, r := range status(t, s.World, in).Regions {
		if r.Name == in && len(r.Traffic) > 0 {
			return r.Traffic[0].Instances
		}
	}
	return -1
}

func (s stage) scalesToZero(t *testing.T) {
	u := newUser(t, s.World, "api.notes.test", "London")
	u.must(t, "GET", "/data/none", "", 200)
	if n := s.instances(t, eu); n < 1 {
		t.Errorf("%d instances after a request, want one", n)
	}
	for _, name := range all {
		eventually(t, 40*time.Second, "no instance is left in "+name, func() bool { return s.instances(t, name) == 0 })
	}
	// Every observer goes on asking, for twice the idle time.
	passed := func() (n int) {
		for _, seen := range serviceRegion(t, s.World, us, "api", eu).Health.Seen {
			if seen.Healthy && seen.Fresh && seen.AgeSeconds < 1.5 {
				n++
			}
		}
		return n
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	most := 0
	for ctx.Err() == nil {
		for _, name := range all {
			if n := s.instances(t, name); n != 0 {
				t.Fatalf("%d instances in %s although nobody but probes asks", n, name)
			}
		}
		most = max(most, passed())
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	if most != 3 {
		t.Errorf("at most %d observers probed the sleeping function, want 3", most)
	}
	if got := serviceRegion(t, s.World, us, "api", eu); got.Health.Verdict != "healthy" || !got.Answered {
		t.Errorf("the sleeping function is %+v, want it healthy and answered", got)
	}
	u.must(t, "GET", "/data/none", "", 200)
}
