package differ

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// server is Meridian's table endpoint over a store in memory.
type server struct {
	voice
	store *store.Store
}

func openServer(ctx context.Context) (*server, error) {
	s, err := store.Open(ctx, store.Config{
		Engine: memkv.New(memkv.Config{}), World: "differ", RegionName: "eu-west-1", Region: 1,
		Observers: []store.Observer{dynamo.IndexObserver{}},
	})
	if err != nil {
		return nil, err
	}
	key := access.Key{ID: "AKIDDIFFER", Secret: "a secret of this process", Kind: access.Admin, Name: "differ"}
	handler := dynamo.New(dynamo.Config{Store: s, Catalog: &catalog{store: s}, Keys: access.NewKeyring(key), Region: "eu-west-1"})
	return &server{
		store: s,
		voice: voice{url: "http://tables/", do: through(handler), signer: v4.NewSigner(), id: key.ID, key: key.Secret},
	}, nil
}

// through sends requests to a handler without a network.
func through(h http.Handler) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		r.RequestURI, r.Host = r.URL.RequestURI(), r.URL.Host
		h.ServeHTTP(w, r)
		return w.Result(), nil
	}
}

// catalog is what the regions would agree on, if there were more than one.
type catalog struct {
	store  *store.Store
	mu     sync.Mutex
	tables []table.Table // guarded by mu
}

var _ dynamo.Catalog = (*catalog)(nil)

// Tables are all tables.
func (c *catalog) Tables() []table.Table {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]table.Table(nil), c.tables...)
}

// Table finds a table by name.
func (c *catalog) Table(name string) (table.Table, bool) {
	for _, t := range c.Tables() {
		if t.Name == name {
			return t, true
		}
	}
	return table.Table{}, false
}

// CreateTable adds a table, which holds data at once.
func (c *catalog) CreateTable(_ context.Context, t table.Table) (table.Table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.ID, t.State = record.TableID(len(c.tables)+1), table.Active
	for i := range t.Replicas {
		t.Replicas[i].ID = 1
	}
	c.tables = append(c.tables, t)
	c.store.SetTables(c.tables)
	return t, nil
}

// UpdateTable refuses: the tables of a history stay as they are.
func (c *catalog) UpdateTable(context.Context, string, func(*table.Table) error) (table.Table, error) {
	return table.Table{}, dynamo.ErrTableRefused
}

// DeleteTable refuses, too.
func (c *catalog) DeleteTable(context.Context, string) (table.Table, error) {
	return table.Table{}, dynamo.ErrTableRefused
}
