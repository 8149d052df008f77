package region

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// timeoutPromote bounds a promotion, the wait for a lease included: below what
// clients of the admin API allow for a change.
const timeoutPromote = 45 * time.Second

// promoteReply carries a promotion's outcome from the region that is promoted to
// the one that was asked.
type promoteReply struct {
	Promoted client.Promoted `json:"promoted"`
	Refused  *client.Error   `json:"refused,omitempty"`
}

// Promote makes a region the primary of a table. The region itself does it: it
// knows best what it lacks.
func (r *Region) Promote(ctx context.Context, in client.PromoteRequest) (client.Promoted, error) {
	a := r.applied.Load()
	if a == nil {
		return client.Promoted{}, errStarting
	}
	t, ok := a.state.Table(in.Table)
	if !ok {
		return client.Promoted{}, client.Errorf(client.CodeNotFound, "there is no table %q; %s", in.Table, tablesWithPrimary(a.state))
	}
	if t.Primary == "" {
		return client.Promoted{}, client.Errorf(client.CodeInvalid, "table %s has no primary, each of its regions takes writes; %s", t.Name, tablesWithPrimary(a.state))
	}
	if !t.In(in.To) {
		return client.Promoted{}, client.Errorf(client.CodeNotFound, "%q does not hold table %s; its regions are %s", in.To, t.Name, strings.Join(t.Regions(), ", "))
	}
	ctx, cancel := context.WithTimeout(ctx, timeoutPromote)
	defer cancel()
	if in.To == r.cfg.Name {
		return r.promoteSelf(ctx, t, in)
	}
	payload, err := json.Marshal(in)
	if err != nil {
		return client.Promoted{}, err
	}
	raw, err := r.link.Post(ctx, in.To, postPromote, payload)
	if err != nil {
		return client.Promoted{}, client.Errorf(client.CodeUnavailable, "%s, which is to be promoted, does not answer: %v", in.To, err)
	}
	var reply promoteReply
	if err := json.Unmarshal(raw, &reply); err != nil {
		return client.Promoted{}, fmt.Errorf("read the answer of %s: %w", in.To, err)
	}
	if reply.Refused != nil {
		return client.Promoted{}, reply.Refused
	}
	r.settle(ctx, reply.Promoted.Revision)
	return reply.Promoted, nil
}

func tablesWithPrimary(s *control.State) string {
	var names []string
	for _, t := range s.Tables {
		if t.Primary != "" {
			names = append(names, t.Name)
		}
	}
	if names == nil {
		return "no table of this world has a primary"
	}
	return "the tables with a primary are " + strings.Join(names, ", ")
}

// handlePromote promotes this region for another one that was asked to.
func (r *Region) handlePromote(ctx context.Context, from string, payload []byte) ([]byte, error) {
	var in client.PromoteRequest
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fmt.Errorf("read the promotion that %s asks for: %w", from, err)
	}
	if in.To != r.cfg.Name {
		return nil, fmt.Errorf("%s was asked to promote %s", r.cfg.Name, in.To)
	}
	var reply promoteReply
	promoted, err := r.Promote(ctx, in)
	reply.Promoted = promoted
	if err != nil && !errors.As(err, &reply.Refused) {
		return nil, err
	}
	return json.Marshal(reply)
}

// promoteSelf makes this region the primary of a table.
func (r *Region) promoteSelf(ctx context.Context, t table.Table, in client.PromoteRequest) (client.Promoted, error) {
	d := r.data.Load()
	if d == nil || !r.Ready() {
		return client.Promoted{}, client.Errorf(client.CodeUnavailable, "%s is starting: try again when status says that it serves", r.cfg.Name)
	}
	out := client.Promoted{Table: t.Name, From: t.Primary, To: in.To, Epoch: t.Epoch + 1}
	if in.Force {
		return r.force(ctx, d, t, in, out)
	}
	if t.Primary == r.cfg.Name {
		out.Epoch, out.Revision = t.Epoch, r.revision()
		out.Text = fmt.Sprintf("%s is the primary of table %s already", r.cfg.Name, t.Name)
		return out, nil
	}
	payload, err := json.Marshal(handoverRequest{Table: t.Name, Epoch: t.Epoch})
	if err != nil {
		return out, err
	}
	var reply handoverReply
	raw, err := r.link.Post(ctx, t.Primary, postHandover, payload)
	if err == nil {
		err = json.Unmarshal(raw, &reply)
	}
	switch {
	case err != nil:
		return out, client.Errorf(client.CodeUnavailable, "%s, the primary, does not answer: %v; if it is lost, --force promotes %s without it", t.Primary, err, in.To)
	case reply.Refused != "":
		return out, client.Errorf(client.CodeUnavailable, "%s keeps table %s: %s", t.Primary, t.Name, reply.Refused)
	}
	began := time.Now()
	out.Revision = reply.Revision
	if err := d.primaries.awaitSeat(ctx, t.Name, out.Epoch); err != nil {
		return out, client.Errorf(client.CodeUncertain, "%s has been promoted and does not take writes yet: %v", in.To, err)
	}
	out.PauseMillis = millis(reply.Pause + time.Since(began))
	out.Text = fmt.Sprintf("%s is the primary of table %s in epoch %d; nothing is lost, and the table took no writes for %.0f ms", in.To, t.Name, out.Epoch, out.PauseMillis)
	return out, nil
}

// force promotes this region without the primary's help. It first says what that
// may cost, and acts only if it is told yes.
func (r *Region) force(ctx context.Context, d *data, t table.Table, in client.PromoteRequest, out client.Promoted) (client.Promoted, error) {
	loss := r.assess(ctx, d, t)
	out.Loss = &loss
	if !in.Yes {
		out.Asked = true
		out.Text = loss.Text
		return out, nil
	}
	state, err := r.control.Promote(ctx, control.Promotion{Table: t.Name, From: t.Primary, Epoch: t.Epoch, To: in.To})
	if err != nil {
		return out, callError(err)
	}
	out.Revision = state.Revision
	began := time.Now()
	d.primaries.wake()
	if err := d.primaries.awaitSeat(ctx, t.Name, out.Epoch); err != nil {
		return out, client.Errorf(client.CodeUncertain, "%s has been promoted and does not take writes yet: %v", in.To, err)
	}
	out.PauseMillis = millis(time.Since(began))
	out.Text = fmt.Sprintf("%s is the primary of table %s in epoch %d, after %.1f s in which the lease of %s ran out. What that took and did not ship becomes receipts when it is back",
		in.To, t.Name, out.Epoch, out.PauseMillis/1000, t.Primary)
	return out, nil
}

// standing is what a region has of the writes of a table's primary.
type standing struct {
	Region string `json:"region"`
	// Up is the time up to which it has all of them.
	Up hlc.Time `json:"up"`
	// Entries that it knew to exist and does not have.
	Entries uint64 `json:"entries"`
	// Connected says that it still pulls from there.
	Connected bool `json:"connected"`
}

// standingOf is what this region has.
func (d *data) standingOf(r *Region, primary record.RegionID, name string) standing {
	s := standing{Region: r.cfg.Name, Up: d.store.Report().Applied[primary]}
	if lag, ok := d.replica.Lag()[name]; ok {
		s.Entries, s.Connected = lag.Entries, lag.Connected
	}
	return s
}

// assess says what a forced promotion may lose, as far as the survivors know.
func (r *Region) assess(ctx context.Context, d *data, t table.Table) client.Loss {
	if t.Primary == r.cfg.Name {
		return client.Loss{Text: fmt.Sprintf("%s keeps what it has of table %s, in a new epoch: what it lost with its disk and no other region has is gone", r.cfg.Name, t.Name)}
	}
	own := d.standingOf(r, t.PrimaryID(), t.Primary)
	best := own
	for _, s := range r.survivors(ctx, t) {
		if s.Up > best.Up {
			best = s
		}
	}
	now := time.Now()
	loss := client.Loss{Records: own.Entries, Seconds: max(0, now.Sub(own.Up.Wall()).Seconds()), Up: own.Up.Wall()}
	if own.Up == 0 {
		loss.Seconds, loss.Up = -1, time.Time{}
		loss.Text = fmt.Sprintf("%s has never heard of a write of %s: all that it wrote and has not shipped is left out", r.cfg.Name, t.Primary)
		return loss
	}
	loss.Text = fmt.Sprintf("%s has all that %s wrote to table %s up to %s, %.1f s ago; of %d records it knows that they exist, and does not have them. What %[2]s took since is not known here: it is left out, and kept as receipts if %[2]s comes back",
		r.cfg.Name, t.Primary, t.Name, own.Up.Wall().UTC().Format("15:04:05.000"), loss.Seconds, loss.Records)
	if best.Region != own.Region {
		loss.Text += fmt.Sprintf(". %s has %.1f s more of it: promote that one to lose less", best.Region, best.Up.Wall().Sub(own.Up.Wall()).Seconds())
		loss.Better = best.Region
	}
	if own.Connected {
		loss.Text += fmt.Sprintf(". %s answers: without --force nothing would be lost", t.Primary)
	}
	return loss
}

// survivors asks the other regions of a table what they have of its primary's
// writes; those that do not answer within a second are left out.
func (r *Region) survivors(ctx context.Context, t table.Table) (all []standing) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var mu sync.Mutex // guards all
	var asking sync.WaitGroup
	for _, region := range t.Regions() {
		if region == r.cfg.Name || region == t.Primary {
			continue
		}
		asking.Go(func() {
			raw, err := r.link.Post(ctx, region, postStanding, []byte(t.Name))
			var s standing
			if err != nil || json.Unmarshal(raw, &s) != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, s)
		})
	}
	asking.Wait()
	slices.SortFunc(all, func(a, b standing) int { return strings.Compare(a.Region, b.Region) })
	return all
}

// handleStanding answers what this region has of a primary's writes.
func (r *Region) handleStanding(_ context.Context, _ string, payload []byte) ([]byte, error) {
	d, a := r.data.Load(), r.applied.Load()
	if d == nil || a == nil {
		return nil, errors.New("the region is starting")
	}
	t, ok := a.state.Table(string(payload))
	if !ok {
		return nil, control.ErrTableUnknown
	}
	return json.Marshal(d.standingOf(r, t.PrimaryID(), t.Primary))
}
