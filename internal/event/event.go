package event

import "time"

// Kind says what happened. The values are stable: scripts match them.
type Kind string

const (
	Started   Kind = "started"   // a region came up
	Ready     Kind = "ready"     // it began to answer probes with 200
	Stopping  Kind = "stopping"  // it began to leave the answers on purpose
	Removed   Kind = "removed"   // an endpoint left the answers
	Restored  Kind = "restored"  // it came back
	FailOpen  Kind = "fail-open" // every endpoint is unhealthy: all are answered
	Drained   Kind = "drained"   // traffic was taken away on purpose
	Undrained Kind = "undrained"
	Connected Kind = "connected" // replication from a peer runs
	Lost      Kind = "lost"      // replication from a peer stopped
	CaughtUp  Kind = "caught-up" // what a peer wrote meanwhile has been applied
	Replica   Kind = "replica"   // a table was copied to a region, or has left it
	Region    Kind = "region"    // a region joined the world, is being removed, or is gone
	Applied   Kind = "applied"   // a new revision of the spec took effect
	Refused   Kind = "refused"   // a peer was refused: certificate, world, clock
	Function  Kind = "function"  // a service's function cannot run here
	Different Kind = "different" // regions do not hold a table alike
	Storage   Kind = "storage"   // the disk refuses writes, or takes them again
	Primary   Kind = "primary"   // a region became the primary of a table
	Copies    Kind = "copies"    // writes get their second copy, or do not
	Quorum    Kind = "quorum"    // control lost its quorum, or has it again
)

// Event is one thing that happened, as one region saw it.
type Event struct {
	At      time.Time `json:"at"`
	Kind    Kind      `json:"kind"`
	Region  string    `json:"region"`            // whom it is about
	Service string    `json:"service,omitempty"` // empty: the whole region
	SeenBy  []string  `json:"seen_by,omitempty"` // whose observations decided
	Text    string    `json:"text"`              // one readable sentence
	Took    float64   `json:"took,omitempty"`    // seconds, where a duration is the news
}
