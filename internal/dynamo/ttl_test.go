package dynamo_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	enableTTL = `{"TableName":"events","TimeToLiveSpecification":{"AttributeName":"dies","Enabled":true}}`
	enabling  = `{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLING","AttributeName":"dies"}}`
	enabled   = `{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"dies"}}`
)

// D1: a table that holds items gets a time to live: it is ENABLING until this
// region has gone through them, and then they die when they say so, in the table and
// in its indexes.
func TestD1_TimeToLiveIsEnabledOnATableWithItems(t *testing.T) {
	r := newRegion(t).tables()
	for i, dies := range []string{
		`{"N":"` + unix(-time.Hour) + `"}`, `{"N":"` + unix(time.Hour) + `"}`, `{"S":"` + unix(-time.Hour) + `"}`,
		`{"N":"` + unix(-6*365*24*time.Hour) + `"}`,
	} {
		r.event(i, `,"dies":`+dies)
	}
	const count = `{"TableName":"events","Select":"COUNT"}`
	r.must("UpdateTimeToLive", enableTTL)
	r.expect("DescribeTimeToLive", `{"TableName":"events"}`, enabling)
	r.fillIndexes()
	r.expect("DescribeTimeToLive", `{"TableName":"events"}`, enabled)
	r.expect("Scan", count, `{"Count":3,"ScannedCount":3}`)
	if done, err := r.store.Expire(context.Background()); err != nil || done.Records != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	r.event(9, `,"dies":{"N":"`+unix(-time.Second)+`"}`)
	r.expect("Scan", count, `{"Count":3,"ScannedCount":3}`)
}

// D1: an attribute is replaced by another only by way of none, and none it gets
// only while there are no items: regions that learn of it at different times would
// not keep the same.
func TestD1_TimeToLiveStaysWhileThereAreItems(t *testing.T) {
	r := newRegion(t).tables()
	r.event(1, "")
	r.must("UpdateTimeToLive", enableTTL)
	r.fillIndexes()
	request := func(name string, enabled bool) string {
		return fmt.Sprintf(`{"TableName":"events","TimeToLiveSpecification":{"AttributeName":%q,"Enabled":%t}}`, name, enabled)
	}
	const v, other = "ValidationException", "TimeToLive is active on a different AttributeName: current AttributeName is dies"
	r.refuse("UpdateTimeToLive", request("dies", true), v, "TimeToLive is already enabled")
	r.refuse("UpdateTimeToLive", request("x", true), v, other)
	r.refuse("UpdateTimeToLive", request("x", false), v, other)
	r.refuse("UpdateTimeToLive", request("dies", false), v, "TimeToLive can be disabled only while the table is empty")
	if got := r.must("Scan", `{"TableName":"events"}`); !strings.Contains(got, `"Count":1`) {
		t.Errorf("the item is gone: %s", got)
	}
	r.must("UpdateTimeToLive", strings.ReplaceAll(enableTTL, "events", "notes"))
	r.must("UpdateTimeToLive", strings.ReplaceAll(request("dies", false), "events", "notes"))
	r.expect("DescribeTimeToLive", `{"TableName":"notes"}`, `{"TimeToLiveDescription":{"TimeToLiveStatus":"DISABLED"}}`)
}
