package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/item"
)

// exportsMax is AWS's page of exports and imports.
const exportsMax = 25

var (
	bucketName = parameter{name: "S3Bucket", required: true, min: 1, max: 255}
	jobToken   = parameter{name: "ClientToken"}

	exportParameters = []parameter{
		{name: "TableArn", required: true, min: 1, max: 1024},
		bucketName,
		{name: "S3Prefix", max: 1024},
		{name: "S3BucketOwner"},
		{name: "S3SseAlgorithm", enum: []string{"AES256", "KMS"}},
		{name: "S3SseKmsKeyId", min: 1, max: 2048},
		{name: "ExportFormat", enum: []string{"DYNAMODB_JSON", "ION"}},
		{name: "ExportType", enum: []string{"FULL_EXPORT", "INCREMENTAL_EXPORT"}},
		{name: "ExportTime", form: integerForm},
		jobToken,
		{name: "FilterSpecification", form: objectForm},
		{name: "IncrementalExportSpecification", form: objectForm, members: []parameter{
			{name: "ExportFromTime", form: integerForm},
			{name: "ExportToTime", form: integerForm},
			{name: "ExportViewType", enum: []string{"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}},
		}},
	}
	exportOnly            = []parameter{{name: "ExportArn", required: true, min: 37, max: 1024}}
	listExportsParameters = []parameter{
		{name: "TableArn", min: 1, max: 1024}, {name: "MaxResults", form: integerForm, min: 1, max: exportsMax}, {name: "NextToken"},
	}
)

// exportTable begins an export of a table of which the changes are kept.
func exportTable(ctx context.Context, c *call) error {
	t, err := c.copiedSource(tableFrom(c.text("TableArn")))
	if err != nil {
		return err
	}
	switch {
	case c.text("ExportFormat") == "ION":
		return invalid("ExportFormat ION is not supported: use DYNAMODB_JSON")
	case c.request.Get("FilterSpecification").Exists():
		return invalid("FilterSpecification is not supported: export all of the table")
	case c.text("S3SseAlgorithm") == "KMS" || c.text("S3SseKmsKeyId") != "":
		return invalid("S3SseAlgorithm KMS is not supported: files are as safe as the disk that they are on")
	}
	j := c.server.newJob(backup.Export)
	j.Table, j.Bucket, j.Prefix = t, c.text("S3Bucket"), c.text("S3Prefix")
	if err := checkPlace(j.Bucket, j.Prefix); err != nil {
		return err
	}
	began, err := c.begun(&j, "ExportConflictException")
	if err != nil || began {
		return err
	}
	if c.text("ExportType") == "INCREMENTAL_EXPORT" {
		err = c.incremental(&j)
	} else {
		err = c.fullExport(&j)
	}
	if err != nil {
		return err
	}
	if err := c.server.config.Backups.Put(j); err != nil {
		return err
	}
	c.server.jobs.soon()
	c.answerJob(j)
	return nil
}

// fullExport reads of which moment an export is to be.
func (c *call) fullExport(j *backup.Job) error {
	if c.request.Get("IncrementalExportSpecification").Exists() {
		return invalidValues("IncrementalExportSpecification cannot be specified for a full export")
	}
	if c.request.Get("ExportTime").Exists() {
		j.At = c.millis("ExportTime")
	}
	return c.checkMoment(j.Table, j.At, "InvalidExportTimeException")
}

// incremental reads between which moments the changes are to be exported.
func (c *call) incremental(j *backup.Job) error {
	n := c.request.Get("IncrementalExportSpecification")
	if !n.Get("ExportFromTime").Exists() {
		return invalidValues("ExportFromTime must be specified for an incremental export")
	}
	j.From, j.View = millis(n.Get("ExportFromTime")), n.Get("ExportViewType").Text()
	if j.View == "" {
		j.View = "NEW_AND_OLD_IMAGES"
	}
	if to := n.Get("ExportToTime"); to.Exists() {
		j.At = millis(to)
	}
	if j.From >= j.At {
		return refusal("InvalidExportTimeException", "ExportFromTime must be before ExportToTime")
	}
	if err := c.checkMoment(j.Table, j.From, "InvalidExportTimeException"); err != nil {
		return err
	}
	return c.checkMoment(j.Table, j.At, "InvalidExportTimeException")
}

// checkPlace refuses names that lead out of a bucket.
func checkPlace(bucket, prefix string) error {
	if !isName(bucket) || strings.ContainsAny(bucket[:1]+bucket[len(bucket)-1:], "._-") {
		return invalid("1 validation error detected: Value '%s' at 's3Bucket' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z0-9A-Z]+[\\.\\-\\w]*[a-z0-9A-Z]+$", bucket)
	}
	if err := backup.CheckName(prefix); err != nil {
		return invalidValues("%s", err)
	}
	return nil
}

// begun answers with the job that an earlier request with the same token began,
// if there was one.
func (c *call) begun(j *backup.Job, conflict string) (bool, error) {
	print := sha256.Sum256(c.body)
	j.Token, j.Print = c.text("ClientToken"), hex.EncodeToString(print[:])
	if j.Token == "" {
		return false, nil
	}
	for _, earlier := range c.server.config.Backups.Jobs(j.Kind) {
		if earlier.Token != j.Token {
			continue
		}
		if earlier.Print != j.Print {
			which := ""
			if c.visible(earlier.Table.Name) { // to others the ARN would tell of it
				which = ": " + c.server.jobARN(earlier)
			}
			return false, refusal(conflict, "A request with the same ClientToken and other parameters was made before%s", which)
		}
		c.answerJob(earlier)
		return true, nil
	}
	return false, nil
}

// answerJob answers an export or import.
func (c *call) answerJob(j backup.Job) {
	if j.Kind == backup.Import {
		c.out = append(c.out, `{"ImportTableDescription":`...)
		c.out = append(c.appendImport(c.out, j), '}')
		return
	}
	c.out = append(c.out, `{"ExportDescription":`...)
	c.out = append(c.appendExport(c.out, j), '}')
}

// describeJob answers the request's export or import.
func describeJob(kind backup.Kind, parameter, missing string) func(context.Context, *call) error {
	return func(_ context.Context, c *call) error {
		if err := c.keepsBackups(); err != nil {
			return err
		}
		arn := c.text(parameter)
		j, ok, err := c.jobNamed(kind, arn)
		if err != nil {
			return err
		}
		if !ok {
			return refusal(missing, "%s not found: %s", parameter, arn)
		}
		c.answerJob(j)
		return nil
	}
}

// listedJobs are the exports or imports on the page that the request asks for,
// the newest first.
func (c *call) listedJobs(kind backup.Kind, size string) (page []backup.Job, more bool, err error) {
	if err := c.keepsBackups(); err != nil {
		return nil, false, err
	}
	name := tableFrom(c.text("TableArn"))
	all := slices.DeleteFunc(c.server.config.Backups.Jobs(kind), func(j backup.Job) bool {
		return name != "" && j.Table.Name != name || !c.visible(j.Table.Name)
	})
	slices.Reverse(all)
	if token := c.text("NextToken"); token != "" {
		i := slices.IndexFunc(all, func(j backup.Job) bool { return j.ID == token })
		all = all[i+1:]
	}
	most := exportsMax
	if n := c.request.Get(size); n.Exists() {
		most = integer(n)
	}
	return all[:min(most, len(all))], len(all) > most, nil
}

func listExports(_ context.Context, c *call) error {
	page, more, err := c.listedJobs(backup.Export, "MaxResults")
	if err != nil {
		return err
	}
	c.out = append(c.out, `{"ExportSummaries":[`...)
	for i, j := range page {
		c.out = item.AppendQuoted(append(comma(c.out, i), `{"ExportArn":`...), c.server.jobARN(j))
		c.out = item.AppendQuoted(member(c.out, "ExportStatus"), jobStatus(j))
		c.out = append(item.AppendQuoted(member(c.out, "ExportType"), exportType(j)), '}')
	}
	c.endList(page, more)
	return nil
}

// endList ends an answer that is a page of jobs.
func (c *call) endList(page []backup.Job, more bool) {
	c.out = append(c.out, ']')
	if more {
		c.out = item.AppendQuoted(member(c.out, "NextToken"), page[len(page)-1].ID)
	}
	c.out = append(c.out, '}')
}

func jobStatus(j backup.Job) string {
	switch j.Status {
	case backup.Done:
		return "COMPLETED"
	case backup.Failed:
		return "FAILED"
	}
	return "IN_PROGRESS"
}

// appendExport appends an ExportDescription.
func (c *call) appendExport(dst []byte, j backup.Job) []byte {
	dst = item.AppendQuoted(append(dst, `{"ExportArn":`...), c.server.jobARN(j))
	dst = item.AppendQuoted(member(dst, "ExportStatus"), jobStatus(j))
	dst = appendTime(dst, "StartTime", j.Began)
	dst = appendTime(dst, "EndTime", j.Ended)
	dst = appendText(dst, "ExportManifest", j.Manifest)
	dst = item.AppendQuoted(member(dst, "TableArn"), c.server.arn(j.Table.Name))
	dst = item.AppendQuoted(member(dst, "TableId"), tableID(j.Table))
	dst = appendText(dst, "ClientToken", j.Token)
	dst = item.AppendQuoted(member(dst, "S3Bucket"), j.Bucket)
	dst = appendText(dst, "S3Prefix", j.Prefix)
	dst = appendText(dst, "FailureCode", j.Code)
	dst = appendText(dst, "FailureMessage", j.Why)
	dst = append(member(dst, "ExportFormat"), `"DYNAMODB_JSON"`...)
	dst = item.AppendQuoted(member(dst, "ExportType"), exportType(j))
	if j.From != 0 {
		dst = append(member(dst, "IncrementalExportSpecification"), '{')
		dst = appendTime(appendTime(dst, "ExportFromTime", j.From), "ExportToTime", j.At)
		dst = append(item.AppendQuoted(member(dst, "ExportViewType"), j.View), '}')
	} else {
		dst = appendTime(dst, "ExportTime", j.At)
	}
	dst = appendNumber(dst, "BilledSizeBytes", j.Bytes)
	return append(appendNumber(dst, "ItemCount", j.Items), '}')
}
