package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/item"
)

// What Meridian has not is described as by a table that does not have it either;
// changing it is refused.

var (
	onIndex        = []parameter{tableName, indexName}
	insightsUpdate = []parameter{
		tableName, indexName,
		{name: "ContributorInsightsAction", required: true, enum: []string{"ENABLE", "DISABLE"}},
	}
	insightsList   = []parameter{{name: "TableName", min: 3, max: 255, isName: true}, {name: "NextToken"}, {name: "MaxResults", form: integerForm, max: 100}}
	kinesisUpdate  = []parameter{tableName, {name: "StreamArn", required: true, min: 37, max: 1024}}
	policyRead     = []parameter{resourceARN}
	policyDeletion = []parameter{resourceARN, {name: "ExpectedRevisionId", min: 1, max: 255}}
)

// describeContributorInsights answers that they are disabled.
func describeContributorInsights(_ context.Context, c *call) error {
	t, err := c.described()
	if err != nil {
		return err
	}
	c.out = item.AppendQuoted(append(c.out, `{"TableName":`...), t.Name)
	if name := c.text("IndexName"); name != "" {
		if _, ok := t.Index(name); !ok {
			return missing("Requested resource not found: Table: %s, Index: %s not found", t.Name, name)
		}
		c.out = item.AppendQuoted(member(c.out, "IndexName"), name)
	}
	c.out = append(c.out, `,"ContributorInsightsStatus":"DISABLED"}`...)
	return nil
}

// listContributorInsights answers that no table has any.
func listContributorInsights(_ context.Context, c *call) error {
	if c.text("TableName") != "" {
		if _, err := c.described(); err != nil {
			return err
		}
	}
	c.out = append(c.out, `{"ContributorInsightsSummaries":[]}`...)
	return nil
}

// updateContributorInsights takes what changes nothing.
func updateContributorInsights(ctx context.Context, c *call) error {
	if c.text("ContributorInsightsAction") == "DISABLE" {
		return describeContributorInsights(ctx, c)
	}
	if _, err := c.described(); err != nil {
		return err
	}
	return invalid("ContributorInsights are not supported: /metrics of the region counts a table's requests, conflicts and lag")
}

// describeKinesis answers that the table streams to nobody.
func describeKinesis(_ context.Context, c *call) error {
	t, err := c.described()
	if err != nil {
		return err
	}
	c.out = item.AppendQuoted(append(c.out, `{"TableName":`...), t.Name)
	c.out = append(c.out, `,"KinesisDataStreamDestinations":[]}`...)
	return nil
}

func enableKinesis(_ context.Context, c *call) error {
	if _, err := c.described(); err != nil {
		return err
	}
	return invalid("Kinesis streaming destinations are not supported: read the table's stream (StreamSpecification)")
}

// changeKinesis says what AWS says of a table that never had the destination.
func changeKinesis(_ context.Context, c *call) error {
	if _, err := c.described(); err != nil {
		return err
	}
	return invalid("Table is not in a valid state to enable Kinesis Streaming Destination: KinesisStreamingDestination must be ACTIVE to perform %s operation.", map[string]string{
		"DisableKinesisStreamingDestination": "DISABLE", "UpdateKinesisStreamingDestination": "UPDATE",
	}[c.operation])
}

// describeScaling answers the replicas, of which none is scaled.
func describeScaling(_ context.Context, c *call) error {
	t, err := c.described()
	if err != nil {
		return err
	}
	c.out = item.AppendQuoted(append(c.out, `{"TableAutoScalingDescription":{"TableName":`...), t.Name)
	c.out = item.AppendQuoted(member(c.out, "TableStatus"), string(c.status(t)))
	c.out = append(member(c.out, "Replicas"), '[')
	for i, r := range t.Holders() {
		c.out = item.AppendQuoted(append(comma(c.out, i), `{"RegionName":`...), r.Region)
		c.out = append(member(c.out, "GlobalSecondaryIndexes"), '[')
		for j, x := range globalIndexes(t) {
			c.out = item.AppendQuoted(append(comma(c.out, j), `{"IndexName":`...), x.Name)
			c.out = append(c.out, `,"IndexStatus":"ACTIVE"}`...)
		}
		c.out = append(c.out, ']')
		c.out = append(item.AppendQuoted(member(c.out, "ReplicaStatus"), string(c.replicaStatus(t, r, i))), '}')
	}
	c.out = append(c.out, `]}}`...)
	return nil
}

func updateScaling(_ context.Context, c *call) error {
	if _, err := c.described(); err != nil {
		return err
	}
	return noScaling()
}

// getResourcePolicy answers that the table has none.
func getResourcePolicy(_ context.Context, c *call) error {
	if _, err := c.resource(); err != nil {
		return err
	}
	return noPolicy(c.text("ResourceArn"))
}

// deleteResourcePolicy deletes none, as AWS does without complaint unless a
// certain one was meant.
func deleteResourcePolicy(_ context.Context, c *call) error {
	if _, err := c.resource(); err != nil {
		return err
	}
	if c.text("ExpectedRevisionId") != "" {
		return noPolicy(c.text("ResourceArn"))
	}
	c.out = append(c.out, `{}`...)
	return nil
}

func noPolicy(arn string) error {
	return refusal("PolicyNotFoundException", "Resource-based policy not found for the provided ResourceArn: %s", arn)
}
