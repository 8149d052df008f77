package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A region that lost its disk takes nothing that it lacks for absent: until it has
// what the others have, gets and conditional puts are refused, not answered
// (DATA 16, 17).
func TestDATA17_ALostDiskAnswersNothingFromAnEmptyStore(t *testing.T) {
	for name, lost := range map[string][]string{"all of it": {}, "the store": {"eu-west-1", "store"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := serve(t, worldPlan{Regions: 3})
			const lostRegion = "eu-west-1"
			fill(t, w, "us-east-1", 2000)
			w.awaitNotes([]string{"note1999", "note0"}, lostRegion)
			tables := w.tables(lostRegion)
			w.kill(lostRegion)
			if err := os.RemoveAll(w.path(append([]string{"data", lostRegion}, lost...)...)); err != nil {
				t.Fatal(err)
			}
			w.start(lostRegion)
			if len(lost) == 0 {
				go func() { _, _ = w.meridian("replace", lostRegion) }()
			}
			found := 0
			for end := time.Now().Add(60 * time.Second); found < 200; {
				if time.Now().After(end) {
					t.Fatalf("%s serves nothing:\n%s", lostRegion, w.nodes[lostRegion].log())
				}
				key := fmt.Sprint("note", (found*37)%2000)
				had, err := overwrites(tables, key)
				switch {
				case err != nil && strings.Contains(err.Error(), "connection refused"):
				case err != nil && !strings.Contains(err.Error(), "empty directory"):
					t.Fatalf("it answers %v", err)
				case err == nil && !had:
					t.Fatalf("an item that all regions have is not there: %s", key)
				case had:
					found++
				}
			}
		})
	}
}

// overwrites gets an item and tries to put it as a new one.
func overwrites(c *dynamodb.Client, key string) (had bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	item := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}}
	got, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("notes"), Key: item})
	if err != nil {
		return false, err
	}
	_, err = c.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String("notes"), Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)"),
	})
	var held *types.ConditionalCheckFailedException
	if err == nil || errors.As(err, &held) {
		return got.Item != nil && err != nil, nil
	}
	return false, err
}

// fill puts items of 1 KB: note0, note1, ...
func fill(t *testing.T, w *served, region string, n int) {
	t.Helper()
	c := w.tables(region)
	for from := 0; from < n; from += 25 {
		var list []types.WriteRequest
		for i := from; i < min(from+25, n); i++ {
			list = append(list, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: fmt.Sprint("note", i)},
				"v":  &types.AttributeValueMemberS{Value: strings.Repeat("b", 1000)},
			}}})
		}
		if _, err := c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"notes": list}}); err != nil {
			t.Fatal(err)
		}
	}
}
