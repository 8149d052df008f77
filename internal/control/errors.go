package control

import "errors"

// Conditions that callers act upon; test with errors.Is. What is returned says
// more: which name, whose it is, and what to do.
var (
	// ErrNoQuorum: too few members answer. Reads and writes of data go on.
	ErrNoQuorum = errors.New("control has no quorum")
	// ErrUncertain: the change was handed to etcd, which did not answer. It may
	// have taken effect, or still do so; other errors mean that it does not.
	ErrUncertain = errors.New("the change was sent and may still take effect")
	// ErrRevision: the spec has been applied by someone else meanwhile.
	ErrRevision = errors.New("the applied spec is at another revision")
	// ErrOwner: the table belongs to the spec, or to the API.
	ErrOwner = errors.New("the table has another owner")
	// ErrTableExists and ErrTableUnknown: a table of that name is there, or not.
	ErrTableExists  = errors.New("the table exists")
	ErrTableUnknown = errors.New("there is no such table")
	// ErrTableInvalid: the table as asked for cannot be.
	ErrTableInvalid = errors.New("the table is not valid")
	// ErrTableDropped: a change would delete a table without anyone saying so.
	ErrTableDropped = errors.New("the change would delete a table")
	// ErrRegionUnknown: the world has no such region.
	ErrRegionUnknown = errors.New("the world has no such region")
	// ErrRegionInUse: a region to be removed is the last one, or holds what no
	// other one has.
	ErrRegionInUse = errors.New("the region is needed")
	// ErrRegionStays: a spec leaves out a region that is part of the world, or
	// names one that was removed.
	ErrRegionStays = errors.New("regions leave by `meridian region remove`")
	// ErrNotSeeded: the world has no state yet.
	ErrNotSeeded = errors.New("the world is not seeded yet")
	// ErrLeaseHeld: someone else owns the lease.
	ErrLeaseHeld = errors.New("the lease is held")
	// ErrPromoted: the table's primary is not the one that the change assumes.
	ErrPromoted = errors.New("the primary has moved")
	// ErrFormat and ErrWorld: what is on disk, in etcd or from a peer is newer
	// than this version, or another world's.
	ErrFormat = errors.New("unknown format")
	ErrWorld  = errors.New("another world")
	// ErrApart: etcd or a peer holds a state that neither came from this node's
	// nor led to it.
	ErrApart = errors.New("the world has two states")
	// ErrMembers: the member's directory and the configuration disagree.
	ErrMembers = errors.New("the members of control have changed")
	// ErrForgot: the member's directory is older than what it has told the others:
	// it was restored from a copy. The next start sets it aside.
	ErrForgot = errors.New("the directory of control is older than it was")
	// ErrClosed: the control has been stopped.
	ErrClosed = errors.New("control is stopped")
)
