package record

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/meridian-run/meridian/internal/hlc"
)

// RegionID numbers a region in its world. control assigns it once, from 1, and
// never uses it again; 0 is no region.
type RegionID uint16

// LogID names one life of a region's change log: random, new at every start
// (DATA 5). 0 is none.
type LogID uint64

// TableID names a table for good: random, from control, so that a table that is
// deleted and created again under its name is another table.
type TableID uint64

// Version says when and where a record was written. The order of versions is
// the order of their fields, and the higher version always wins (DATA 2, 6).
type Version struct {
	Epoch  uint32
	Time   hlc.Time
	Region RegionID
	Node   uint16
}

// VersionSize is the length of an encoded version.
const VersionSize = 16

// Compare orders versions: -1, 0 or +1.
func (v Version) Compare(w Version) int {
	return cmp.Or(
		cmp.Compare(v.Epoch, w.Epoch),
		cmp.Compare(v.Time, w.Time),
		cmp.Compare(v.Region, w.Region),
		cmp.Compare(v.Node, w.Node),
	)
}

// IsZero reports whether v is the zero version, which is lower than any write's.
func (v Version) IsZero() bool { return v == Version{} }

// Put encodes v into the first VersionSize bytes of dst; the encoded order is
// the order of versions.
func (v Version) Put(dst []byte) {
	_ = dst[VersionSize-1]
	binary.BigEndian.PutUint32(dst[0:], v.Epoch)
	binary.BigEndian.PutUint64(dst[4:], uint64(v.Time))
	binary.BigEndian.PutUint16(dst[12:], uint16(v.Region))
	binary.BigEndian.PutUint16(dst[14:], v.Node)
}

// ParseVersion decodes the first VersionSize bytes of src, which must be there.
func ParseVersion(src []byte) Version {
	_ = src[VersionSize-1]
	return Version{
		Epoch:  binary.BigEndian.Uint32(src[0:]),
		Time:   hlc.Time(binary.BigEndian.Uint64(src[4:])),
		Region: RegionID(binary.BigEndian.Uint16(src[12:])),
		Node:   binary.BigEndian.Uint16(src[14:]),
	}
}

// String is for logs and tests: epoch.time@region/node.
func (v Version) String() string {
	return fmt.Sprintf("%d.%d@%d/%d", v.Epoch, v.Time, v.Region, v.Node)
}

// End is where one life of a region's change log ends: at a write of this time.
// Times order a log as versions do not: an epoch can come before them.
type End struct {
	Log  LogID    `json:"log,string"`
	Time hlc.Time `json:"time,string"`
}

// Highest joins two lists of ends: of each log the later one, in the order of
// logs.
func Highest(a, b []End) []End {
	out := append(append(make([]End, 0, len(a)+len(b)), a...), b...)
	slices.SortFunc(out, func(x, y End) int {
		return cmp.Or(cmp.Compare(x.Log, y.Log), cmp.Compare(y.Time, x.Time))
	})
	return slices.CompactFunc(out, func(x, y End) bool { return x.Log == y.Log })
}
