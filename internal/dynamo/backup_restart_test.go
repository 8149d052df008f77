package dynamo_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/backup"
)

// backedUp answers the ARN of a new backup that is whole.
func (r *region) backedUp(name string) string {
	r.t.Helper()
	out, err := r.sdk(admin).CreateBackup(r.t.Context(), &dynamodb.CreateBackupInput{TableName: &name, BackupName: aws.String("nightly")})
	if err != nil {
		r.t.Fatal(err)
	}
	arn := *out.BackupDetails.BackupArn
	defer r.runJobs()()
	r.until("the backup", func() bool {
		return strings.Contains(r.must("DescribeBackup", `{"BackupArn":"`+arn+`"}`), `"AVAILABLE"`)
	})
	return arn
}

// shows checks that an answer has something in it.
func (r *region) shows(operation, body, want string) {
	r.t.Helper()
	if got := r.must(operation, body); !strings.Contains(got, want) {
		r.t.Errorf("%s %s\n got %s\nwant %s", operation, body, got, want)
	}
}

// B1: a restore that a stop interrupted begins again, and until it is whole nobody
// reads or writes the table; one whose job is lost is removed.
func TestB1_ARestoreGoesOnAfterAStop(t *testing.T) {
	r := newRegion(t)
	r.recoverable("notes")
	for i := range 40 {
		r.put("notes", fmt.Sprint(i), every)
	}
	arn := r.backedUp("notes")
	r.must("RestoreTableFromBackup", `{"BackupArn":"`+arn+`","TargetTableName":"again"}`)
	r.shows("DescribeTable", `{"TableName":"again"}`, `"RestoreInProgress":true`)
	r.refuse("GetItem", `{"TableName":"again","Key":{"id":{"S":"1"}}}`, "ResourceNotFoundException", "")
	r.refuse("PutItem", `{"TableName":"again","Item":{"id":{"S":"1"}}}`, "ResourceNotFoundException", "")
	r.refuse("DeleteTable", `{"TableName":"again"}`, "ResourceInUseException", "")
	r.refuse("DeleteBackup", `{"BackupArn":"`+arn+`"}`, "BackupInUseException", "")
	stop := r.runJobs()
	stop() // somewhere
	r.runJobs()
	r.active("again")
	if d := cmp.Diff(r.items("again"), r.items("notes")); d != "" {
		t.Errorf("restored (-), was (+):\n%s", d)
	}
	r.shows("DescribeTable", `{"TableName":"again"}`, `"RestoreInProgress":false`)
}

func TestB1_ATableThatNobodyFillsIsRemoved(t *testing.T) {
	r := newRegion(t)
	r.recoverable("notes")
	arn := r.backedUp("notes")
	r.must("RestoreTableFromBackup", `{"BackupArn":"`+arn+`","TargetTableName":"again"}`)
	for _, j := range r.backups.Jobs(backup.Restore) {
		if err := r.backups.Remove(j.ID); err != nil {
			t.Fatal(err)
		}
	}
	r.runJobs()
	r.until("the table to go", func() bool {
		return r.send(admin, "DescribeTable", `{"TableName":"again"}`).kind() == "ResourceNotFoundException"
	})
}

// B1: a backup with a damaged file is refused, and nothing of it is a table.
func TestB1_ADamagedBackupIsRefused(t *testing.T) {
	r := newRegion(t)
	r.recoverable("notes")
	r.put("notes", "1", every)
	arn := r.backedUp("notes")
	j := r.backups.Jobs(backup.Backup)[0]
	folder, err := r.backups.Files(j.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := folder.Write(j.Files[0].Name, []byte("something else")); err != nil {
		t.Fatal(err)
	}
	r.must("RestoreTableFromBackup", `{"BackupArn":"`+arn+`","TargetTableName":"again"}`)
	r.runJobs()
	r.until("the table to go", func() bool {
		return r.send(admin, "DescribeTable", `{"TableName":"again"}`).kind() == "ResourceNotFoundException"
	})
	failed := r.backups.Jobs(backup.Restore)[0]
	if failed.Status != backup.Failed || !strings.Contains(failed.Why, filepath.Base(j.Files[0].Name)) {
		t.Errorf("%+v", failed)
	}
}

// D1: recovery to a point in time through the API: before, between and behind
// writes, with other indexes, and what AWS refuses.
func TestD1_PointInTimeRecovery(t *testing.T) {
	r := newRegion(t)
	r.must("CreateTable", `{"TableName":"plain","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`)
	r.expect("DescribeContinuousBackups", `{"TableName":"plain"}`, `{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"DISABLED"}}}`)
	restore := func(more string) string { return `{"SourceTableName":"notes","TargetTableName":"again"` + more + `}` }
	r.refuse("RestoreTableToPointInTime", `{"SourceTableName":"plain","TargetTableName":"again","UseLatestRestorableTime":true}`, "PointInTimeRecoveryUnavailableException", "plain")
	r.refuse("RestoreTableToPointInTime", restore(`,"UseLatestRestorableTime":true`), "TableNotFoundException", "Table not found: notes")
	r.recoverable("notes")
	r.shows("DescribeContinuousBackups", `{"TableName":"notes"}`, `"PointInTimeRecoveryStatus":"ENABLED","RecoveryPeriodInDays":7`)
	r.refuse("RestoreTableToPointInTime", restore(``), "ValidationException", "UseLatestRestorableTime must be specified")
	r.refuse("RestoreTableToPointInTime", restore(`,"RestoreDateTime":1000`), "InvalidRestoreTimeException", "EarliestRestorableDateTime")
	r.refuse("RestoreTableToPointInTime", restore(`,"UseLatestRestorableTime":true,"GlobalSecondaryIndexOverride":[{"IndexName":"none"}]`), "ValidationException", "none")
	r.refuse("UpdateContinuousBackups", `{"TableName":"notes","PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":true,"RecoveryPeriodInDays":36}}`, "ValidationException", "less than or equal to 35")
	r.put("notes", "1", `,"v":{"N":"1"}`)
	r.put("notes", "2", ``)
	want := r.items("notes")
	at := r.now()
	r.until("the next millisecond", func() bool { return r.now().UnixMilli() > at.UnixMilli() })
	r.put("notes", "1", `,"v":{"N":"2"}`)
	r.put("notes", "3", ``)
	r.must("DeleteItem", `{"TableName":"notes","Key":{"id":{"S":"2"}}}`)
	r.must("RestoreTableToPointInTime", restore(fmt.Sprintf(`,"RestoreDateTime":%.3f`, float64(at.UnixMilli())/1000)))
	r.runJobs()
	r.active("again")
	if d := cmp.Diff(r.items("again"), want); d != "" {
		t.Errorf("restored (-), was then (+):\n%s", d)
	}
	r.must("RestoreTableToPointInTime", `{"SourceTableArn":"arn:aws:dynamodb:eu-west-1:000000000000:table/notes","TargetTableName":"latest","UseLatestRestorableTime":true}`)
	r.active("latest")
	if d := cmp.Diff(r.items("latest"), r.items("notes")); d != "" {
		t.Errorf("restored (-), is (+):\n%s", d)
	}
}
