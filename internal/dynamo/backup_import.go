package dynamo

import (
	"context"

	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

var (
	importParameters = []parameter{
		jobToken,
		{name: "InputFormat", required: true, enum: []string{"ION", "CSV", "DYNAMODB_JSON"}},
		{name: "InputCompressionType", enum: []string{"ZSTD", "NONE", "GZIP"}},
		{name: "InputFormatOptions", form: objectForm},
		{name: "S3BucketSource", form: objectForm, required: true, members: []parameter{bucketName, {name: "S3KeyPrefix", max: 1024}, {name: "S3BucketOwner"}}},
		{name: "TableCreationParameters", form: objectForm, required: true, members: createTableParameters},
	}
	importOnly            = []parameter{{name: "ImportArn", required: true, min: 37, max: 1024}}
	listImportsParameters = []parameter{
		{name: "TableArn", min: 1, max: 1024}, {name: "PageSize", form: integerForm, min: 1, max: exportsMax}, {name: "NextToken"},
	}
)

// importTable makes a table of files in a bucket. Buckets hold files of all
// tables, so that this is for administrators' keys.
func importTable(ctx context.Context, c *call) error {
	if err := c.keepsBackups(); err != nil {
		return err
	}
	from := c.request.Get("S3BucketSource")
	j := c.server.newJob(backup.Import)
	j.Bucket, j.Prefix = from.Get("S3Bucket").Text(), from.Get("S3KeyPrefix").Text()
	j.Format, j.Compression, j.At = c.text("InputFormat"), c.text("InputCompressionType"), 0
	switch {
	case j.Format != "DYNAMODB_JSON":
		return invalid("InputFormat %s is not supported: use DYNAMODB_JSON", j.Format)
	case j.Compression == "ZSTD":
		return invalid("InputCompressionType ZSTD is not supported: use GZIP or NONE")
	}
	if err := checkPlace(j.Bucket, j.Prefix); err != nil {
		return err
	}
	began, err := c.begun(&j, "ImportConflictException")
	if err != nil || began {
		return err
	}
	t, err := c.importedDefinition()
	if err != nil {
		return err
	}
	t.Origin = &table.Origin{}
	j.Table, err = c.createFilled(ctx, j, t)
	if err != nil {
		return err
	}
	c.answerJob(j)
	return nil
}

// importedDefinition reads the table that is to be made.
func (c *call) importedDefinition() (table.Table, error) {
	whole := c.request
	c.request = whole.Get("TableCreationParameters")
	defer func() { c.request = whole }()
	if err := c.checkRefused(); err != nil {
		return table.Table{}, err
	}
	return c.definition()
}

func listImports(_ context.Context, c *call) error {
	page, more, err := c.listedJobs(backup.Import, "PageSize")
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"ImportSummaryList":[`...)
	for i, j := range page {
		c.out = c.appendImportState(append(comma(c.out, i), '{'), j)
		c.out = append(c.out, '}')
	}
	c.endList(page, more)
	return nil
}

// appendImportState appends what descriptions and summaries of imports have in
// common.
func (c *call) appendImportState(dst []byte, j backup.Job) []byte {
	dst = item.AppendQuoted(member(dst, "ImportArn"), c.server.jobARN(j))
	dst = item.AppendQuoted(member(dst, "ImportStatus"), jobStatus(j))
	dst = item.AppendQuoted(member(dst, "TableArn"), c.server.arn(j.Table.Name))
	dst = item.AppendQuoted(append(member(dst, "S3BucketSource"), `{"S3Bucket":`...), j.Bucket)
	dst = append(appendText(dst, "S3KeyPrefix", j.Prefix), '}')
	dst = item.AppendQuoted(member(dst, "InputFormat"), j.Format)
	dst = appendTime(dst, "StartTime", j.Began)
	return appendTime(dst, "EndTime", j.Ended)
}

// appendImport appends an ImportTableDescription.
func (c *call) appendImport(dst []byte, j backup.Job) []byte {
	dst = c.appendImportState(append(dst, '{'), j)
	dst = appendText(dst, "ClientToken", j.Token)
	if j.Table.ID != 0 {
		dst = item.AppendQuoted(member(dst, "TableId"), tableID(j.Table))
	}
	dst = appendText(dst, "InputCompressionType", j.Compression)
	dst = append(member(dst, "TableCreationParameters"), `{"TableName":`...)
	dst = item.AppendQuoted(dst, j.Table.Name)
	dst = appendDefinitions(dst, j.Table)
	dst = appendKeySchema(dst, j.Table)
	dst = append(item.AppendQuoted(member(dst, "BillingMode"), modeOf(j.Table.Settings)), '}')
	dst = appendNumber(dst, "ProcessedItemCount", j.Read)
	dst = appendNumber(dst, "ProcessedSizeBytes", j.ReadBytes)
	dst = appendNumber(dst, "ImportedItemCount", j.Items)
	dst = appendNumber(dst, "ErrorCount", j.Wrong)
	why := j.Why
	if why == "" && len(j.Errors) > 0 {
		why = "The first that could not be imported: " + j.Errors[0]
	}
	dst = appendText(dst, "FailureCode", j.Code)
	return append(appendText(dst, "FailureMessage", why), '}')
}
