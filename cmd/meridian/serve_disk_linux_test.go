package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// smallDisk mounts a disk of so many megabytes at a new directory.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Skipf("a small disk cannot be mounted here, which root may: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fillDisk takes all that is left of a disk, and answers what gives it back.
func fillDisk(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filling")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	f.Close()
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// DATA 4, D1: on a full disk writes are refused with a clear error, reads go on
// and the others serve; with room again the region recovers by itself and has
// everything.
func TestDATA4_DiskFull(t *testing.T) {
	const region = "ap-southeast-2"
	w := prepare(t, worldPlan{Regions: 3, Rest: "\ntables:\n  notes: {key: pk}\n"})
	disk := smallDisk(t, 400)
	if err := os.Symlink(disk, w.path("small")); err != nil {
		t.Fatal(err)
	}
	w.start("us-east-1", "eu-west-1")
	w.nodes[region] = startProcess(t, w.dir, region, "serve", "--bundle", w.path("bundles", region), "--data", w.path("small"))
	w.awaitAnswered(w.spec.RegionNames()...)
	here, there := w.tables(region), w.tables("us-east-1")
	mustPut(t, here, "before")

	free := fillDisk(t, disk)
	var refused error
	for i := 0; refused == nil && i < 4000; i++ {
		refused = putNote(t, here, fmt.Sprint("full-", i), strings.Repeat("x", 30_000))
	}
	if refused == nil || !strings.Contains(refused.Error(), "does not take writes") {
		t.Fatalf("on a full disk: %v, want a refusal", refused)
	}
	if !hasNote(t, here, "before") {
		t.Error("reads do not go on")
	}
	mustPut(t, there, "meanwhile")

	free()
	eventually(t, time.Minute, region+" takes writes again", func() bool { return putNote(t, here, "after", "") == nil })
	eventually(t, time.Minute, "everything is everywhere", func() bool {
		return hasNote(t, here, "before") && hasNote(t, here, "meanwhile") && hasNote(t, there, "after") && hasNote(t, there, "full-0")
	})
	if !w.nodes[region].running() {
		t.Errorf("%s ended", region)
	}
}

func putNote(t *testing.T, c *dynamodb.Client, key, text string) error {
	t.Helper()
	_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: aws.String("notes"),
		Item: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: key}, "text": &types.AttributeValueMemberS{Value: text},
		},
	})
	return err
}

func mustPut(t *testing.T, c *dynamodb.Client, key string) {
	t.Helper()
	if err := putNote(t, c, key, "x"); err != nil {
		t.Fatal(err)
	}
}

func hasNote(t *testing.T, c *dynamodb.Client, key string) bool {
	t.Helper()
	out, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String("notes"), ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: key}},
	})
	return err == nil && len(out.Item) > 0
}
