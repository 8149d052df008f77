package client

import "time"

// Status is what a region knows of its world: its own state at first hand, and
// its peers' as they last told it or as it last saw them.
type Status struct {
	World  string `json:"world"`
	Domain string `json:"domain"`
	// Answered names the region whose view this is.
	Answered string    `json:"answered"`
	At       time.Time `json:"at"`
	// Dev says that the world runs in one `meridian dev` process.
	Dev      bool      `json:"dev,omitempty"`
	Control  Control   `json:"control"`
	Regions  []Region  `json:"regions"`
	Services []Service `json:"services"`
	Tables   []Table   `json:"tables"`
	// Removals are the regions that are being removed, or were.
	Removals []Removal `json:"removals,omitempty"`
	// Events is oldest first and bounded; the oldest are forgotten.
	Events []Event `json:"events"`
}

// Control is what the regions agreed on, as the answering region has it.
type Control struct {
	Revision     uint64 `json:"revision"`
	SpecRevision uint64 `json:"spec_revision"`
	// SpecSource says where the applied spec came from ("meridian.yaml").
	SpecSource string `json:"spec_source,omitempty"`
	// SpecDiffers says that the file this node was started with is not the
	// applied spec, and how to apply it; empty if they are equal.
	SpecDiffers string `json:"spec_differs,omitempty"`
	// Conflict says why the answering region takes over nothing from the others:
	// their state did not come from its own. A person has to decide; empty if all
	// agree.
	Conflict string `json:"conflict,omitempty"`
	// Quorum is whether changes can be agreed on. Serving does not need it.
	Quorum bool `json:"quorum"`
	// QuorumSince is when Quorum last changed; zero if it never did.
	QuorumSince time.Time `json:"quorum_since,omitzero"`
	// Members are the voters and those that follow: regions, and the witness if
	// there is one.
	Members []Member `json:"members,omitempty"`
}

// Member takes part in the control state.
type Member struct {
	Name    string `json:"name"`
	Witness bool   `json:"witness,omitempty"`
	Leader  bool   `json:"leader,omitempty"`
	// Learner follows and has no vote: it has just come, or there are voters enough.
	Learner bool `json:"learner,omitempty"`
}

// The states of a region, in Region.State.
const (
	StateStarting    = "starting"    // up, not ready to serve (Region.NotReady says why)
	StateServing     = "serving"     // up and ready
	StateStopping    = "stopping"    // it was asked to end and is leaving the answers
	StateStopped     = "stopped"     // dev only: taken down by `region stop`
	StateUnreachable = "unreachable" // the answering region cannot reach it
)

// Region is one region. The measurements are its own; if Reached is false they
// are the last ones that the answering region was told, or zero.
type Region struct {
	Name string `json:"name"`
	// Place is a name ("Ashburn") or coordinates.
	Place     string    `json:"place,omitempty"`
	Addresses Addresses `json:"addresses"`
	Version   string    `json:"version,omitempty"`
	Started   time.Time `json:"started,omitzero"`

	Reached bool   `json:"reached"`
	Error   string `json:"error,omitempty"` // why it was not reached
	State   string `json:"state"`
	Ready   bool   `json:"ready"`
	// NotReady says what a starting region waits for.
	NotReady string `json:"not_ready,omitempty"`

	// Health is of the region as a whole: of all its services together.
	Health Health  `json:"health"`
	Drains []Drain `json:"drains,omitempty"`
	// Isolated says that it hears no peer and no reference point, and so
	// keeps its last verdicts.
	Isolated bool `json:"isolated,omitempty"`

	// Lag is how far this region is behind each of its peers.
	Lag     []Lag     `json:"lag,omitempty"`
	Traffic []Traffic `json:"traffic,omitempty"`

	// Answers is how many DNS answers that its nameserver gave led to each
	// region, by name, since it started.
	Answers map[string]uint64 `json:"answers,omitempty"`
	// BacklogEntries is the length of its change log: kept for its peers.
	BacklogEntries uint64 `json:"backlog_entries"`
	BacklogBytes   uint64 `json:"backlog_bytes,omitempty"`
	// BacklogUsed is the part of the limits on it that is used, from 0 to 1; LetGo
	// are the peers that need what is not kept any more, and will be sent all
	// records anew.
	BacklogUsed float64  `json:"backlog_used,omitempty"`
	LetGo       []string `json:"let_go,omitempty"`
	// Joining are the tables that it was given and does not have yet.
	Joining []Joining `json:"joining,omitempty"`
	// Conflicts counts writes that lost to one that had not seen them.
	Conflicts uint64 `json:"conflicts"`
	// HeldBack is what each table of the region waits for before it can forget
	// deletes and log entries, where that is older than ten seconds.
	HeldBack []HeldBack `json:"held_back,omitempty"`
	// Images are the image logs that it keeps.
	Images []ImageLog `json:"images,omitempty"`
	// CertificateDays is how long its certificate is still valid; nil if it
	// uses none.
	CertificateDays *float64 `json:"certificate_days,omitempty"`
	// Leases are its turns as the primary of tables.
	Leases []Lease `json:"leases,omitempty"`
	// Copies are the tables whose writes do not get their second copy here.
	Copies []Copies `json:"copies,omitempty"`
	// ReadOnly says why the store refuses writes; empty if it takes them.
	ReadOnly string `json:"read_only,omitempty"`
}

// Joining is how far a table has come that a region was given.
type Joining struct {
	Table string `json:"table"`
	// From is the region that gives it; empty before there is one.
	From string `json:"from,omitempty"`
	// Done is the part that is here, from 0 to 1, Records how many that are.
	Done    float64 `json:"done"`
	Records uint64  `json:"records"`
	// Rate is records a second, SecondsLeft how long the rest will take; 0 while
	// that cannot be said.
	Rate        float64 `json:"rate,omitempty"`
	SecondsLeft float64 `json:"seconds_left,omitempty"`
	// Waits says what it waits for; empty while it goes on.
	Waits string `json:"waits,omitempty"`
	// Restarts counts how often it began anew.
	Restarts uint64 `json:"restarts,omitempty"`
}

// HeldBack is a region that has not reported for long what it has applied, so that
// others cannot forget what it may need.
type HeldBack struct {
	Table string `json:"table"`
	// By has told to have applied Of's writes up to Since; zero: it never told.
	By    string    `json:"by"`
	Of    string    `json:"of"`
	Since time.Time `json:"since,omitzero"`
	// Copying says that By is still copying the table.
	Copying bool `json:"copying,omitempty"`
	// Tombstones are the deletes that wait, 10,000 of them at most are counted;
	// Entries those of the region's log.
	Tombstones uint64 `json:"tombstones"`
	Entries    uint64 `json:"entries"`
}

// Addresses is where a region's parts listen, as host:port; empty if the part
// is off.
type Addresses struct {
	API    string `json:"api,omitempty"`
	Tables string `json:"tables,omitempty"`
	DNS    string `json:"dns,omitempty"`
	Admin  string `json:"admin,omitempty"`
	Link   string `json:"link,omitempty"`
	// Answer is the IP address that DNS answers give for the region.
	Answer string `json:"answer,omitempty"`
}

// The verdicts, in Health.Verdict.
const (
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
	Unknown   = "unknown"
)

// Health is a verdict, its reason, and who says so.
type Health struct {
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Seen    []Seen    `json:"seen,omitempty"`
}

// Seen is what one observer saw.
type Seen struct {
	Observer string  `json:"observer"`
	Healthy  bool    `json:"healthy"`
	Reason   string  `json:"reason,omitempty"`
	Millis   float64 `json:"latency_ms,omitempty"`
	// AgeSeconds is how old the observation is; Fresh is whether it counts.
	AgeSeconds float64 `json:"age_seconds"`
	Fresh      bool    `json:"fresh"`
}

// Drain is traffic taken away on purpose.
type Drain struct {
	Region string `json:"region"`
	// Service is empty if all services are drained.
	Service string `json:"service,omitempty"`
	// Until is zero if the drain stays until `undrain`.
	Until time.Time `json:"until,omitzero"`
	Why   string    `json:"why,omitempty"`
}

// Lag is how far a region is behind one peer.
type Lag struct {
	Peer      string  `json:"peer"`
	Seconds   float64 `json:"seconds"`
	Entries   uint64  `json:"entries"`
	Connected bool    `json:"connected"`
	LastError string  `json:"last_error,omitempty"`
	// Since is when Connected last changed.
	Since time.Time `json:"since,omitzero"`
}

// Traffic is what a region's gateway did for a service since it started.
// The percentiles are of the last minutes.
type Traffic struct {
	Service   string  `json:"service"`
	Requests  uint64  `json:"requests"`
	Errors    uint64  `json:"errors"`
	P50Millis float64 `json:"p50_ms"`
	P99Millis float64 `json:"p99_ms"`
	// Instances of its function that are alive; 0 is scaled to zero.
	Instances int `json:"instances"`
}

// Service is a service and its health in each region.
type Service struct {
	Name   string `json:"name"`
	Host   string `json:"host"`
	Policy string `json:"policy"`
	// TTLSeconds is how long resolvers keep an answer.
	TTLSeconds int             `json:"ttl_seconds"`
	Regions    []ServiceRegion `json:"regions"`
	// FailOpen says that no region is healthy, so that all are answered.
	FailOpen bool `json:"fail_open,omitempty"`
}

// ServiceRegion is a service in one region.
type ServiceRegion struct {
	Region string `json:"region"`
	Health Health `json:"health"`
	// Answered is whether DNS gives this region to anyone.
	Answered bool `json:"answered"`
	// Excluded says why not ("drained until 14:05", "unhealthy: …").
	Excluded string `json:"excluded,omitempty"`
}

// Table is a table and its replicas.
type Table struct {
	Name    string   `json:"name"`
	State   string   `json:"state"`
	Owner   string   `json:"owner"` // "spec" or "api"
	Regions []string `json:"regions"`
	// Primary is the region that takes the writes, in an epoch that each
	// promotion raises; empty if every region does.
	Primary string `json:"primary,omitempty"`
	Epoch   uint32 `json:"epoch,omitempty"`
	// Lease is the primary's word on its lease; nil if it was not heard.
	Lease *Lease `json:"lease,omitempty"`
	// Copies is how many regions have a write before it is acknowledged; 0 is
	// one. Otherwise is what happens while there is no second one.
	Copies    int    `json:"copies,omitempty"`
	Otherwise string `json:"otherwise,omitempty"`
}

// Lease is a region's right to act as the primary of a table.
type Lease struct {
	Table string `json:"table"`
	Epoch uint32 `json:"epoch"`
	// Holder holds it for LeftMillis more, and renews it; empty if nobody does.
	Holder     string  `json:"holder,omitempty"`
	LeftMillis float64 `json:"left_ms"`
	// Why says why it is not held.
	Why string `json:"why,omitempty"`
}

// Copies is a table whose writes in a region do not get the second copy that the
// table asks for.
type Copies struct {
	Table string `json:"table"`
	// Refused says that writes are refused; otherwise they are acknowledged with
	// one copy, since Since.
	Refused bool      `json:"refused,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// The states of a removal, in Removal.State.
const (
	RemovalClosing = "closing" // survivors give each other what they have of it
	RemovalGone    = "gone"
)

// Removal is a region on its way out of the world.
type Removal struct {
	Region string `json:"region"`
	// State is empty for a removal that has not begun (RemoveRequest.DryRun).
	State string    `json:"state,omitempty"`
	Since time.Time `json:"since,omitzero"`
	// Forced says that the region was alive.
	Forced bool `json:"forced,omitempty"`
	// Agreed says that the survivors have settled where the region's log ends:
	// before, Waiting are those that have not said what they hold; then, those
	// that lack some of it.
	Agreed  bool     `json:"agreed,omitempty"`
	Waiting []string `json:"waiting,omitempty"`
	// Until is the time of the last write of the region that the world has.
	Until time.Time `json:"until,omitzero"`
	// Text says what a removal will do, before it begins.
	Text string `json:"text,omitempty"`
}

// Event is something that happened, as the answering region saw it.
type Event struct {
	At time.Time `json:"at"`
	// Kind is a fixed word: "started", "removed", "restored", "caught-up", …
	Kind    string `json:"kind"`
	Region  string `json:"region,omitempty"`
	Service string `json:"service,omitempty"`
	// SeenBy are the observers that decided it.
	SeenBy []string `json:"seen_by,omitempty"`
	// Text is one readable sentence.
	Text string `json:"text"`
	// Seconds is how long it took, where that is the news.
	Seconds float64 `json:"seconds,omitempty"`
}
