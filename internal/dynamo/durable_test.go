package dynamo_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// held is a region whose writes become durable only when the test says so.
type held struct {
	t       *testing.T
	engine  *memkv.Engine
	handler *dynamo.Server
}

func newHeld(t *testing.T) *held {
	engine := memkv.New(memkv.Config{Hold: true})
	opened := make(chan *store.Store)
	go func() {
		s, err := store.Open(t.Context(), store.Config{Engine: engine, World: "test", RegionName: "eu-west-1", Region: 1, Observers: []store.Observer{dynamo.IndexObserver{}}})
		if err != nil {
			t.Error(err)
		}
		opened <- s
	}()
	for {
		synctest.Wait()
		engine.Sync()
		select {
		case s := <-opened:
			c := &catalog{store: s}
			if _, err := c.CreateTable(t.Context(), table.Table{
				Name: "notes", Key: table.Attribute{Name: "pk", Type: "S"}, Replicas: []table.Replica{{Region: "eu-west-1", ID: 1}},
				Indexes: []table.Index{{Name: "all", Key: table.Attribute{Name: "color", Type: "S"}, Projection: "ALL"}},
			}); err != nil {
				t.Fatal(err)
			}
			return &held{t, engine, dynamo.New(dynamo.Config{Store: s, Catalog: c, Keys: access.NewKeyring(admin), Region: "eu-west-1"})}
		default:
		}
	}
}

// ask sends a request and answers where its answer will come.
func (h *held) ask(operation, body string) <-chan string {
	h.t.Helper()
	req := httptest.NewRequest("POST", "/", strings.NewReader(body))
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	hash := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: admin.ID, SecretAccessKey: admin.Secret}, req, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", time.Now()); err != nil {
		h.t.Fatal(err)
	}
	answer := make(chan string, 1)
	go func() {
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, req)
		answer <- w.Body.String()
	}()
	return answer
}

// DATA 3: no answer that a crash could make untrue: not of the write, not of a
// read that saw it, not of a condition that failed on it.
func TestAnswersWaitUntilWhatTheyRevealIsDurable(t *testing.T) {
	put := `{"TableName":"notes","Item":{"pk":{"S":"a"},"color":{"S":"red"}},"ConditionExpression":"attribute_not_exists(pk)"}`
	for _, c := range []struct{ operation, body, want string }{
		{"GetItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}}}`, `"Item"`},
		{"BatchGetItem", `{"RequestItems":{"notes":{"Keys":[{"pk":{"S":"a"}}]}}}`, `"color"`},
		{"Query", `{"TableName":"notes","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"a"}}}`, `"Count":1`},
		{"Query", `{"TableName":"notes","IndexName":"all","KeyConditionExpression":"color = :c","ExpressionAttributeValues":{":c":{"S":"red"}}}`, `"Count":1`},
		{"Scan", `{"TableName":"notes"}`, `"Count":1`},
		{"PutItem", put, "ConditionalCheckFailed"},
		{"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"notes","Key":{"pk":{"S":"a"}}}}]}`, `"Item"`},
		{"TransactWriteItems", `{"TransactItems":[{"ConditionCheck":{"TableName":"notes","Key":{"pk":{"S":"a"}},"ConditionExpression":"attribute_not_exists(pk)"}}]}`, "[ConditionalCheckFailed]"},
		{"UpdateItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}},"UpdateExpression":"SET x = y"}`, "does not exist in the item"},
	} {
		t.Run(c.operation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHeld(t)
				write := h.ask("PutItem", put)
				synctest.Wait() // visible now, not durable
				read := h.ask(c.operation, c.body)
				synctest.Wait()
				for name, answer := range map[string]<-chan string{"the write": write, "the read": read} {
					select {
					case got := <-answer:
						t.Errorf("%s was answered before it was durable: %s", name, got)
					default:
					}
				}
				h.engine.Sync()
				if got := <-write; got != `{}` {
					t.Errorf("the write answers %s", got)
				}
				if got := <-read; !strings.Contains(got, c.want) {
					t.Errorf("the read answers %s, want %s", got, c.want)
				}
			})
		})
	}
}

// DATA 4: when storage fails, writes are refused with an error that clients
// retry, and what is durable is still read.
func TestFailedStorageRefusesWritesAndGoesOnReading(t *testing.T) {
	engine := memkv.New(memkv.Config{})
	r := start(t, engine).tables()
	r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"a"}}}`)
	engine.Fail(errDisk)
	for range 2 {
		a := r.send(admin, "PutItem", `{"TableName":"notes","Item":{"pk":{"S":"b"}}}`)
		if a.status != 500 || a.kind() != "InternalServerError" || !strings.Contains(a.message(), "does not take writes") {
			t.Errorf("got %d %s", a.status, a.body)
		}
	}
	r.expect("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"a"}}}`, `{"Item":{"pk":{"S":"a"}}}`)
}

type diskError struct{}

func (diskError) Error() string { return "disk is on fire" }

var errDisk = diskError{}
