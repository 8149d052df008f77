package replica

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// CopyRate is the default of Config.CopyRate: a fast disk's pace, and far from all
// of a data centre's link.
const CopyRate = 64 << 20

// joinPoll is how often a copy looks whether its beginning anew or its end is
// durable.
const joinPoll = 10 * time.Millisecond

// joining is a table that this region was given and does not have yet (DATA 16):
// every region that has it must know of that before a donor begins, then comes the
// donor's scan, then the log of each origin for this table. Replica.mu guards it.
type joining struct {
	since uint64
	// known are the regions that count this one for what they may forget.
	known map[record.RegionID]bool
	// donor is whom the copy under way comes from, missed when it was lost.
	donor  string
	missed time.Time
	// Progress, for status.
	began   time.Time // of this start's part, with what was there
	before  uint64
	records uint64
	done    float64
	told    string // what it waits for, as last told
	// restart is that the copy begins anew, not durable yet.
	restart *store.Pending[store.None]
	// marking is that it is over, not durable yet.
	marking *store.Pending[store.None]
}

// joins lists the streams that copies want now; the caller holds mu.
func (r *Replica) joins(now time.Time) (list []Dial, until time.Time) {
	copies := false
	for _, t := range r.control.Tables {
		j := r.copying[t.ID]
		if j == nil {
			continue
		}
		dials, next, why := r.join(t, j, now)
		until = sooner(until, next)
		r.tellJoin(t, j, why)
		for _, d := range dials {
			if d.Kind == replicate.KindCopy && copies {
				continue // one at a time: each is as fast as disks are
			}
			copies = copies || d.Kind == replicate.KindCopy
			if !slices.Contains(list, d) {
				list = append(list, d)
			}
		}
	}
	return list, until
}

// join decides what one table wants, or says what it waits for.
func (r *Replica) join(t table.Table, j *joining, now time.Time) (list []Dial, until time.Time, why string) {
	if over, waits := r.settleJoin(t, j); waits {
		return nil, now.Add(joinPoll), ""
	} else if over {
		return nil, until, ""
	}
	holders := r.holdersOf(t)
	var unknown []string
	for _, h := range holders {
		if j.known[h.ID] {
			continue
		}
		if p := r.peers[h.Region]; p == nil || !p.connected {
			unknown = append(unknown, h.Region)
			continue
		}
		list = append(list, Dial{Peer: h.Region, Kind: replicate.KindTail})
	}
	if len(unknown) > 0 {
		return list, until, "until " + strings.Join(unknown, " and ") + " can be reached: every region that has the table must know first that it is copied"
	}
	if len(list) > 0 {
		return list, until, ""
	}
	state, begun := r.config.Store.Join(t.ID)
	if !begun || state.Since != j.since || !state.Scanned {
		return r.copyFrom(t, j, state, begun && state.Since == j.since, now)
	}
	for _, h := range holders {
		if _, left := state.Tails[h.ID]; !left {
			continue
		}
		if p := r.peers[h.Region]; p == nil || !p.connected {
			why = "for the log of " + h.Region + ", which cannot be reached"
			continue
		}
		return []Dial{{Peer: h.Region, Kind: replicate.KindTail, Table: t.ID}}, until, "" // one at a time: they share their progress
	}
	if why == "" { // what is left is of regions that have left: nothing of them is missing
		j.marking, _ = r.config.Store.BeginMarkWhole(map[record.TableID]uint64{t.ID: j.since})
		return nil, now, ""
	}
	return nil, until, why
}

// copiesAll reports whether this region copies all tables that it shares with a
// peer: what the peer's log has of them comes with the copies. The caller holds mu.
func (r *Replica) copiesAll(peer record.RegionID) bool {
	shared := 0
	for _, t := range r.control.Tables {
		if !holds(t, peer) || !holds(t, r.self) {
			continue
		}
		if r.copying[t.ID] == nil {
			return false
		}
		shared++
	}
	return shared > 0
}

// settleJoin finishes what was begun and is durable: that a copy begins anew, or is
// over. It answers whether there is something to wait for.
func (r *Replica) settleJoin(t table.Table, j *joining) (over, waits bool) {
	for _, p := range []**store.Pending[store.None]{&j.restart, &j.marking} {
		if *p == nil {
			continue
		}
		if !(*p).Ready() {
			return false, true
		}
		_, err := (*p).Finish()
		over = err == nil && p == &j.marking
		*p = nil
	}
	if over {
		r.copied(t.ID, j)
	}
	return over, false
}

// holdersOf are the others that have all of a table. One that copies it, too, has
// nothing of its own: it takes no writes until control says that it has all, and
// ships us the later ones.
func (r *Replica) holdersOf(t table.Table) (list []table.Replica) {
	for _, x := range t.Holders() {
		if x.ID != r.self && x.Complete() {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(x, y table.Replica) int { return cmp.Compare(x.ID, y.ID) })
	return list
}

// copyFrom chooses the donor: the one that the copy began with, for as long as it
// is there, or the nearest.
func (r *Replica) copyFrom(t table.Table, j *joining, state store.Join, begun bool, now time.Time) (list []Dial, until time.Time, why string) {
	var nearest *peer
	for _, h := range r.holdersOf(t) {
		p := r.peers[h.Region]
		if p == nil || !p.connected {
			if begun && h.ID == state.Donor {
				if j.missed.IsZero() {
					j.missed = now
				}
				if due := j.missed.Add(r.config.RelayAfter); now.Before(due) {
					return nil, due, ""
				}
			}
			continue
		}
		if begun && h.ID == state.Donor {
			nearest = p
			break
		}
		if nearest == nil || p.latency < nearest.latency {
			nearest = p
		}
	}
	if nearest == nil {
		return nil, until, "until a region that has all of it can be reached"
	}
	if begun && nearest.ID == state.Donor {
		j.missed = time.Time{}
	}
	return []Dial{{Peer: nearest.Name, Kind: replicate.KindCopy, Table: t.ID}}, until, ""
}

// tellJoin tells once what a copy waits for; the caller holds mu.
func (r *Replica) tellJoin(t table.Table, j *joining, why string) {
	if why == j.told {
		return
	}
	j.told = why
	if why != "" {
		r.joinNews = append(r.joinNews, joinNews{t.Name, "waits " + why})
	}
}

// joinNews is to be told when mu is free.
type joinNews struct{ table, text string }

// takeNews answers what is to be told, once.
func (r *Replica) takeNews() []joinNews {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.joinNews
	r.joinNews = nil
	return list
}

// tellNews tells what has gathered.
func (r *Replica) tellNews() {
	for _, n := range r.takeNews() {
		if r.config.Events.Join != nil {
			r.config.Events.Join(n.table, n.text)
		}
	}
}

// known notes that a region counts this one for its tables.
func (r *Replica) known(by record.RegionID, tables []replicate.AskTable) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range tables {
		if j := r.copying[x.Table]; j != nil && j.since == x.Since {
			j.known[by] = true
		}
	}
	r.wake()
}

// Joining is how far a table has come that is being copied.
type Joining struct {
	Table string
	// From is the donor; empty before there is one.
	From string
	// Done is the part that is here, from 0 to 1; Records how many that are.
	Done    float64
	Records uint64
	// Rate is records a second, Left the time that the rest will take; zero as long
	// as that cannot be said.
	Rate float64
	Left time.Duration
	// Waits says what it waits for; empty while it goes on.
	Waits string
	// Restarts counts how often it began anew.
	Restarts uint64
}

// Joins answers the tables that are being copied.
func (r *Replica) Joins() []Joining {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config.Now()
	var list []Joining
	for _, t := range r.control.Tables {
		j := r.copying[t.ID]
		if j == nil {
			continue
		}
		state, _ := r.config.Store.Join(t.ID)
		x := Joining{Table: t.Name, From: j.donor, Waits: j.told, Done: j.done, Records: max(j.records, state.Records), Restarts: state.Restarts}
		if state.Scanned {
			x.Done = max(x.Done, 0.99) // what is left are the logs since
		}
		if took := now.Sub(j.began).Seconds(); !j.began.IsZero() && took > 0 && j.records > j.before {
			x.Rate = float64(j.records-j.before) / took
			if total := float64(x.Records) / max(x.Done, 1e-6); !state.Scanned {
				x.Left = time.Duration((total - float64(x.Records)) / x.Rate * float64(time.Second))
			}
		}
		list = append(list, x)
	}
	return list
}

// whole notes that a table has been copied, once that is durable; the next state of
// control says so to all.
func (r *Replica) whole(id record.TableID, since uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j := r.copying[id]; j != nil && j.since == since {
		r.copied(id, j)
	}
	r.wake()
}

// copied is whole; the caller holds mu.
func (r *Replica) copied(id record.TableID, j *joining) {
	delete(r.copying, id)
	r.joinNews = append(r.joinNews, joinNews{r.tables[id].Name, fmt.Sprintf("is copied: %d items", j.records)})
}
