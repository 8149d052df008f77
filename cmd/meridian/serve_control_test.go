package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/meridian-run/meridian/internal/certificate"
)

// changeControl drains, and makes a table in one region with a replica in the
// other, while a node is away. An election may have to come first.
func (w *served) changeControl(in, other, without string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	region := w.spec.RegionNames()[0]
	w.must("drain", region, "--for", "1h", "--why", "the test")
	if out := w.must("undrain", region); !strings.Contains(out, "not drained any more") {
		w.t.Errorf("undrain says %q", out)
	}
	name := "made-without-" + without
	_, err := w.tables(in).CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &name,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		BillingMode:          types.BillingModePayPerRequest,
	})
	if err != nil {
		w.t.Fatalf("create a table without %s: %v", without, err)
	}
	_, err = w.tables(in).UpdateTable(ctx, &dynamodb.UpdateTableInput{
		TableName:      &name,
		ReplicaUpdates: []types.ReplicationGroupUpdate{{Create: &types.CreateReplicationGroupMemberAction{RegionName: &other}}},
	})
	if err != nil {
		w.t.Fatalf("add a replica without %s: %v", without, err)
	}
}

// awaitTable waits until a region has a table, and can use it.
func (w *served) awaitTable(region, name string) {
	w.t.Helper()
	var err error
	defer func() {
		if err != nil {
			w.t.Logf("table %s in %s: %v", name, region, err)
		}
	}()
	eventually(w.t, 30*time.Second, region+" has table "+name, func() bool {
		_, err = w.tables(region).GetItem(context.Background(), &dynamodb.GetItemInput{
			TableName: &name, Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "x"}},
		})
		return err == nil
	})
}

// awaitTableKey waits until a region has a table with a key of that name.
func (w *served) awaitTableKey(region, name, key string) {
	w.t.Helper()
	eventually(w.t, 30*time.Second, region+" has table "+name, func() bool {
		out, err := w.tables(region).DescribeTable(context.Background(), &dynamodb.DescribeTableInput{TableName: &name})
		return err == nil && *out.Table.KeySchema[0].AttributeName == key
	})
}

// refusedCount is how many connections a region has refused, by its metrics.
func (w *served) refusedCount(region string) int {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+w.region(region).Addresses.Admin+"/metrics", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := certificate.OpenBundle(w.path("bundles", region))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+b.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	m := regexp.MustCompile(`link_refused_total\{[^}]*\} (\d+)`).FindSubmatch(text)
	if m == nil {
		w.t.Fatalf("the metrics of %s count no refusals", region)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}
