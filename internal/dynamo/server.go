package dynamo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/backup"
	"github.com/meridian-run/meridian/internal/dynamo/expr"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/sigv4"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

const (
	targetPrefix = "DynamoDB_20120810."
	// bodyMax bounds a request; DynamoDB's largest, BatchWriteItem, has 16 MB.
	bodyMax = 16 << 20
	// believedMax bounds what a request gets for its length before it has arrived.
	believedMax = 64 << 10
	// keptMax is the largest buffer that is kept for the next request.
	keptMax = 1 << 20
)

// Catalog is what the regions agree on about tables. control implements it,
// wrapping the errors below where they apply.
type Catalog interface {
	// Table finds a table by name, whether or not this region holds it.
	Table(name string) (table.Table, bool)
	// Tables are all tables.
	Tables() []table.Table
	// CreateTable adds a table; of it, the name, keys, indexes and the replicas'
	// region names count.
	CreateTable(ctx context.Context, t table.Table) (table.Table, error)
	// UpdateTable changes a table by fn, which may be called more than once.
	UpdateTable(ctx context.Context, name string, fn func(*table.Table) error) (table.Table, error)
	// DeleteTable removes a table everywhere and returns what it was.
	DeleteTable(ctx context.Context, name string) (table.Table, error)
}

// Errors of a Catalog that clients are told about.
var (
	ErrTableExists  = errors.New("table exists")
	ErrTableUnknown = errors.New("table is unknown")
	// ErrTableRefused is any other reason that lies in the request: the table
	// belongs to the spec, a region is unknown, a definition is not allowed. The
	// error's whole text is shown.
	ErrTableRefused = errors.New("refused")
	// ErrUnavailable says that the regions cannot agree just now.
	ErrUnavailable = errors.New("tables cannot be changed now")
)

// Keys finds access keys; *access.Keyring does.
type Keys interface {
	Find(id string) (access.Key, bool)
}

// Events are callbacks; any may be nil. They must not block.
type Events struct {
	// Request is called once a request is answered: code is empty for success,
	// otherwise the error's name as in AWS.
	Request func(operation, code string, took time.Duration)
	// Panicked is called for each panic that was caught: each is a defect.
	Panicked func()
}

// Config says what a server serves.
type Config struct {
	Store   *store.Store
	Catalog Catalog
	Keys    Keys
	// Anonymous reports whether requests that are not signed may do everything;
	// nil: they are refused.
	Anonymous func() bool
	// Region is this region's name.
	Region string
	// Log gets errors that are nobody's mistake; default discards.
	Log *slog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time
	// NewRequestID draws request ids; default random.
	NewRequestID func() string
	Events       Events
	// Primaries and Copies serve the tables that ask for more than the default;
	// nil where there are none.
	Primaries Primaries
	Copies    Copies
	// Copied says how much of a table a region has that copies it, from 0 to 1; nil
	// or false: that is not known.
	Copied func(t table.Table, region string) (part float64, ok bool)
	// Lacking says what the region waits for before it has the tables that it had
	// from the beginning, empty once it has them; nil: it has them.
	Lacking func() string
	// Backups is where backups, exports and imports are; nil: there are none. What
	// they take is done by RunJobs.
	Backups *backup.Library
}

// Server is the handler of one region's table endpoint.
type Server struct {
	config    Config
	verifier  *sigv4.Verifier
	parser    expr.Parser
	throttles throttles
	counting  counting
	jobs      jobs
	counts    sync.Map  // table id to *counted
	calls     sync.Pool // of *call
	zips      sync.Pool // of *gzip.Writer
	heavy     chan struct{}
}

var _ http.Handler = (*Server)(nil)

// New builds a server.
func New(config Config) *Server {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.NewRequestID == nil {
		config.NewRequestID = rand.Text
	}
	s := &Server{
		config: config, verifier: sigv4.NewVerifier(sigv4.Config{Service: "dynamodb", Now: config.Now}), jobs: newJobs(),
		heavy: make(chan struct{}, heavyMax),
	}
	s.calls.New = func() any { return &call{server: s} }
	return s
}

// call is one request on its way. It is used again and again: nothing that
// outlives the request may point into it.
type call struct {
	server    *Server
	operation string
	key       access.Key
	need      need // of the operation
	host      string
	body      []byte
	document  item.Document
	request   item.Node
	out       []byte // the answer
	panicked  bool
	heavy     bool        // has one of the server's places for such requests
	zipped    []byte      // scratch for a compressed answer
	stored    []byte      // scratch for an encoded item
	parsed    []statement // of the request, once it was asked for them

	// touched are the tables of the request's items, throttled those of the
	// request that want to be.
	touched   []touched
	throttled []throttled

	// Of strict tables: the caller's name for all tries of a request, and when it
	// gives up (zero: not known); which region passed the request on, if one did,
	// and under which id; where the answer is remembered, or the fingerprint of a
	// request with a token instead; the highest sequence that was written.
	invocation  string
	deadline    time.Time
	from        string
	id          store.RequestID
	remembering *store.Remembering
	print       []byte
	written     uint64
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.config.Now()
	id := s.config.NewRequestID()
	w.Header()["X-Amzn-Requestid"] = []string{id}
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && target(r) == "" {
		respond(w, http.StatusOK, plainText, []byte("healthy: dynamodb."+s.config.Region+" "))
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		respond(w, http.StatusNotFound, plainText, []byte("<UnknownOperationException/>\n"))
		return
	}
	c := s.calls.Get().(*call)
	defer s.release(c)
	status, code := http.StatusOK, ""
	err := c.safely(id, func() error { return c.serve(r) })
	if err != nil {
		status, code = c.refuse(r.Context(), id, err)
	}
	respond(w, status, amzJSON, c.encode(r.Header, w.Header()))
	if s.config.Events.Request != nil {
		s.config.Events.Request(c.operation, code, s.config.Now().Sub(start))
	}
}

// serve reads, verifies and runs a request; its answer is in c.out.
func (c *call) serve(r *http.Request) error {
	c.operation, c.host, c.out = "", r.Host, c.out[:0]
	if err := c.read(r); err != nil {
		return err
	}
	name, op, known := operationFor(target(r))
	if !known {
		return errUnknownOperation
	}
	c.operation = name
	if err := c.verify(r); err != nil {
		return err
	}
	if err := c.inflate(r.Header); err != nil {
		return err
	}
	c.retries(r.Header)
	return c.run(r.Context(), op)
}

// run reads a request's document and does what it asks for.
func (c *call) run(ctx context.Context, op operation) error {
	source := string(c.body)
	if err := c.burden(ctx, source); err != nil {
		return err
	}
	defer c.unburden()
	if err := c.document.Parse(source); err != nil {
		return err
	}
	c.request = c.document.Root()
	if c.request.Form() != item.Object {
		return shape()
	}
	err := check(c.request, op.parameters)
	if err == nil {
		err = c.touches(op)
	}
	if err == nil {
		err = c.authorize(op)
	}
	if err == nil {
		err = c.dispatch(ctx, op)
	}
	if err != nil && mistaken(err) {
		if wrong := checkShapes(c.request, op.parameters); wrong != nil {
			return wrong
		}
	}
	return err
}

// refuse puts an error in the place of the answer.
func (c *call) refuse(ctx context.Context, id string, err error) (status int, code string) {
	var other *answered
	if errors.As(err, &other) {
		c.out = append(c.out[:0], other.Body...)
		return other.Status, other.Code
	}
	wire := c.server.wire(ctx, id, c.operation, err)
	c.out = wire.appendJSON(c.out[:0])
	return wire.status, wire.code()
}

func (c *call) read(r *http.Request) error {
	c.body = c.body[:0]
	if r.ContentLength > bodyMax {
		return errTooLarge
	}
	if n := min(int(r.ContentLength), believedMax); n >= cap(c.body) {
		c.body = make([]byte, 0, n+1) // and one to see the end
	}
	var err error
	c.body, err = readBody(c.body, r.Body)
	return err
}

// target names the operation: a header, which signers of URLs put into the query.
// What has two names for it has none.
func target(r *http.Request) string {
	switch names := r.Header["X-Amz-Target"]; {
	case len(names) == 1:
		return names[0]
	case len(names) > 1 || r.URL.RawQuery == "":
		return ""
	}
	if names := r.URL.Query()["X-Amz-Target"]; len(names) == 1 {
		return names[0]
	}
	return ""
}

func (c *call) verify(r *http.Request) error {
	s := c.server
	_, err := s.verifier.Verify(sigv4.Request{
		Method: r.Method,
		Path:   r.URL.EscapedPath(),
		Query:  r.URL.RawQuery,
		Host:   r.Host,
		Header: r.Header,
		Length: r.ContentLength,
		Hash:   sha256.Sum256(c.body),
	}, func(id string) (string, bool) {
		key, ok := s.config.Keys.Find(id)
		c.key = key
		return key.Secret, ok
	})
	if anonymous := s.config.Anonymous; anonymous != nil && sigv4.Unsigned(err) && anonymous() {
		c.key = access.Key{Kind: access.Admin, Name: "anonymous"}
		return nil
	}
	return err
}

// Content types, as header values that are shared and never changed.
var (
	amzJSON   = []string{"application/x-amz-json-1.0"}
	plainText = []string{"text/plain"}
)

func respond(w http.ResponseWriter, status int, contentType []string, body []byte) {
	lines := []string{strconv.Itoa(len(body)), strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)}
	h := w.Header()
	h["Content-Type"] = contentType
	h["Content-Length"] = lines[0:1:1]
	h["X-Amz-Crc32"] = lines[1:2:2]
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone does not want the answer
}

func (s *Server) release(c *call) {
	if c.panicked {
		return // who knows what it is in the middle of
	}
	c.document.Forget()
	clear(c.touched)
	c.parsed = nil
	c.request, c.key, c.need = item.Node{}, access.Key{}, need{}
	c.invocation, c.deadline, c.from, c.id = "", time.Time{}, "", store.RequestID{}
	for _, b := range []*[]byte{&c.body, &c.out, &c.zipped, &c.stored} {
		if cap(*b) > keptMax {
			*b = nil
		}
	}
	s.calls.Put(c)
}
