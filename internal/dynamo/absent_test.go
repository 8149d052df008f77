package dynamo_test

import "testing"

// D1: what Meridian has not is described as by a table without it, and not
// taken.
func TestD1_WhatATableHasNot(t *testing.T) {
	r := newRegion(t).tables()
	arn := `{"ResourceArn":"arn:aws:dynamodb:eu-west-1:000000000000:table/notes"}`
	kinesis := `{"TableName":"notes","StreamArn":"arn:aws:kinesis:eu-west-1:000000000000:stream/x"}`
	v := "ValidationException"
	r.expect("DescribeContributorInsights", `{"TableName":"notes"}`, `{"TableName":"notes","ContributorInsightsStatus":"DISABLED"}`)
	r.expect("DescribeContributorInsights", `{"TableName":"events","IndexName":"colors"}`, `{"TableName":"events","IndexName":"colors","ContributorInsightsStatus":"DISABLED"}`)
	r.refuse("DescribeContributorInsights", `{"TableName":"events","IndexName":"none"}`, "ResourceNotFoundException", "none")
	r.expect("ListContributorInsights", `{}`, `{"ContributorInsightsSummaries":[]}`)
	r.refuse("ListContributorInsights", `{"TableName":"none"}`, "ResourceNotFoundException", "none")
	r.expect("UpdateContributorInsights", `{"TableName":"notes","ContributorInsightsAction":"DISABLE"}`, `{"TableName":"notes","ContributorInsightsStatus":"DISABLED"}`)
	r.refuse("UpdateContributorInsights", `{"TableName":"notes","ContributorInsightsAction":"ENABLE"}`, v, "not supported")
	r.expect("DescribeKinesisStreamingDestination", `{"TableName":"notes"}`, `{"TableName":"notes","KinesisDataStreamDestinations":[]}`)
	r.refuse("EnableKinesisStreamingDestination", kinesis, v, "not supported")
	r.refuse("DisableKinesisStreamingDestination", kinesis, v, "must be ACTIVE to perform DISABLE operation")
	r.refuse("UpdateKinesisStreamingDestination", kinesis, v, "must be ACTIVE")
	r.expect("DescribeTableReplicaAutoScaling", `{"TableName":"notes"}`, `{"TableAutoScalingDescription":{"TableName":"notes","TableStatus":"ACTIVE","Replicas":[{"RegionName":"eu-west-1","GlobalSecondaryIndexes":[],"ReplicaStatus":"ACTIVE"}]}}`)
	r.refuse("UpdateTableReplicaAutoScaling", `{"TableName":"notes"}`, v, "not supported")
	r.refuse("GetResourcePolicy", arn, "PolicyNotFoundException", "Resource-based policy not found for the provided ResourceArn: arn:aws:dynamodb:eu-west-1:000000000000:table/notes")
	r.expect("DeleteResourcePolicy", arn, `{}`)
	r.refuse("DeleteResourcePolicy", arn[:len(arn)-1]+`,"ExpectedRevisionId":"1"}`, "PolicyNotFoundException", "not found")
	r.refuse("PutResourcePolicy", arn, "UnknownOperationException", "")
	for _, operation := range []string{"DescribeKinesisStreamingDestination", "DescribeTableReplicaAutoScaling", "UpdateTableReplicaAutoScaling"} {
		r.refuse(operation, `{"TableName":"none"}`, "ResourceNotFoundException", "none")
	}
}
