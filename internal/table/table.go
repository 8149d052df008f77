package table

import (
	"slices"

	"github.com/meridian-run/meridian/internal/record"
)

// Owner says who may change a table: the spec, or the API that created it.
type Owner string

const (
	OwnerSpec Owner = "spec"
	OwnerAPI  Owner = "api"
)

// State is a table's life, in DynamoDB's words.
type State string

const (
	Creating State = "CREATING"
	Active   State = "ACTIVE"
	Updating State = "UPDATING"
	Deleting State = "DELETING"
)

// Attribute is a key attribute: its name and type (S, N or B).
type Attribute struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Replica is a region that holds the table.
type Replica struct {
	Region string          `json:"region"`
	ID     record.RegionID `json:"id"`
	// Since is the control revision that gave the region a table which others
	// had before, whose records it has to copy; 0 if it had the table from the
	// beginning.
	Since uint64 `json:"since,omitempty"`
	// Copied says that the region has them all; without it a replica that was
	// given the table later serves nobody yet.
	Copied bool `json:"copied,omitempty"`
}

// Complete reports whether the replica has, or had from the beginning, all that
// the others hold.
func (r Replica) Complete() bool { return r.Since == 0 || r.Copied }

// Table is what the regions agree on about a table.
type Table struct {
	// ID is text in JSON: it uses all 64 bits, which JSON readers of other
	// languages round.
	ID      record.TableID `json:"id,string"`
	Name    string         `json:"name"`
	Key     Attribute      `json:"key"`
	Sort    *Attribute     `json:"sort,omitempty"`
	Indexes []Index        `json:"indexes,omitempty"`
	// TTL names the attribute that holds an item's expiry; empty is none.
	TTL string `json:"ttl,omitempty"`
	// TTLSince is the control revision under which TTL was set, of a table that may
	// have held items by then; 0 if it was so from the beginning.
	TTLSince uint64 `json:"ttl_since,omitempty"`
	// Merge is how concurrent writes of an item are merged: empty, the last
	// writer wins, or MergeAttributes. Counters, sorted, are the attributes whose
	// increments are added up.
	Merge    string   `json:"merge,omitempty"`
	Counters []string `json:"counters,omitempty"`
	// Replicas is sorted by region name.
	Replicas []Replica `json:"replicas"`
	// Leaving are the replicas that were removed and whose regions may still hold
	// writes that the others lack. They serve nobody, take part in replication as
	// before, and go once the others have all of it.
	Leaving []Replica `json:"leaving,omitempty"`
	Epoch   uint32    `json:"epoch"`
	// Primary is the region that takes the writes; empty is every region. Home is
	// the one that the spec names, with which the table began.
	Primary string `json:"primary,omitempty"`
	Home    string `json:"home,omitempty"`
	// Handed says that the primary of the epoch before gave the table up, and
	// takes no writes any more; without it the new one waits until that one's
	// lease has run out (DATA 19).
	Handed bool `json:"handed,omitempty"`
	// Copies is how many regions have a write durably before it is acknowledged;
	// below 2 it is the one that took it. Degrade acknowledges all the same while
	// no second region can be reached; otherwise the write is refused.
	Copies  int  `json:"copies,omitempty"`
	Degrade bool `json:"degrade,omitempty"`
	// Images is how each region keeps an image log of the table; nil is not.
	Images *Images `json:"images,omitempty"`
	// Settings say nothing about the data.
	Settings Settings `json:"settings,omitzero"`
	// Stream is the stream of the table that is enabled; nil is none.
	// EndedStreams were disabled, the oldest first: they can be read for a day.
	Stream       *Stream  `json:"stream,omitempty"`
	EndedStreams []Stream `json:"ended_streams,omitempty"`
	// Recovery is how far back the table can be restored; nil is not.
	Recovery *Recovery `json:"recovery,omitempty"`
	// Origin is what the table was filled from; nil is nothing.
	Origin *Origin `json:"origin,omitempty"`
	// Memory marks what Table.Remembered makes.
	Memory bool  `json:"-"`
	Owner  Owner `json:"owner"`
	State  State `json:"state"`
	// SchemaVersion rises with each change of the fields above.
	SchemaVersion uint64 `json:"schema_version"`
	// Revision is the control revision that last changed the table (DATA 25).
	Revision uint64 `json:"revision"`
	// Created is in Unix milliseconds.
	Created int64 `json:"created"`
}

// In reports whether the region has the table to serve it.
func (t Table) In(region string) bool {
	return slices.ContainsFunc(t.Replicas, func(r Replica) bool { return r.Region == region })
}

// Holders are all replicas that hold records: those that are leaving, too.
func (t Table) Holders() []Replica {
	if len(t.Leaving) == 0 {
		return t.Replicas
	}
	return slices.Concat(t.Replicas, t.Leaving)
}

// Holder finds a region's replica among the holders, and whether it is leaving.
func (t Table) Holder(region record.RegionID) (r Replica, leaving, ok bool) {
	same := func(r Replica) bool { return r.ID == region }
	if i := slices.IndexFunc(t.Replicas, same); i >= 0 {
		return t.Replicas[i], false, true
	}
	if i := slices.IndexFunc(t.Leaving, same); i >= 0 {
		return t.Leaving[i], true, true
	}
	return Replica{}, false, false
}

// Regions are the names of the regions that have the table to serve it, sorted.
func (t Table) Regions() []string {
	names := make([]string, len(t.Replicas))
	for i, r := range t.Replicas {
		names[i] = r.Region
	}
	return names
}

// Clone copies t so deeply that changing one leaves the other as it was.
func (t Table) Clone() Table {
	t.Sort = cloneAttribute(t.Sort)
	if t.Images != nil {
		images := *t.Images
		t.Images = &images
	}
	t.Settings = t.Settings.clone()
	if t.Stream != nil {
		stream := *t.Stream
		t.Stream = &stream
	}
	if t.Recovery != nil {
		recovery := *t.Recovery
		t.Recovery = &recovery
	}
	if t.Origin != nil {
		origin := *t.Origin
		t.Origin = &origin
	}
	t.EndedStreams = slices.Clone(t.EndedStreams)
	t.Replicas = slices.Clone(t.Replicas)
	t.Leaving = slices.Clone(t.Leaving)
	t.Counters = slices.Clone(t.Counters)
	t.Indexes = cloneIndexes(t.Indexes)
	return t
}

func cloneAttribute(a *Attribute) *Attribute {
	if a == nil {
		return nil
	}
	b := *a
	return &b
}
