package dynamo_test

import (
	"strings"
	"testing"

	"github.com/meridian-run/meridian/internal/access"
)

// grant puts a program's key into the ring.
func (r *region) grant(grants ...access.Grant) access.Key {
	key := access.Key{ID: "AKIDPROGRAM", Secret: "program secret", Kind: access.Program, Name: "batch", Grants: grants}
	r.keys.Replace([]access.Key{admin, function, key})
	return key
}

// try says whether the request was refused for want of rights.
func (r *region) try(key access.Key, operation, body string) bool {
	r.t.Helper()
	a := r.send(key, operation, body)
	if a.kind() == "AccessDeniedException" {
		want := "User: arn:aws:iam::000000000000:user/" + key.Name + " is not authorized to perform: dynamodb:" + operation + " on resource: arn:aws:dynamodb:eu-west-1:000000000000:table/"
		if a.status != 400 || !strings.HasPrefix(a.message(), want) {
			r.t.Errorf("%s %s is refused with\n%d %s\nwant %s", operation, body, a.status, a.body, want)
		}
		return false
	}
	if a.status == 200 && strings.Contains(a.body, `"Code":"AccessDenied"`) { // one of several statements
		return false
	}
	if a.status >= 500 {
		r.t.Errorf("%s %s: %d %s", operation, body, a.status, a.body)
	}
	return true
}

const anyKeys = `"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`

// onItems are requests on one item of "events", and what they need.
var onItems = []struct {
	operation, body string
	action          access.Action
}{
	{"GetItem", `{"TableName":"events","Key":{"pk":{"S":"$"},"sk":{"N":"1"}}}`, access.Read},
	{"BatchGetItem", `{"RequestItems":{"events":{"Keys":[{"pk":{"S":"$"},"sk":{"N":"1"}}]}}}`, access.Read},
	{"Query", `{"TableName":"events","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"$"}}}`, access.Read},
	{"PutItem", `{"TableName":"events","Item":{"pk":{"S":"$"},"sk":{"N":"1"},"color":{"S":"red"},"weight":{"N":"1"}}}`, access.Write},
	{"UpdateItem", `{"TableName":"events","Key":{"pk":{"S":"$"},"sk":{"N":"1"}},"UpdateExpression":"SET x = :x","ExpressionAttributeValues":{":x":{"N":"1"}}}`, access.Write},
	{"DeleteItem", `{"TableName":"events","Key":{"pk":{"S":"$"},"sk":{"N":"1"}}}`, access.Write},
	{"BatchWriteItem", `{"RequestItems":{"events":[{"PutRequest":{"Item":{"pk":{"S":"$"},"sk":{"N":"1"}}}}]}}`, access.Write},
	{"BatchWriteItem", `{"RequestItems":{"events":[{"DeleteRequest":{"Key":{"pk":{"S":"$"},"sk":{"N":"1"}}}}]}}`, access.Write},
	{"ExecuteStatement", `{"Statement":"SELECT * FROM events WHERE pk = '$' AND sk = 1"}`, access.Read},
	{"ExecuteStatement", `{"Statement":"SELECT * FROM events WHERE pk IN ['$', 'user-1/b']"}`, access.Read},
	{"ExecuteStatement", `{"Statement":"INSERT INTO events VALUE {'pk': '$', 'sk': 1}"}`, access.Write},
	{"ExecuteStatement", `{"Statement":"UPDATE events SET x = 1 WHERE pk = '$' AND sk = 1"}`, access.Write},
	{"ExecuteStatement", `{"Statement":"DELETE FROM events WHERE pk = '$' AND sk = 1"}`, access.Write},
	{"BatchExecuteStatement", `{"Statements":[{"Statement":"SELECT * FROM events WHERE pk = '$' AND sk = 1"}]}`, access.Read},
	{"BatchExecuteStatement", `{"Statements":[{"Statement":"DELETE FROM events WHERE pk = '$' AND sk = 1"}]}`, access.Write},
	{"ExecuteTransaction", `{"TransactStatements":[{"Statement":"SELECT * FROM events WHERE pk = '$' AND sk = 1"}]}`, access.Read},
	{"ExecuteTransaction", `{"TransactStatements":[{"Statement":"DELETE FROM events WHERE pk = '$' AND sk = 1"}]}`, access.Write},
	{"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"events","Key":{"pk":{"S":"$"},"sk":{"N":"1"}}}}]}`, access.Read},
	{"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"events","Item":{"pk":{"S":"$"},"sk":{"N":"1"}}}}]}`, access.Write},
	{"TransactWriteItems", `{"TransactItems":[{"Update":{"TableName":"events","Key":{"pk":{"S":"$"},"sk":{"N":"1"}},"UpdateExpression":"REMOVE x"}}]}`, access.Write},
	{"TransactWriteItems", `{"TransactItems":[{"Delete":{"TableName":"events","Key":{"pk":{"S":"$"},"sk":{"N":"1"}}}}]}`, access.Write},
	{"TransactWriteItems", `{"TransactItems":[{"ConditionCheck":{"TableName":"events","Key":{"pk":{"S":"$"},"sk":{"N":"1"}},"ConditionExpression":"attribute_not_exists(nothing)"}}]}`, access.Write},
}

func TestD1_KeysDoWhatTheirGrantsSayOnly(t *testing.T) {
	r := newRegion(t).tables()
	events := []string{"eve*"}
	for _, c := range []struct {
		name      string
		grants    []access.Grant
		own, not  map[access.Action]bool // of items under user-1/, and of others
		wholeRead bool
	}{
		{"nothing", nil, nil, nil, false},
		{"another table", []access.Grant{{Tables: []string{"notes"}, Actions: []access.Action{access.Read, access.Write, access.Manage}}}, nil, nil, false},
		{"read", []access.Grant{{Tables: events, Actions: []access.Action{access.Read}}}, map[access.Action]bool{access.Read: true}, map[access.Action]bool{access.Read: true}, true},
		{"write", []access.Grant{{Tables: events, Actions: []access.Action{access.Write}}}, map[access.Action]bool{access.Write: true}, map[access.Action]bool{access.Write: true}, false},
		{"a prefix", []access.Grant{{Tables: events, Actions: []access.Action{access.Read, access.Write}, Prefix: "user-1/"}}, map[access.Action]bool{access.Read: true, access.Write: true}, nil, false},
		{
			"read all, write a prefix",
			[]access.Grant{{Tables: events, Actions: []access.Action{access.Read}}, {Tables: events, Actions: []access.Action{access.Write}, Prefix: "user-1/"}},
			map[access.Action]bool{access.Read: true, access.Write: true},
			map[access.Action]bool{access.Read: true},
			true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := r.grant(c.grants...)
			for _, q := range onItems {
				if r.send(admin, q.operation, q.body).kind() == "UnknownOperationException" {
					continue // then nobody may use it
				}
				if got := r.try(key, q.operation, strings.ReplaceAll(q.body, "$", "user-1/a")); got != c.own[q.action] {
					t.Errorf("%s under the prefix: %t", q.operation, got)
				}
				if got := r.try(key, q.operation, strings.ReplaceAll(q.body, "$", "user-2/a")); got != c.not[q.action] {
					t.Errorf("%s elsewhere: %t", q.operation, got)
				}
			}
			whole := map[string]string{
				"Scan":             `{"TableName":"events"}`,
				"ExecuteStatement": `{"Statement":"SELECT * FROM events"}`,
				"Query":            `{"TableName":"events","IndexName":"colors","KeyConditionExpression":"color = :c","ExpressionAttributeValues":{":c":{"S":"user-1/a"}}}`,
			}
			for operation, body := range whole {
				if got := r.try(key, operation, body); got != c.wholeRead {
					t.Errorf("%s of all: %t", operation, got)
				}
			}
			if r.try(key, "DeleteTable", `{"TableName":"events"}`) || r.try(key, "CreateTable", `{"TableName":"eventful",`+anyKeys) {
				t.Error("may manage tables")
			}
			if a := r.send(key, "ListTables", `{}`); strings.Contains(a.body, "events") != (c.own != nil) {
				t.Errorf("lists %s", a.body)
			}
			if got := r.try(key, "DescribeTable", `{"TableName":"events"}`); got != (c.own != nil) {
				t.Errorf("DescribeTable: %t", got)
			}
		})
	}
}

func TestD1_AKeyManagesTablesOfItsPattern(t *testing.T) {
	r := newRegion(t)
	key := r.grant(access.Grant{Tables: []string{"own-*"}, Actions: []access.Action{access.Manage}})
	if a := r.send(key, "CreateTable", `{"TableName":"own-notes",`+anyKeys); a.status != 200 {
		t.Fatalf("CreateTable: %d %s", a.status, a.body)
	}
	if r.try(key, "CreateTable", `{"TableName":"notes",`+anyKeys) || r.try(key, "GetItem", `{"TableName":"own-notes","Key":{"pk":{"S":"a"}}}`) {
		t.Error("does more than its grant says")
	}
	if a := r.send(key, "DeleteTable", `{"TableName":"own-notes"}`); a.status != 200 {
		t.Errorf("DeleteTable: %d %s", a.status, a.body)
	}
}

// A prefix is of strings: the bytes in which numbers are stored do not count.
func TestD1_APrefixOpensNoTableWithOtherKeys(t *testing.T) {
	r := newRegion(t)
	r.must("CreateTable", `{"TableName":"numbers","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"N"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`)
	key := r.grant(access.Grant{Tables: []string{"*"}, Actions: []access.Action{access.Read}, Prefix: "\x03"})
	if r.try(key, "GetItem", `{"TableName":"numbers","Key":{"pk":{"N":"1"}}}`) {
		t.Error("the bytes of a number were taken for a string")
	}
}

// A local index has the table's partitions, so that a prefix says what is in it.
func TestD1_APrefixHoldsForLocalIndexes(t *testing.T) {
	r := newRegion(t)
	r.must("CreateTable", `{"TableName":"local","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"},{"AttributeName":"at","AttributeType":"S"}],
		"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],
		"LocalSecondaryIndexes":[{"IndexName":"by-at","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}}],
		"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"}}`)
	key := r.grant(access.Grant{Tables: []string{"local"}, Actions: []access.Action{access.Read}, Prefix: "user-1/"})
	query := func(pk string) string {
		return `{"TableName":"local","IndexName":"by-at","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"` + pk + `"}}}`
	}
	if !r.try(key, "Query", query("user-1/a")) || r.try(key, "Query", query("user-2/a")) {
		t.Error("the prefix does not hold for the local index")
	}
	if a := r.send(key, "DynamoDBStreams_20120810.ListStreams", `{"TableName":"local"}`); strings.Contains(a.body, "arn:") {
		t.Errorf("a key with a prefix sees the stream of all items: %s", a.body)
	}
}

// What takes the region's disk is not for who may only read: a backup or an export
// wants the right to manage the table and to read all of it.
func TestD1_BackupsAreForKeysThatManage(t *testing.T) {
	r := newRegion(t)
	r.recoverable("notes")
	calls := map[string]string{
		"CreateBackup":             `{"TableName":"notes","BackupName":"nightly"}`,
		"ExportTableToPointInTime": `{"TableArn":"arn:aws:dynamodb:eu-west-1:000000000000:table/notes","S3Bucket":"files"}`,
	}
	for _, c := range []struct {
		name   string
		grants []access.Grant
		want   bool
	}{
		{"read", []access.Grant{{Tables: []string{"notes"}, Actions: []access.Action{access.Read, access.Write}}}, false},
		{"manage", []access.Grant{{Tables: []string{"notes"}, Actions: []access.Action{access.Manage}}}, false},
		{"manage, read of a prefix", []access.Grant{
			{Tables: []string{"notes"}, Actions: []access.Action{access.Manage}},
			{Tables: []string{"notes"}, Actions: []access.Action{access.Read}, Prefix: "user-1/"},
		}, false},
		{"manage and read", []access.Grant{{Tables: []string{"notes"}, Actions: []access.Action{access.Read, access.Manage}}}, true},
	} {
		key := r.grant(c.grants...)
		for operation, body := range calls {
			if got := r.try(key, operation, body); got != c.want {
				t.Errorf("%s with the right to %s: %t", operation, c.name, got)
			}
		}
	}
	for operation, body := range calls {
		if a := r.send(function, operation, body); a.kind() != "AccessDeniedException" {
			t.Errorf("%s by a function: %d %s", operation, a.status, a.body)
		}
	}
}
