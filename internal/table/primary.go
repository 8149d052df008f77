package table

import (
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/record"
)

// CopiesMax is how many regions a write can wait for.
const CopiesMax = 2

// memoryBit turns a table's id into that of its memory. Ids are random: that
// another table has it is as unlikely as that two tables have one id.
const memoryBit record.TableID = 0x4d_65_6d_6f_72_79_00_01

// Remembered is the hidden table in which the primary of t remembers the writes
// that were forwarded to it (DATA 21): it goes where t goes, with the same
// epochs, so that a write and the memory of it are in one batch, reach the other
// regions in one frame and share their fate in a promotion.
func (t Table) Remembered() Table {
	t.ID = MemoryOf(t.ID)
	t.Name += " (forwarded writes)"
	t.Key, t.Sort = Attribute{Name: "slot", Type: "B"}, nil
	t.Indexes, t.TTL, t.TTLSince, t.Copies, t.Images = nil, "", 0, 0, nil
	t.Stream, t.EndedStreams, t.Recovery = nil, nil, nil
	t.Memory = true
	return t
}

// MemoryOf is the id of what is remembered of a table.
func MemoryOf(id record.TableID) record.TableID { return id ^ memoryBit }

// WithMemories adds to tables what is remembered of those that have a primary:
// the tables that are stored and replicated.
func WithMemories(tables []Table) []Table {
	all := tables[:len(tables):len(tables)]
	for _, t := range tables {
		if t.Primary != "" {
			all = append(all, t.Remembered())
		}
	}
	return all
}

// PrimaryID is the id of the primary; 0 if every region takes writes.
func (t Table) PrimaryID() record.RegionID {
	for _, r := range t.Holders() {
		if r.Region == t.Primary {
			return r.ID
		}
	}
	return 0
}

func (t Table) sameStrictness(u Table) bool {
	return t.Primary == u.Primary && t.Home == u.Home && t.Copies == u.Copies && t.Degrade == u.Degrade
}

func (t Table) checkStrictness() error {
	var errs []error
	// A table without replicas is about to get one in every region.
	if t.Primary != "" && len(t.Replicas) > 0 && !t.In(t.Primary) {
		errs = append(errs, fmt.Errorf("its primary %s is none of its regions: move it first (meridian promote %s --to REGION)", t.Primary, t.Name))
	}
	if t.Copies < 0 || t.Copies > CopiesMax {
		errs = append(errs, fmt.Errorf("%d copies, at most %d are possible", t.Copies, CopiesMax))
	}
	if t.Copies > 1 && len(t.Replicas) == 1 {
		errs = append(errs, fmt.Errorf("%d copies cannot be in one region: add one", t.Copies))
	}
	return errors.Join(errs...)
}
