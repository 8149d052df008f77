package region

import (
	"time"

	"github.com/meridian-run/meridian/client"
)

// heldAfter is for how long a table's collection may stand still before status
// says why: many beats, and far less than what would fill a disk.
const heldAfter = 10 * time.Second

// heldBack says whom the collection of this region's tables waits for.
func (r *Region) heldBack(d *data, now time.Time) []client.HeldBack {
	a := r.applied.Load()
	if a == nil {
		return nil
	}
	list, err := d.store.HeldBack(now.Add(-heldAfter))
	if err != nil {
		r.log.Error("what holds collection back", "error", err)
		return nil
	}
	tables := d.store.Tables()
	var out []client.HeldBack
	for _, held := range list {
		if tables[held.Table].Memory {
			continue
		}
		one := client.HeldBack{
			Table: tables[held.Table].Name, By: regionName(a, held.By), Of: regionName(a, held.Of),
			Copying: held.Copying, Tombstones: held.Tombstones, Entries: held.Entries,
		}
		if held.Upto > 0 {
			one.Since = held.Upto.Wall().UTC()
		}
		out = append(out, one)
	}
	return out
}
