package region

import (
	"fmt"
	"strings"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// logNearsLimit tells that the log which is kept for peers nears its limits, or is
// let go: those that need it are sent all records anew when they come.
func (r *Region) logNearsLimit(b store.Backlog) {
	waiting := strings.Join(r.regionNames(b.Waiting), " and ")
	text := fmt.Sprintf("the change log of %s is %.0f %% of what is kept: %s has not come for it", r.cfg.Name, 100*b.Used, waiting)
	if b.Used >= 1 {
		text = fmt.Sprintf("the change log of %s is let go: %s has not come for it, and will be sent all records anew", r.cfg.Name, waiting)
	}
	r.happened(event.Event{Kind: event.Lost, Region: r.cfg.Name, Text: text})
}

// relayed tells that a survivor gave what it had of a region that is gone.
func (r *Region) relayed(peer, origin string, records int) {
	r.happened(event.Event{Kind: event.CaughtUp, Region: r.cfg.Name, Text: fmt.Sprintf("%s has got %d writes of %s, which it lacked, from %s", r.cfg.Name, records, origin, peer)})
}

// copying tells how the copying of a table goes.
func (r *Region) copying(table, text string) {
	r.happened(event.Event{Kind: event.Replica, Region: r.cfg.Name, Text: fmt.Sprintf("the copy of table %s to %s %s", table, r.cfg.Name, text)})
}

func (r *Region) regionNames(ids []record.RegionID) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = fmt.Sprint("region ", id)
		if a := r.applied.Load(); a != nil {
			for _, x := range a.state.Regions {
				if x.ID == id {
					names[i] = x.Name
				}
			}
		}
	}
	return names
}

// copied is how much of a table a region has that copies it, from 0 to 1, as it
// has told.
func (r *Region) copied(t table.Table, region string) (part float64, ok bool) {
	w, _, _ := r.gossip.last(region)
	told := w.Region
	if d := r.data.Load(); region == r.cfg.Name && d != nil {
		d.describeJoining(r, &told)
	}
	for _, j := range told.Joining {
		if j.Table == t.Name {
			return j.Done, true
		}
	}
	return 0, false
}

// describeJoining fills in what is being copied, and for whom the log is kept.
func (d *data) describeJoining(r *Region, s *client.Region) {
	if b, err := d.store.Backlog(); err == nil {
		s.BacklogBytes, s.BacklogUsed = b.Bytes, b.Used
		s.LetGo = r.regionNames(b.LetGo)
	}
	for _, j := range d.replica.Joins() {
		s.Joining = append(s.Joining, client.Joining{
			Table: j.Table, From: j.From, Done: j.Done, Records: j.Records,
			Rate: j.Rate, SecondsLeft: j.Left.Seconds(), Waits: j.Waits, Restarts: j.Restarts,
		})
	}
}
