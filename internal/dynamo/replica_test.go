package dynamo_test

import (
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// replicas gives a table of the region its replicas as control has them.
func (r *region) replicas(name string, change func(*table.Table)) table.Table {
	r.t.Helper()
	r.catalog.mu.Lock()
	defer r.catalog.mu.Unlock()
	for i := range r.catalog.tables {
		if t := &r.catalog.tables[i]; t.Name == name {
			change(t)
			r.store.SetTables(r.catalog.tables)
			return *t
		}
	}
	r.t.Fatalf("no table %s", name)
	return table.Table{}
}

// D2: a replica that copies the table says so, and does not answer that items
// are missing which exist; a write might be judged by their absence, too.
func TestD2_AReplicaServesOnceItHasCopied(t *testing.T) {
	r := newRegion(t).tables()
	notes := r.replicas("notes", func(t *table.Table) {
		t.Replicas = []table.Replica{{Region: "ap-south-1", ID: 7, Since: 9}, {Region: "eu-west-1", ID: 1, Since: 9}, {Region: "us-east-1", ID: 2}}
		t.Leaving = []table.Replica{{Region: "sa-east-1", ID: 8}}
	})
	describe := func(want ...string) {
		t.Helper()
		body := r.must("DescribeTable", `{"TableName":"notes"}`)
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("description %s lacks %s", body, w)
			}
		}
	}
	replica := func(region, status string) string {
		return `{"RegionName":"` + region + `","ReplicaStatus":"` + status + `","ReplicaArn":"arn:aws:dynamodb:` + region + `:000000000000:table/notes"`
	}
	refused := func(when string) {
		t.Helper()
		describe(`"TableStatus":"CREATING"`, replica("eu-west-1", "CREATING"), replica("us-east-1", "ACTIVE"), replica("ap-south-1", "CREATING"), replica("sa-east-1", "DELETING"))
		t.Log(when)
		for operation, body := range map[string]string{
			"GetItem":        `{"TableName":"notes","Key":{"pk":{"S":"a"}}}`,
			"PutItem":        `{"TableName":"notes","Item":{"pk":{"S":"a"}}}`,
			"UpdateItem":     `{"TableName":"notes","Key":{"pk":{"S":"a"}}}`,
			"DeleteItem":     `{"TableName":"notes","Key":{"pk":{"S":"a"}}}`,
			"Scan":           `{"TableName":"notes"}`,
			"BatchGetItem":   `{"RequestItems":{"notes":{"Keys":[{"pk":{"S":"a"}}]}}}`,
			"BatchWriteItem": `{"RequestItems":{"notes":[{"DeleteRequest":{"Key":{"pk":{"S":"a"}}}}]}}`,
		} {
			r.refuse(operation, body, "ResourceNotFoundException", "Requested resource not found")
		}
		r.refuse("UpdateTimeToLive", `{"TableName":"notes","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"until"}}`, "ResourceInUseException", "Table is being created")
	}
	refused("nobody has it all")
	if err := r.store.MarkWhole(t.Context(), map[record.TableID]uint64{notes.ID: 9}); err != nil {
		t.Fatal(err)
	}
	refused("this region has it all, the others do not know")
	r.replicas("notes", func(t *table.Table) { t.Replicas[1].Copied = true })
	describe(`"TableStatus":"UPDATING"`, replica("eu-west-1", "ACTIVE"))
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"}}}`)
	r.replicas("notes", func(t *table.Table) { t.Replicas[1].Since = 12 })
	r.refuse("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}}}`, "ResourceNotFoundException", "")
}
