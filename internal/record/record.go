package record

// Key names a record: a table and the encoded partition and sort keys. The
// encodings come from item and keep DynamoDB's order within one attribute type;
// Sort is empty where the table has no sort key.
type Key struct {
	Table     TableID
	Partition []byte
	Sort      []byte
}

// Seen is one entry of a context: the highest version of this key, of those
// written by one region under one log, that the record's writer had seen.
// Discarded marks an entry that came from dropping a record as a conflict; it
// stays until that receipt is below the frontier (DATA 8). An entry for the
// record's own region and log would say nothing new (a log sees what it wrote
// before) and is never stored.
type Seen struct {
	Region    RegionID
	Log       LogID
	Version   Version
	Discarded bool
}

// Record is one stored value with all that replication needs of it.
type Record struct {
	Version Version
	// Log is the log of Version.Region under which the record was written.
	Log LogID
	// Sequence is the local commit that last touched the record. It never
	// leaves the region: Append with shipping set writes zero (DATA 3).
	Sequence uint64
	// Tombstone marks a delete; Value is then empty.
	Tombstone bool
	// Expired marks a derived tombstone (DATA 9): the version's record, dead.
	Expired bool
	// Expires is when the record dies, in Unix seconds; 0 is never.
	Expires int64
	// Context is sorted by region, then log; at most one entry for each pair.
	Context []Seen
	// Value is the item as package item encodes it.
	Value []byte
	// ByAttribute marks a record of a table that merges attribute by attribute
	// (DATA 10). Cells is what its attributes need beyond Value: when, where and
	// after what each was written, what was removed, and the parts of counters. It
	// is nil where one Put or delete wrote all of the record. Its bytes speak of
	// the record's own version without repeating it, so that a seal has only fixed
	// offsets to patch (DATA 1): whoever changes Version makes another write of it.
	ByAttribute bool
	Cells       []byte
}
