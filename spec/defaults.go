package spec

import "time"

// What a spec that leaves a setting out gets. docs/spec.md repeats these.
const (
	DefaultHealthPath = "/health"
	// DefaultHealthEvery is Route 53's interval; world-wide services that want
	// to move traffic within seconds set 1s.
	DefaultHealthEvery = 30 * time.Second
	// DefaultHealthTimeout is the longest default; a check that runs more
	// often than this gets its interval.
	DefaultHealthTimeout = 4 * time.Second
	// DefaultFailAfter results in a row change an observer's mind;
	// RecoverAfter defaults to what FailAfter is.
	DefaultFailAfter = 3
	DefaultDeepEvery = 5 * time.Minute

	DefaultPolicy = Latency
	DefaultTTL    = 5 * time.Second

	// DefaultTimeout bounds a request; a function that may take longer raises
	// it to its own timeout.
	DefaultTimeout   = 30 * time.Second
	DefaultBodyLimit = 10 << 20

	DefaultMemory          = 128 << 20
	DefaultFunctionTimeout = 10 * time.Second
	DefaultConcurrency     = 10
	DefaultIdle            = 5 * time.Minute

	DefaultConsistency = "eventual"

	// WitnessName is the witness's name where regions are named.
	WitnessName = "witness"

	// Who may use tables: whoever signs with a key of the world, or anybody.
	accessSigned    = "signed"
	accessAnonymous = "anonymous"
)

// The ports that an address without one gets, as in the local world, but for
// DNS, which resolvers look for on 53.
const (
	portGateway = 8080
	portTables  = 8000
	portAdmin   = 7070
	portLink    = 7071
	portEtcd    = 7073
	portDNS     = 53
)

// Limits. They are wide enough for real worlds and keep a mistake, or a file
// that is no spec, from costing more than an error.
const (
	sourceMax = 1 << 20 // bytes of one file
	errorsMax = 100     // reported for one file; more help nobody

	// regionsMax is what the local world's addresses 127.0.(10·n).1 allow.
	regionsMax    = 25
	tablesMax     = 256
	servicesMax   = 256
	referencesMax = 16
	addressesMax  = 8 // per region, so that an answer fits a datagram
	networksMax   = 10_000

	labelMax = 63  // bytes of a DNS label
	nameMax  = 253 // bytes of a DNS name

	weightMax    = 255 // Route 53's
	thresholdMax = 10  // Route 53's

	everyMin, everyMax                 = 100 * time.Millisecond, 5 * time.Minute
	healthTimeoutMin, healthTimeoutMax = 10 * time.Millisecond, time.Minute
	deepEveryMin, deepEveryMax         = time.Second, 24 * time.Hour
	ttlMin, ttlMax                     = time.Second, 24 * time.Hour
	timeoutMin, timeoutMax             = 10 * time.Millisecond, 15 * time.Minute
	idleMin, idleMax                   = 100 * time.Millisecond, 24 * time.Hour

	memoryMin, memoryMax       = 32 << 20, 10 << 30
	bodyLimitMin, bodyLimitMax = 1 << 10, 1 << 30
	concurrencyMax             = 1000
)
