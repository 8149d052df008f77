package dynamo_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
	"github.com/meridian-run/meridian/internal/wholebody"
)

var (
	admin    = access.Key{ID: "AKIDADMIN", Secret: "admin secret", Kind: access.Admin, Name: "me"}
	function = access.Key{ID: "AKIDFUNCTION", Secret: "function secret", Kind: access.Function, Name: "api", Tables: []string{"notes"}}
)

// catalog is what control is in a region: tables by name, given to the store.
type catalog struct {
	store  *store.Store
	mu     sync.Mutex
	tables []table.Table // guarded by mu
	nextID record.TableID
	// revision counts the changes of tables.
	revision uint64
	// behind is what the region knows of tables, if that is less than what the
	// regions have agreed on. Guarded by mu.
	behind []table.Table
}

var _ dynamo.Catalog = (*catalog)(nil)

func (c *catalog) Table(name string) (table.Table, bool) {
	for _, t := range c.Tables() {
		if t.Name == name {
			return t, true
		}
	}
	return table.Table{}, false
}

func (c *catalog) Tables() []table.Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.behind != nil {
		return slices.Clone(c.behind)
	}
	return slices.Clone(c.tables)
}

func (c *catalog) CreateTable(_ context.Context, t table.Table) (table.Table, error) {
	if _, ok := c.Table(t.Name); ok {
		return t, dynamo.ErrTableExists
	}
	if err := t.Check(); err != nil {
		return t, fmt.Errorf("%w: %w", dynamo.ErrTableRefused, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextID++
	t.ID, t.State, t.Created = c.nextID, table.Active, 1_700_000_000_123
	t.Restream(table.Table{}, time.Now())
	c.tables = append(c.tables, placed(t))
	return t, c.adopt()
}

// adopt tells the store of the tables, as a region does.
func (c *catalog) adopt() error {
	if err := c.store.Renew(context.Background(), c.tables); err != nil {
		return err
	}
	c.store.SetTables(c.tables)
	return nil
}

// placed gives the replicas their region ids.
func placed(t table.Table) table.Table {
	ids := map[string]record.RegionID{"eu-west-1": 1, "us-east-1": 2}
	t.Replicas = slices.Clone(t.Replicas)
	for i, r := range t.Replicas {
		t.Replicas[i].ID = ids[r.Region]
	}
	return t
}

func (c *catalog) UpdateTable(_ context.Context, name string, fn func(*table.Table) error) (table.Table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.tables {
		if t.Name != name {
			continue
		}
		if t.Owner == table.OwnerSpec {
			return t, fmt.Errorf("%w: %s belongs to the spec", dynamo.ErrTableRefused, name)
		}
		t = t.Clone()
		if err := fn(&t); err != nil {
			return t, err
		}
		t.Restream(c.tables[i], time.Now())
		c.revision++
		t.AddedSince(c.revision, c.tables[i])
		c.tables[i] = placed(t)
		return c.tables[i], c.adopt()
	}
	return table.Table{}, dynamo.ErrTableUnknown
}

func (c *catalog) DeleteTable(_ context.Context, name string) (table.Table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.tables {
		if t.Name == name {
			c.tables = slices.Delete(c.tables, i, i+1)
			c.store.SetTables(c.tables)
			return t, nil
		}
	}
	return table.Table{}, dynamo.ErrTableUnknown
}

// region is one region's table endpoint, with real clients.
type region struct {
	handler *dynamo.Server
	t       testing.TB
	store   *store.Store
	catalog *catalog
	keys    *access.Keyring
	url     string
	client  *http.Client
	now     func() time.Time
	backups *backup.Library
	// copied is how far other regions are, if a test says so.
	copied func(t table.Table, region string) (float64, bool)
}

// start starts eu-west-1 over the engine.
func start(t testing.TB, engine kv.Engine) *region { return startNumbered(t, engine, 1) }

// startNumbered starts a region of a name and id that only the store knows: its
// endpoint says that it is eu-west-1.
func startNumbered(t testing.TB, engine kv.Engine, id record.RegionID) *region {
	t.Helper()
	s, err := store.Open(context.Background(), store.Config{
		Engine: engine, World: "test", RegionName: fmt.Sprint("region-", id), Region: id, Observers: []store.Observer{dynamo.IndexObserver{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &region{t: t, store: s, catalog: &catalog{store: s}, keys: access.NewKeyring(admin, function), now: time.Now}
	r.copied = func(table.Table, string) (float64, bool) { return 0, false }
	if r.backups, err = backup.Open(filepath.Join(t.TempDir(), "backups"), filepath.Join(t.TempDir(), "buckets")); err != nil {
		t.Fatal(err)
	}
	r.handler = dynamo.New(dynamo.Config{
		Backups: r.backups,
		Store:   s, Catalog: r.catalog, Keys: r.keys, Region: "eu-west-1",
		Now:    func() time.Time { return r.now() },
		Copied: func(t table.Table, region string) (float64, bool) { return r.copied(t, region) },
	})
	server := httptest.NewServer(r.handler)
	r.url, r.client = server.URL, server.Client()
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil && !errors.Is(err, kv.ErrClosed) { // crashed
			t.Error(err)
		}
	})
	return r
}

func newRegion(t testing.TB) *region { return start(t, memkv.New(memkv.Config{})) }

// sdk is a client of the AWS SDK.
func (r *region) sdk(key access.Key) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(r.url), HTTPClient: wholebody.Client(r.client.Transport),
		Credentials: credentials.NewStaticCredentialsProvider(key.ID, key.Secret, ""),
		Retryer:     aws.NopRetryer{},
	})
}

// answer is what came back from a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// kind is the error's name; empty for success.
func (a answer) kind() string {
	var e struct {
		Type string `json:"__type"`
	}
	json.Unmarshal([]byte(a.body), &e)
	return e.Type[strings.IndexByte(e.Type, '#')+1:]
}

func (a answer) message() string {
	var e struct{ Message string }
	json.Unmarshal([]byte(a.body), &e)
	return e.Message
}

// send signs and sends a request as it is.
func (r *region) send(key access.Key, operation, body string) answer {
	r.t.Helper()
	return r.sendNamed(key, "", operation, body)
}

// sendNamed is send with the name by which an SDK's retries are known.
func (r *region) sendNamed(key access.Key, invocation, operation, body string) answer {
	r.t.Helper()
	req, err := http.NewRequest("POST", r.url+"/", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	target := "DynamoDB_20120810." + operation
	if strings.Contains(operation, ".") { // of another API
		target = operation
	}
	req.Header.Set("X-Amz-Target", target)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	if invocation != "" {
		req.Header.Set("Amz-Sdk-Invocation-Id", invocation)
	}
	hash := sha256.Sum256([]byte(body))
	credential := aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}
	if err := v4.NewSigner().SignHTTP(context.Background(), credential, req, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", r.now()); err != nil {
		r.t.Fatal(err)
	}
	return r.do(req)
}

func (r *region) do(req *http.Request) answer {
	r.t.Helper()
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// must sends a request that must succeed and answers its body, compacted.
func (r *region) must(operation, body string) string {
	r.t.Helper()
	a := r.send(admin, operation, body)
	if a.status != 200 {
		r.t.Fatalf("%s %s: %d %s", operation, body, a.status, a.body)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(a.body)); err != nil {
		r.t.Fatalf("%s answers what is not JSON: %s", operation, a.body)
	}
	return b.String()
}

// expect compares the answer of a request that must succeed.
func (r *region) expect(operation, body, want string) {
	r.t.Helper()
	if got := r.must(operation, body); got != want {
		r.t.Errorf("%s %s\n got %s\nwant %s", operation, body, got, want)
	}
}

// refuse wants an error of the kind with the words in its message.
func (r *region) refuse(operation, body, kind, words string) {
	r.t.Helper()
	a := r.send(admin, operation, body)
	if a.status < 400 || a.kind() != kind || !strings.Contains(a.message(), words) {
		r.t.Errorf("%s %s\n got %d %s\nwant %s: %s", operation, body, a.status, a.body, kind, words)
	}
}

// notes creates the table "notes", with pk, and "events", with pk and sk and two
// indexes.
func (r *region) tables() *region {
	r.t.Helper()
	r.must("CreateTable", `{"TableName":"notes","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`)
	r.must("CreateTable", `{"TableName":"events","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"},
		{"AttributeName":"color","AttributeType":"S"},{"AttributeName":"weight","AttributeType":"N"}],
		"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],"BillingMode":"PAY_PER_REQUEST","GlobalSecondaryIndexes":[
		{"IndexName":"by-color","KeySchema":[{"AttributeName":"color","KeyType":"HASH"},{"AttributeName":"weight","KeyType":"RANGE"}],"Projection":{"ProjectionType":"ALL"}},
		{"IndexName":"colors","KeySchema":[{"AttributeName":"color","KeyType":"HASH"}],"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["extra"]}}]}`)
	return r
}
