package client

import "time"

// LookupRequest asks what the nameserver answers, and why.
type LookupRequest struct {
	// Name is a service ("api") or a host name ("api.notes.test").
	Name string `json:"name"`
	// From is a place ("Tokyo", "us-east-1"), an IP address or a CIDR prefix;
	// empty is a client of unknown place.
	From string `json:"from,omitempty"`
}

// Lookup is an answer with its reason.
type Lookup struct {
	// Answered names the region whose nameserver explained it.
	Answered string `json:"answered"`
	Name     string `json:"name"` // the full host name
	Service  string `json:"service,omitempty"`
	Policy   string `json:"policy,omitempty"`
	// Client is the network that the answer is for ("198.18.7.0/24").
	Client string `json:"client,omitempty"`
	// Place is where that network is; empty if nobody knows.
	Place string `json:"place,omitempty"`
	// Scope is the ECS scope: how many bits of Client the answer depends on.
	Scope      int        `json:"scope"`
	TTLSeconds int        `json:"ttl_seconds"`
	Answers    []Answer   `json:"answers"`
	Rule       string     `json:"rule,omitempty"`
	Reason     string     `json:"reason"`
	Excluded   []Excluded `json:"excluded,omitempty"`
	FailOpen   bool       `json:"fail_open,omitempty"`
	// Dig is the equal dig command.
	Dig string `json:"dig,omitempty"`
}

// Answer is one region in the order of preference; the first one is given.
type Answer struct {
	Region  string `json:"region"`
	Address string `json:"address"` // what DNS gives
	// API is where its gateway listens, host:port.
	API string `json:"api,omitempty"`
}

// Excluded is a region that is not answered, and why.
type Excluded struct {
	Region string   `json:"region"`
	Why    string   `json:"why"`
	SeenBy []string `json:"seen_by,omitempty"`
}

// Request is an HTTP request to a service as a client at From would make it.
type Request struct {
	Method string `json:"method"`
	Path   string `json:"path"` // with the query, "/data?x=1"
	// Service may be empty if the world has one.
	Service string              `json:"service,omitempty"`
	From    string              `json:"from,omitempty"`
	Header  map[string][]string `json:"header,omitempty"`
	Body    []byte              `json:"body,omitempty"`
	// TimeoutMillis bounds the whole request; 0 is 30 s.
	TimeoutMillis int64 `json:"timeout_ms,omitempty"`
}

// Response is what came back, from where, why from there, and how long it took.
type Response struct {
	Status int                 `json:"status"`
	Header map[string][]string `json:"header,omitempty"`
	Body   []byte              `json:"body,omitempty"`
	// Region is the one that DNS gave; ServedBy the one that served, which
	// differs if the first one passed the request on.
	Region    string `json:"region"`
	ServedBy  string `json:"served_by,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	Address   string `json:"address"` // host:port that was connected to
	// Lookup is the DNS answer that led there.
	Lookup  Lookup  `json:"lookup"`
	Timings Timings `json:"timings"`
}

// Timings of a request, each counted from its start.
type Timings struct {
	DNSMillis       float64 `json:"dns_ms"`
	ConnectMillis   float64 `json:"connect_ms"`
	FirstByteMillis float64 `json:"first_byte_ms"`
	TotalMillis     float64 `json:"total_ms"`
}

// DrainRequest takes traffic away from a region, or gives it back.
type DrainRequest struct {
	Region  string `json:"region"`
	Service string `json:"service,omitempty"` // empty: all services
	// ForMillis is how long; 0 is until it is undrained.
	ForMillis int64  `json:"for_ms,omitempty"`
	Why       string `json:"why,omitempty"`
}

// Drained says what a drain or undrain did.
type Drained struct {
	Region  string    `json:"region"`
	Service string    `json:"service,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	// Revision is the control revision that holds it.
	Revision uint64 `json:"revision"`
	// Note is worth showing: "no other region is healthy", "was not drained".
	Note string `json:"note,omitempty"`
}

// PromoteRequest makes a region the primary of a table.
type PromoteRequest struct {
	Table string `json:"table"`
	To    string `json:"to"`
	// Force promotes without the help of the primary, which may be lost. What it
	// took and did not ship is left out.
	Force bool `json:"force,omitempty"`
	// Yes says that what Force may lose was read; without it nothing is done.
	Yes bool `json:"yes,omitempty"`
}

// Promoted says what a promotion did.
type Promoted struct {
	Table string `json:"table"`
	From  string `json:"from"`
	To    string `json:"to"`
	Epoch uint32 `json:"epoch"`
	// Revision is the control revision that holds it.
	Revision uint64 `json:"revision"`
	// Asked says that nothing has been done: Loss is to be read first.
	Asked bool  `json:"asked,omitempty"`
	Loss  *Loss `json:"loss,omitempty"`
	// PauseMillis is how long the table took no writes, as far as To knows.
	PauseMillis float64 `json:"pause_ms"`
	// Text is one readable sentence.
	Text string `json:"text"`
}

// Loss is what a forced promotion may leave out, as far as the surviving regions
// know.
type Loss struct {
	// Records are known to exist and are missing; what came later is not known.
	Records uint64 `json:"records"`
	// Seconds is how long ago Up is; negative if it is not known.
	Seconds float64 `json:"seconds"`
	// Up is the time up to which nothing is missing.
	Up time.Time `json:"up,omitzero"`
	// Better is a region that has more.
	Better string `json:"better,omitempty"`
	// Text says it in words.
	Text string `json:"text"`
}

// ReplaceRequest lets a node that lost its disk be one of control's members
// again.
type ReplaceRequest struct {
	Node string `json:"node"` // a region, or the witness
}

// RemoveRequest takes a region out of the world for good.
type RemoveRequest struct {
	Region string `json:"region"`
	// Force removes one that is alive.
	Force bool `json:"force,omitempty"`
	// DryRun changes nothing: the answer says what would happen.
	DryRun bool `json:"dry_run,omitempty"`
}

// ApplyRequest makes a spec the world's.
type ApplyRequest struct {
	Spec   []byte `json:"spec"`
	Source string `json:"source,omitempty"` // the file's name
	// IfRevision refuses the change unless this spec revision is the applied
	// one; 0 does not ask.
	IfRevision uint64 `json:"if_revision,omitempty"`
	// Drop names tables that the spec no longer has and that shall be deleted
	// with their data; others that are gone refuse the change.
	Drop []string `json:"drop,omitempty"`
}

// Applied says what an apply did.
type Applied struct {
	SpecRevision uint64 `json:"spec_revision"`
	Revision     uint64 `json:"revision"`
	// Changed is false if the spec was the applied one already.
	Changed bool `json:"changed"`
	// Changes are lines for a person: "table notes added".
	Changes []string `json:"changes,omitempty"`
}

// Spec is the applied spec.
type Spec struct {
	Spec         []byte `json:"spec"`
	Source       string `json:"source,omitempty"`
	SpecRevision uint64 `json:"spec_revision"`
}

// Environment is what AWS SDKs need to use a region's tables.
type Environment struct {
	Region          string `json:"region"`
	TablesURL       string `json:"tables_url"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
}

// CutRequest cuts or heals the simulated network of a dev world between
// Region and Peer; an empty Peer is all other sites.
type CutRequest struct {
	Region string `json:"region"`
	Peer   string `json:"peer,omitempty"`
}

// Done says what a dev command did.
type Done struct {
	Text string `json:"text"`
	// Seconds it took.
	Seconds float64 `json:"seconds,omitempty"`
}
