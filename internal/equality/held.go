package equality

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// Basis is what both sides of a comparison leave out, because regions forget it
// at different times.
type Basis struct {
	Table record.TableID `json:"table,string"`
	// Frontier is at least as high as what either side trims the table to:
	// context entries and tombstones up to it do not count (DATA 7, 14).
	Frontier hlc.Time `json:"frontier,string"`
	// Due, in Unix seconds: records that die up to then do not count, each
	// region buries them by its own clock (DATA 9).
	Due int64 `json:"due"`
	// TTL is the attribute that holds an item's expiry; empty is none. A region that
	// has not given its records their times of death by it yet counts them as if it
	// had.
	TTL string `json:"ttl,omitempty"`
}

// Held is what one region holds of a key, as far as it counts.
type Held struct {
	Key record.Key `json:"key"`
	// Version is zero where nothing is held that counts.
	Version record.Version `json:"version"`
	// Gone says that it is a tombstone.
	Gone bool `json:"gone,omitempty"`
	// Hash is of all that regions must agree on: key, version, value, context.
	Hash uint64 `json:"hash,string"`
}

// Of answers what a record counts as; false if it does not count.
func Of(key record.Key, r record.Record, b Basis) (Held, bool) {
	gone := r.Tombstone || r.Expired
	if gone && r.Version.Time <= b.Frontier {
		return Held{}, false
	}
	if r.Expires != 0 && r.Expires <= b.Due {
		return Held{}, false
	}
	if trimmed, err := record.Trim(r, record.Frontiers{Current: b.Frontier, Reached: b.Frontier}); err == nil {
		r = trimmed // if not, its bytes are malformed, and compared as they are
	}
	var d xxhash.Digest
	d.Reset()
	var sizes [8]byte
	binary.BigEndian.PutUint32(sizes[:], uint32(len(key.Partition)))
	binary.BigEndian.PutUint32(sizes[4:], uint32(len(key.Sort)))
	_, _ = d.Write(sizes[:]) // never fails, nor do the others
	_, _ = d.Write(key.Partition)
	_, _ = d.Write(key.Sort)
	_, _ = d.Write(record.Append(make([]byte, 0, record.Size(r)), r, true))
	return Held{Key: key, Version: r.Version, Gone: gone, Hash: d.Sum64()}, true
}

// same reports whether two regions hold the same of a key.
func (h Held) same(g Held) bool { return h.Version == g.Version && h.Hash == g.Hash }

// Sum is the digest of a range: of how many records, and the sum of their
// hashes, in whatever order they were added.
type Sum struct {
	Records uint64 `json:"records"`
	Total   uint64 `json:"total,string"`
}

// Add counts one more record.
func (s *Sum) Add(h Held) {
	s.Records++
	s.Total += h.Hash
}
