package world

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// removeReplica asks in us to take the table away from a region.
func (s stage) removeReplica(t *testing.T, table, region string) {
	t.Helper()
	eventually(t, 40*time.Second, region+" is removed from "+table, func() bool { // not during an election
		_, err := s.db[us].UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &table, ReplicaUpdates: []types.ReplicationGroupUpdate{
			{Delete: &types.DeleteReplicationGroupMemberAction{RegionName: &region}},
		}})
		if err != nil {
			t.Log(err)
		}
		return err == nil
	})
}

// replica is what us says of a region's replica; "" is none.
func (s stage) replica(t *testing.T, table, region string) types.ReplicaStatus {
	t.Helper()
	out, err := s.db[us].DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Table.Replicas {
		if *r.RegionName == region {
			return r.ReplicaStatus
		}
	}
	return ""
}

// backlog is how many entries of its log a region keeps for others.
func (s stage) backlog(t *testing.T, region string) uint64 {
	t.Helper()
	for _, r := range status(t, s.World, region).Regions {
		if r.Name == region {
			return r.BacklogEntries
		}
	}
	t.Fatalf("%s does not tell of itself", region)
	return 0
}

// removedAndAddedAgain deletes an item while a region does not have the table.
func (s stage) removedAndAddedAgain(t *testing.T) {
	s.create(t, us, "moving")
	s.addReplicas(t, "moving", us, eu, ap)
	for _, pk := range []string{"gone", "stays"} {
		if err := put(t.Context(), s.db[us], "moving", "pk", pk); err != nil {
			t.Fatal(err)
		}
	}
	s.same(t, "moving", all...)
	s.removeReplica(t, "moving", ap)
	eventually(t, 40*time.Second, ap+" has given it up", func() bool { return s.replica(t, "moving", ap) == "" })
	key := attributes{"pk": text("gone")}
	if _, err := s.db[us].DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("moving"), Key: key}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 40*time.Second, "the delete is in both, and forgotten", func() bool { return s.backlog(t, us) == 0 && s.backlog(t, eu) == 0 })
	s.addReplicas(t, "moving", us, eu, ap)
	if items := s.same(t, "moving", all...); len(items) != 1 || items["pk=stays"] == "" {
		t.Errorf("moving has %v, want what stays", items)
	}
	if got := s.replica(t, "moving", ap); got != types.ReplicaStatusActive {
		t.Errorf("the replica is %q", got)
	}
}

// removedWhileCut removes a replica whose region took a write that nobody else
// has, and takes another one before it can know.
func (s stage) removedWhileCut(t *testing.T) {
	s.create(t, us, "leaving")
	s.addReplicas(t, "leaving", us, eu, ap)
	s.network.Isolate(ap)
	defer s.network.Rejoin(ap)
	if err := put(t.Context(), s.db[ap], "leaving", "pk", "unshipped"); err != nil {
		t.Fatal(err)
	}
	s.removeReplica(t, "leaving", ap)
	if err := put(t.Context(), s.db[ap], "leaving", "pk", "unaware"); err != nil {
		t.Fatal(err)
	}
	if got := s.replica(t, "leaving", ap); got != types.ReplicaStatusDeleting {
		t.Errorf("the replica of a region that cannot know is %q, want DELETING", got)
	}
	s.network.Rejoin(ap)
	eventually(t, 60*time.Second, ap+" has given it up", func() bool { return s.replica(t, "leaving", ap) == "" })
	if items := s.same(t, "leaving", us, eu); len(items) != 2 {
		t.Errorf("leaving has %v, want both writes of %s", items, ap)
	}
	if _, err := scan(t.Context(), s.db[ap], "leaving"); !isMissing(err) {
		t.Errorf("scan in %s: %v, want ResourceNotFoundException", ap, err)
	}
	told(t, s.World, ap, "replica", ap, ap+" has given up its replica of table leaving")
}

func isMissing(err error) bool { return errors.As(err, new(*types.ResourceNotFoundException)) }

// watched asks a region for items of a table of 300 all the time, until end is
// called, which answers the first reply that is wrong.
func (s stage) watched(t *testing.T, region, table string, wrong func(*dynamodb.GetItemOutput, error) bool) (end func() string) {
	answers, ctx, found := s.db[region], t.Context(), make(chan string, 1)
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			out, err := answers.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: attributes{"pk": text(fmt.Sprint(i % 300))}})
			if wrong(out, err) {
				found <- fmt.Sprintf("item %d: %v, %v", i%300, out, err)
				return
			}
			select {
			case <-done:
				found <- ""
				return
			case <-ticker.C:
			}
		}
	}()
	return func() string { close(done); return <-found }
}

// servesOnceCopied asks a region that copies a table, and one that starts.
func (s stage) servesOnceCopied(t *testing.T) {
	s.fill(t, us, "served")
	end := s.watched(t, ap, "served", func(out *dynamodb.GetItemOutput, err error) bool { return err == nil && len(out.Item) == 0 })
	s.addReplicas(t, "served", us, ap)
	if got := end(); got != "" {
		t.Errorf("%s says that there is none, while it copies: %s", ap, got)
	}
	for _, pk := range []string{"0", "299"} {
		if got := get(t, s.db[ap], "served", pk); got != "name=old pk="+pk {
			t.Errorf("item %s is %q once the table is active", pk, got)
		}
	}
	stop(t, s.World, ap)
	end = s.watched(t, ap, "served", func(_ *dynamodb.GetItemOutput, err error) bool { return isMissing(err) })
	start(t, s.World, ap)
	if got := end(); got != "" {
		t.Errorf("%s says that the table is not there, while it starts: %s", ap, got)
	}
}
