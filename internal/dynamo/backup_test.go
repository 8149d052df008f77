package dynamo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/access"
)

// runJobs does the region's jobs until the test ends, or stop is called.
func (r *region) runJobs() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.handler.RunJobs(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	}
	r.t.Cleanup(stop)
	return stop
}

// until waits for something that a job does.
func (r *region) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("waited in vain for " + what)
		}
	}
}

// active waits until a table is.
func (r *region) active(name string) {
	r.t.Helper()
	r.until(name+" to be active", func() bool {
		return strings.Contains(r.send(admin, "DescribeTable", `{"TableName":"`+name+`"}`).body, `"TableStatus":"ACTIVE"`)
	})
}

// recoverable makes a table with point-in-time recovery that has begun.
func (r *region) recoverable(name string) {
	r.t.Helper()
	r.must("CreateTable", `{"TableName":"`+name+`","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`)
	r.must("UpdateContinuousBackups", `{"TableName":"`+name+`","PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":true,"RecoveryPeriodInDays":7}}`)
	if _, err := r.store.Collect(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// items are the items of a table as the wire has them, by id.
func (r *region) items(name string) map[string]string {
	r.t.Helper()
	all := map[string]string{}
	var answer struct{ Items []map[string]json.RawMessage }
	if err := json.Unmarshal([]byte(r.must("Scan", `{"TableName":"`+name+`"}`)), &answer); err != nil {
		r.t.Fatal(err)
	}
	for _, it := range answer.Items {
		raw, err := json.Marshal(it)
		if err != nil {
			r.t.Fatal(err)
		}
		all[string(it["id"])] = string(raw)
	}
	return all
}

func (r *region) put(table, id, rest string) {
	r.t.Helper()
	r.must("PutItem", `{"TableName":"`+table+`","Item":{"id":{"S":"`+id+`"}`+rest+`}}`)
}

// every has each type of value.
const every = `,"n":{"N":"-12345678901234567890.123456789"},"b":{"B":"AAEC/w=="},"t":{"BOOL":true},"z":{"NULL":true},"e":{"S":""},
	"l":{"L":[{"S":"x\"y\u00e9\n"},{"N":"1E-130"}]},"m":{"M":{"k":{"L":[]},"o":{"M":{}}}},"ss":{"SS":["a","b"]},"ns":{"NS":["1","2.5"]},"bs":{"BS":["AQ==","Ag=="]}`

// B1: a table that is restored from a backup is the table at the moment of the
// backup, whatever is written meanwhile.
func TestB1_ABackupIsOneMoment(t *testing.T) {
	r := newRegion(t)
	r.recoverable("notes")
	for i := range 50 {
		r.put("notes", fmt.Sprint(i), every)
	}
	writing, stopped := make(chan struct{}), make(chan struct{})
	go func() { // each pair is one transaction, and all have one number
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-writing:
				return
			default:
			}
			r.send(admin, "TransactWriteItems", fmt.Sprintf(`{"TransactItems":[{"Put":{"TableName":"notes","Item":{"id":{"S":"left"},"v":{"N":"%[1]d"}}}},{"Put":{"TableName":"notes","Item":{"id":{"S":"right"},"v":{"N":"%[1]d"}}}}]}`, n))
		}
	}()
	r.put("notes", "last", "")
	client := r.sdk(admin)
	made, err := client.CreateBackup(t.Context(), &dynamodb.CreateBackupInput{TableName: aws.String("notes"), BackupName: aws.String("nightly")})
	if err != nil {
		t.Fatal(err)
	}
	r.put("notes", "later", "")
	r.must("DeleteItem", `{"TableName":"notes","Key":{"id":{"S":"0"}}}`)
	r.runJobs()
	r.until("the backup", func() bool {
		d, err := client.DescribeBackup(t.Context(), &dynamodb.DescribeBackupInput{BackupArn: made.BackupDetails.BackupArn})
		return err == nil && d.BackupDescription.BackupDetails.BackupStatus == types.BackupStatusAvailable
	})
	restored, err := client.RestoreTableFromBackup(t.Context(), &dynamodb.RestoreTableFromBackupInput{BackupArn: made.BackupDetails.BackupArn, TargetTableName: aws.String("again")})
	if err != nil {
		t.Fatal(err)
	}
	if d := restored.TableDescription; d.TableStatus != types.TableStatusCreating || !*d.RestoreSummary.RestoreInProgress {
		t.Errorf("status %s, %+v", d.TableStatus, d.RestoreSummary)
	}
	r.active("again")
	close(writing)
	<-stopped
	got := r.items("again")
	for _, id := range []string{`{"S":"0"}`, `{"S":"49"}`, `{"S":"last"}`} {
		if got[id] == "" {
			t.Errorf("%s is missing", id)
		}
	}
	if got[`{"S":"later"}`] != "" {
		t.Error("an item of after the moment")
	}
	if l, right := got[`{"S":"left"}`], got[`{"S":"right"}`]; strings.ReplaceAll(l, "left", "") != strings.ReplaceAll(right, "right", "") {
		t.Errorf("half a transaction: %s, %s", l, right)
	}
	if whole := r.items("notes"); got[`{"S":"49"}`] != whole[`{"S":"49"}`] {
		t.Errorf("got %s, want %s", got[`{"S":"49"}`], whole[`{"S":"49"}`])
	}
	r.refuse("RestoreTableFromBackup", `{"BackupArn":"`+*made.BackupDetails.BackupArn+`","TargetTableName":"again"}`, "TableAlreadyExistsException", "again")
	list, err := client.ListBackups(t.Context(), &dynamodb.ListBackupsInput{TableName: aws.String("notes")})
	if err != nil || len(list.BackupSummaries) != 1 || *list.BackupSummaries[0].BackupName != "nightly" {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := client.DeleteBackup(t.Context(), &dynamodb.DeleteBackupInput{BackupArn: made.BackupDetails.BackupArn}); err != nil {
		t.Error(err)
	}
	r.refuse("DescribeBackup", `{"BackupArn":"`+*made.BackupDetails.BackupArn+`"}`, "BackupNotFoundException", "Backup not found")
}

// D1: what is exported and imported again is equal, item by item, for all types.
func TestD1_ExportAndImport(t *testing.T) {
	r := newRegion(t)
	r.recoverable("notes")
	for i := range 30 {
		r.put("notes", fmt.Sprint(i), every)
	}
	want := r.items("notes")
	client := r.sdk(admin)
	out, err := client.ExportTableToPointInTime(t.Context(), &dynamodb.ExportTableToPointInTimeInput{TableArn: aws.String("arn:aws:dynamodb:eu-west-1:000000000000:table/notes"), S3Bucket: aws.String("lake"), S3Prefix: aws.String("a/b")})
	if err != nil {
		t.Fatal(err)
	}
	arn := out.ExportDescription.ExportArn
	r.runJobs()
	var done *types.ExportDescription
	r.until("the export", func() bool {
		d, err := client.DescribeExport(t.Context(), &dynamodb.DescribeExportInput{ExportArn: arn})
		if err != nil {
			t.Fatal(err)
		}
		done = d.ExportDescription
		return done.ExportStatus != types.ExportStatusInProgress
	})
	if done.ExportStatus != types.ExportStatusCompleted || *done.ItemCount != 30 {
		t.Fatalf("%+v: %v", done, aws.ToString(done.FailureMessage))
	}
	dir := strings.TrimSuffix(*done.ExportManifest, "manifest-summary.json")
	for i, prefix := range []string{dir, dir + "data/"} {
		name := fmt.Sprint("imported", i)
		if d := r.imported(name, prefix, "GZIP"); d.ImportStatus != types.ImportStatusCompleted || d.ImportedItemCount != 30 || d.ErrorCount != 0 {
			t.Fatalf("%+v: %v", d, aws.ToString(d.FailureMessage))
		}
		if d := cmp.Diff(r.items(name), want); d != "" {
			t.Errorf("imported (-), was (+):\n%s", d)
		}
	}
	r.damaged(dir)
}

// damaged checks that an export with a damaged file is refused, and named.
func (r *region) damaged(dir string) {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.backups.Buckets(), "lake", dir, "data", "*.gz"))
	if err != nil || len(files) != 1 {
		r.t.Fatal(files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		r.t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(files[0], raw, 0o600); err != nil {
		r.t.Fatal(err)
	}
	d := r.imported("damaged", dir, "GZIP")
	if d.ImportStatus != types.ImportStatusFailed || !strings.Contains(*d.FailureMessage, filepath.Base(files[0])) {
		r.t.Errorf("%+v", d)
	}
	r.until("the half table to go", func() bool {
		return r.send(admin, "DescribeTable", `{"TableName":"damaged"}`).kind() == "ResourceNotFoundException"
	})
}

// imported imports files, and answers what came of it.
func (r *region) imported(name, prefix string, compression types.InputCompressionType) *types.ImportTableDescription {
	r.t.Helper()
	client := r.sdk(admin)
	in, err := client.ImportTable(r.t.Context(), &dynamodb.ImportTableInput{
		InputFormat: types.InputFormatDynamodbJson, InputCompressionType: compression,
		S3BucketSource: &types.S3BucketSource{S3Bucket: aws.String("lake"), S3KeyPrefix: &prefix},
		TableCreationParameters: &types.TableCreationParameters{
			TableName: &name, BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	d := in.ImportTableDescription
	r.until("the import", func() bool {
		out, err := client.DescribeImport(r.t.Context(), &dynamodb.DescribeImportInput{ImportArn: d.ImportArn})
		if err != nil {
			r.t.Fatal(err)
		}
		d = out.ImportTableDescription
		return d.ImportStatus != types.ImportStatusInProgress
	})
	return d
}

// D1: lines that are no items are counted with where they are, and the others
// imported.
func TestD1_ImportCountsWhatIsWrong(t *testing.T) {
	r := newRegion(t)
	dir := filepath.Join(r.backups.Buckets(), "lake", "in")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	lines := []string{`{"Item":{"id":{"S":"a"}}}`, `no json`, ``, `{"Item":{"id":{"N":"1"}}}`, `{"id":{"S":"b"}}`, `{"Item":{"id":{"S":"c"},"x":{"N":"1x"}}}`, `{"Item":{"id":{"S":"d"}}}`, `{"Item":{"id":{"S":"a"},"v":{"N":"2"}}}`}
	if err := os.WriteFile(filepath.Join(dir, "f.json"), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	r.runJobs()
	d := r.imported("lines", "in/", types.InputCompressionTypeNone)
	if d.ImportStatus != types.ImportStatusCompleted || d.ErrorCount != 4 || d.ProcessedItemCount != 7 || d.ImportedItemCount != 3 || !strings.Contains(*d.FailureMessage, "in/f.json, line 2") {
		t.Errorf("%+v, %s", d, aws.ToString(d.FailureMessage))
	}
	if got := r.items("lines"); len(got) != 2 || !strings.Contains(got[`{"S":"a"}`], `"2"`) {
		t.Errorf("got %v", got)
	}
	if d := r.imported("nothing", "absent/", types.InputCompressionTypeNone); d.ImportStatus != types.ImportStatusFailed {
		t.Errorf("%+v", d)
	}
	for _, bucket := range []string{"..", ".", "a/b", "../lake", ""} {
		r.refuse("ImportTable", `{"InputFormat":"DYNAMODB_JSON","S3BucketSource":{"S3Bucket":"`+bucket+`"},"TableCreationParameters":{"TableName":"out","AttributeDefinitions":[],"KeySchema":[]}}`, "ValidationException", "")
	}
	r.recoverable("notes")
	for _, prefix := range []string{"..", "a/../../b", "./x", `a\\b`} {
		r.refuse("ExportTableToPointInTime", `{"TableArn":"arn:aws:dynamodb:eu-west-1:000000000000:table/notes","S3Bucket":"lake","S3Prefix":"`+prefix+`"}`, "ValidationException", "no name of a file")
	}
}

// D1: a token that is in use tells of its job only to those who may know the
// table; names of buckets are AWS's.
func TestD1_TokensAndBucketsOfExports(t *testing.T) {
	r := newRegion(t)
	r.recoverable("notes")
	r.recoverable("events")
	request := `{"TableArn":"arn:aws:dynamodb:eu-west-1:000000000000:table/notes","S3Bucket":"lake","ClientToken":"one"}`
	r.must("ExportTableToPointInTime", request)
	other := strings.Replace(request, "table/notes", "table/events", 1)
	stranger := r.grant(access.Grant{Tables: []string{"events"}, Actions: []access.Action{access.Read, access.Manage}})
	for who, key := range map[string]access.Key{"administrator": admin, "stranger": stranger} {
		got := r.send(key, "ExportTableToPointInTime", other)
		if tells := strings.Contains(got.body, "table/notes"); got.kind() != "ExportConflictException" || tells != (who == "administrator") {
			t.Errorf("the %s is told %s", who, got.body)
		}
	}
	for _, bucket := range []string{"-a", "a-", ".a", "a.", "_"} {
		r.refuse("ExportTableToPointInTime", strings.Replace(strings.Replace(request, "lake", bucket, 1), "one", bucket, 1), "ValidationException", "s3Bucket")
	}
}

// D1: an export of changes has each item that changed once, as it was and as it
// became, in AWS's form.
func TestD1_IncrementalExport(t *testing.T) {
	r := newRegion(t)
	r.recoverable("notes")
	r.put("notes", "a", `,"v":{"N":"1"}`)
	from := r.now().UnixMilli()
	r.until("the next millisecond", func() bool { return r.now().UnixMilli() > from })
	r.put("notes", "a", `,"v":{"N":"2"}`)
	r.put("notes", "a", `,"v":{"N":"3"}`)
	request := fmt.Sprintf(`{"TableArn":"arn:aws:dynamodb:eu-west-1:000000000000:table/notes","S3Bucket":"lake","ClientToken":"one","ExportType":"INCREMENTAL_EXPORT","IncrementalExportSpecification":{"ExportFromTime":%.3f}}`, float64(from)/1000)
	first := r.must("ExportTableToPointInTime", request)
	if again := r.must("ExportTableToPointInTime", request); again != first {
		t.Errorf("the same token answers %s, before %s", again, first)
	}
	r.refuse("ExportTableToPointInTime", strings.Replace(request, "lake", "sea", 1), "ExportConflictException", "ClientToken")
	r.refuse("ExportTableToPointInTime", strings.Replace(request, `"one"`, `"two"`, 1)[:len(request)-2]+`,"ExportToTime":1}}`, "InvalidExportTimeException", "before ExportToTime")
	r.runJobs()
	r.until("the export", func() bool {
		return strings.Contains(r.must("ListExports", `{}`), `"COMPLETED"`)
	})
	lake, err := r.backups.Bucket("lake", false)
	if err != nil {
		t.Fatal(err)
	}
	defer lake.Close()
	inputs, err := lake.Inputs("")
	if err != nil || len(inputs) != 1 {
		t.Fatalf("%v, %v", inputs, err)
	}
	var lines []string
	if err := lake.Lines(inputs[0].Name, true, func(_ int64, line []byte) error {
		lines = append(lines, string(line))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	const want = `,"Keys":{"id":{"S":"a"}},"OldImage":{"id":{"S":"a"},"v":{"N":"1"}},"NewImage":{"id":{"S":"a"},"v":{"N":"3"}}}`
	if len(lines) != 1 || !strings.HasPrefix(lines[0], `{"Metadata":{"WriteTimestampMicros":{"N":"`) || !strings.HasSuffix(lines[0], want) {
		t.Errorf("got %s", lines)
	}
}

// D1: backups and exports of a table are for keys that may manage it and read all
// of it, and restoring for those that may make the new one; imports are for
// administrators.
func TestD1_RightsOnBackups(t *testing.T) {
	r := newRegion(t)
	r.recoverable("notes")
	arn := r.backedUp("notes")
	on := func(table, prefix string, actions ...access.Action) access.Grant {
		return access.Grant{Tables: []string{table}, Actions: actions, Prefix: prefix}
	}
	keys := map[string][]access.Grant{
		"reader": {on("notes", "", access.Read)},
		"prefix": {on("notes", "a", access.Read)},
		"maker":  {on("notes", "", access.Read), on("new", "", access.Manage)},
		"keeper": {on("notes", "", access.Read, access.Manage)},
		"blind":  {on("notes", "", access.Manage)},
		"other":  {on("new", "", access.Read, access.Write, access.Manage)},
	}
	for _, q := range []struct {
		operation, body string
		may             string
	}{
		{"CreateBackup", `{"TableName":"notes","BackupName":"one"}`, "keeper"},
		{"DescribeBackup", `{"BackupArn":"` + arn + `"}`, "reader prefix maker keeper blind"},
		{"DeleteBackup", `{"BackupArn":"` + arn + `-none"}`, "keeper blind"},
		{"ExportTableToPointInTime", `{"TableArn":"arn:aws:dynamodb:eu-west-1:000000000000:table/notes","S3Bucket":"lake"}`, "keeper"},
		{"UpdateContinuousBackups", `{"TableName":"notes","PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":false}}`, "keeper blind"},
		{"RestoreTableToPointInTime", `{"SourceTableName":"notes","TargetTableName":"new","RestoreDateTime":1}`, "maker"},
		{"RestoreTableFromBackup", `{"BackupArn":"` + arn + `","TargetTableName":"new"}`, "maker"},
		{"ImportTable", `{"InputFormat":"DYNAMODB_JSON","S3BucketSource":{"S3Bucket":"lake"},"TableCreationParameters":{"TableName":"new","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}}`, ""},
	} {
		for name, grants := range keys {
			got := r.send(r.grant(grants...), q.operation, q.body).kind() != "AccessDeniedException"
			if want := slices.Contains(strings.Fields(q.may), name); got != want {
				t.Errorf("%s by %s: allowed %v, want %v", q.operation, name, got, want)
			}
		}
	}
}
