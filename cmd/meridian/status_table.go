package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
)

// eventsShown is how many of the latest events status shows.
const eventsShown = 8

// writeStatus prints the world for a person, at most about 120 columns wide.
func writeStatus(w io.Writer, s style, status client.Status) {
	v := &statusView{w: w, style: s, Status: status}
	v.heading()
	v.regions()
	v.services()
	v.lag()
	v.tables()
	v.events()
}

// statusView writes one status in sections.
type statusView struct {
	client.Status
	w     io.Writer
	style style
}

func (v *statusView) heading() {
	c := v.Control
	quorum := "quorum"
	if !c.Quorum {
		quorum = v.style.red("no quorum") + v.forLong(c.QuorumSince) + ": serving goes on, changes wait"
		if c.Revision == 0 {
			quorum = v.style.red("no quorum yet") + ": the world is not known here, so nothing is served"
		}
	}
	source := ""
	if c.SpecSource != "" {
		source = " (" + plain(c.SpecSource) + ")"
	}
	fmt.Fprintf(v.w, "%s  %s  spec %d%s  control revision %d, %s\n",
		v.style.bold(v.World), v.Domain, c.SpecRevision, source, c.Revision, quorum)
	if c.Conflict != "" {
		v.note(v.style.red("control is split: ") + plain(c.Conflict))
	}
	if c.SpecDiffers != "" {
		v.note("the spec file differs from the applied spec: " + c.SpecDiffers)
	}
	if len(c.Members) > 0 {
		names := make([]string, len(c.Members))
		for i, m := range c.Members {
			names[i] = m.Name
			if m.Witness {
				names[i] += " (witness)"
			}
			if m.Learner {
				names[i] += " (follows, has no vote)"
			}
			if m.Leader {
				names[i] += " (leads)"
			}
		}
		fmt.Fprintf(v.w, "%s %s\n", v.style.dim("voters"), strings.Join(names, ", "))
	}
}

func (v *statusView) regions() {
	fmt.Fprintln(v.w)
	t := &table{style: v.style}
	t.row("REGION", "PLACE", "STATE", "HEALTH", "DNS ANSWERS", "LOG", "CONFLICTS", "CERTIFICATE", "VERSION", "API")
	for _, r := range v.Regions {
		certificate := "-"
		if r.CertificateDays != nil {
			certificate = fmt.Sprintf("%.0f days", *r.CertificateDays)
		}
		t.row(v.style.bold(r.Name), cmp.Or(plain(r.Place), "-"), v.state(r.State), v.verdict(r.Health.Verdict),
			fmt.Sprint(v.answersFor(r.Name)), fmt.Sprint(r.BacklogEntries), fmt.Sprint(r.Conflicts),
			certificate, cmp.Or(plain(r.Version), "-"), cmp.Or(r.Addresses.API, "-"))
	}
	t.write(v.w)
	for _, r := range v.Regions {
		v.regionNotes(r)
	}
	for _, x := range v.Removals {
		if x.State == client.RemovalGone {
			fmt.Fprintln(v.w, v.style.dim("gone "+plain(x.Region)+lastWrite(x)))
			continue
		}
		v.note(plain(removalWords(x)))
	}
}

// copyProgress says how far a copy is.
func copyProgress(c client.Joining) string {
	text := fmt.Sprintf("%.0f %%, %d items", 100*c.Done, c.Records)
	if c.From != "" {
		text += " from " + plain(c.From)
	}
	if c.Rate > 0 {
		text += fmt.Sprintf(", %.0f/s", c.Rate)
	}
	if c.SecondsLeft >= 1 {
		text += fmt.Sprintf(", %v left", (time.Duration(c.SecondsLeft) * time.Second).String())
	}
	if c.Restarts > 0 {
		text += fmt.Sprintf(", begun anew %d times", c.Restarts)
	}
	if c.Waits != "" {
		text += "; it waits " + plain(c.Waits)
	}
	return text
}

// regionNotes says in lines what a cell has no room for.
func (v *statusView) regionNotes(r client.Region) {
	name := v.style.bold(r.Name)
	if r.Health.Verdict != client.Healthy && r.Health.Reason != "" {
		v.note(fmt.Sprintf("%s is %s%s: %s", name, r.Health.Verdict, v.forLong(r.Health.Since), because(r.Health)))
	}
	if !r.Ready && r.NotReady != "" {
		v.note(fmt.Sprintf("%s is not ready: %s", name, plain(r.NotReady)))
	}
	if !r.Reached && r.Error != "" {
		v.note(fmt.Sprintf("%s did not tell its figures: %s", name, plain(r.Error)))
	}
	for _, c := range r.Joining {
		v.note(fmt.Sprintf("%s copies table %s: %s", name, plain(c.Table), copyProgress(c)))
	}
	if len(r.LetGo) > 0 {
		v.note(fmt.Sprintf("%s has let go of log entries that %s had not come for: it will be sent all records anew", name, plain(strings.Join(r.LetGo, " and "))))
	}
	if r.BacklogUsed >= 0.8 {
		v.note(fmt.Sprintf("%s keeps a change log for its peers that is %.0f %% of what is allowed", name, 100*r.BacklogUsed))
	}
	if r.Isolated {
		v.note(name + " hears no peer and no reference point: it keeps its last verdicts")
	}
	if r.ReadOnly != "" {
		v.note(fmt.Sprintf("%s refuses writes: %s", name, plain(r.ReadOnly)))
	}
	for _, c := range r.Copies {
		what := "are acknowledged with one copy" + v.forLong(c.Since)
		if c.Refused {
			what = "are refused"
		}
		v.note(fmt.Sprintf("writes to table %s in %s %s: no other region can be reached", c.Table, name, what))
	}
	v.heldBack(r)
	for _, d := range r.Drains {
		what := "is drained"
		if d.Service != "" {
			what = "is drained of " + d.Service
		}
		why := ""
		if d.Why != "" {
			why = ": " + plain(d.Why)
		}
		v.note(fmt.Sprintf("%s %s %s%s", name, what, until(d.Until, v.At), why))
	}
}

// heldBack says whom a region's tables wait for before they can forget.
func (v *statusView) heldBack(r client.Region) {
	for _, held := range r.HeldBack {
		why := fmt.Sprintf("%s has told nothing of %s", held.By, held.Of)
		switch {
		case held.Copying:
			why = held.By + " is still copying the table"
		case held.By == r.Name:
			why = fmt.Sprintf("it has heard nothing of %s%s", held.Of, v.forLong(held.Since))
		case !held.Since.IsZero():
			why += v.forLong(held.Since)
		}
		v.note(fmt.Sprintf("%s keeps %s of table %s and %d log entries: %s",
			v.style.bold(r.Name), deletes(held.Tombstones), plain(held.Table), held.Entries, why))
	}
}

// deletes counts deletes; the API counts no more than ten thousand.
func deletes(n uint64) string {
	switch {
	case n == 1:
		return "1 delete"
	case n >= 10_000:
		return "10,000 deletes or more"
	}
	return fmt.Sprintf("%d deletes", n)
}

// because is why a verdict is what it is, without saying the verdict again, and
// who saw it unless the reason names them.
func because(h client.Health) string {
	reason := strings.TrimPrefix(plain(h.Reason), h.Verdict+": ")
	var names []string
	for _, s := range h.Seen {
		if s.Fresh && !s.Healthy {
			names = append(names, s.Observer)
		}
	}
	if len(names) == 0 || strings.Contains(reason, names[0]) {
		return reason
	}
	return reason + " (seen by " + strings.Join(names, ", ") + ")"
}

func (v *statusView) services() {
	observers := v.observers()
	for _, service := range v.Services {
		fmt.Fprintf(v.w, "\n%s  %s  %s, TTL %d s\n", v.style.bold(service.Name), service.Host, service.Policy, service.TTLSeconds)
		if service.FailOpen {
			v.note("no region is healthy: all are answered (fail open)")
		}
		t := &table{style: v.style}
		heading := []string{"REGION", "ANSWERED", "HEALTH"}
		for _, o := range observers {
			heading = append(heading, "BY "+o)
		}
		t.row(append(heading, "REQUESTS", "ERRORS", "P50", "P99", "INSTANCES")...)
		for _, r := range service.Regions {
			t.row(v.serviceRow(service, r, observers)...)
		}
		t.write(v.w)
		for _, r := range service.Regions {
			if why := cmp.Or(r.Excluded, r.Health.Reason); why != "" && (!r.Answered || r.Health.Verdict != client.Healthy) {
				v.note(fmt.Sprintf("%s: %s", v.style.bold(r.Region), plain(why)))
			}
		}
	}
}

func (v *statusView) serviceRow(service client.Service, r client.ServiceRegion, observers []string) []string {
	row := []string{r.Region, v.yes(r.Answered), v.verdict(r.Health.Verdict)}
	for _, o := range observers {
		row = append(row, v.seen(r.Health.Seen, o))
	}
	traffic := client.Traffic{}
	for _, region := range v.Regions {
		if region.Name != r.Region {
			continue
		}
		for _, t := range region.Traffic {
			if t.Service == service.Name {
				traffic = t
			}
		}
	}
	failed := fmt.Sprint(traffic.Errors)
	if traffic.Errors > 0 {
		failed = v.style.yellow(failed)
	}
	return append(row, fmt.Sprint(traffic.Requests), failed, millis(traffic.P50Millis), millis(traffic.P99Millis), fmt.Sprint(traffic.Instances))
}

// observers are all who saw any service, in the order of the regions.
func (v *statusView) observers() []string {
	var names, others []string
	seen := map[string]bool{}
	for _, service := range v.Services {
		for _, r := range service.Regions {
			for _, s := range r.Health.Seen {
				seen[s.Observer] = true
			}
		}
	}
	for _, r := range v.Regions {
		if seen[r.Name] {
			names = append(names, r.Name)
			delete(seen, r.Name)
		}
	}
	for name := range seen {
		others = append(others, name)
	}
	slices.Sort(others)
	return append(names, others...)
}

// seen is what one observer saw: ok, its reason, or how old its word is.
func (v *statusView) seen(all []client.Seen, observer string) string {
	for _, s := range all {
		switch {
		case s.Observer != observer:
		case !s.Fresh:
			return v.style.dim("silent " + seconds(s.AgeSeconds))
		case s.Healthy:
			return v.style.green("ok") + " " + millis(s.Millis)
		default:
			return v.style.red("fails")
		}
	}
	return "-"
}

// lag is a matrix: each region's distance behind each of the others.
func (v *statusView) lag() {
	t := &table{style: v.style}
	heading := []string{"REPLICATION"}
	for _, r := range v.Regions {
		heading = append(heading, "BEHIND "+r.Name)
	}
	t.row(heading...)
	var notes []string
	any := false
	for _, r := range v.Regions {
		row := []string{r.Name}
		for _, peer := range v.Regions {
			cell := "-"
			for _, lag := range r.Lag {
				if lag.Peer != peer.Name {
					continue
				}
				any = true
				cell = v.lagCell(lag)
				if !lag.Connected && lag.LastError != "" {
					notes = append(notes, fmt.Sprintf("%s does not reach %s: %s", v.style.bold(r.Name), peer.Name, plain(lag.LastError)))
				}
			}
			row = append(row, cell)
		}
		t.row(row...)
	}
	if !any {
		return
	}
	fmt.Fprintln(v.w)
	t.write(v.w)
	for _, note := range notes {
		v.note(note)
	}
}

func (v *statusView) lagCell(lag client.Lag) string {
	entries := ""
	if lag.Entries > 0 {
		entries = fmt.Sprintf(", %d entries", lag.Entries)
	}
	if !lag.Connected {
		return v.style.red("apart") + v.forLong(lag.Since) + entries
	}
	if lag.Seconds >= neverSent {
		return "copying"
	}
	return seconds(lag.Seconds) + entries
}

// neverSent is the lag, in seconds, behind a peer that has sent nothing that it wrote
// yet: it counts from 1970.
const neverSent = 20 * 365 * 86400

func (v *statusView) tables() {
	if len(v.Tables) == 0 {
		return
	}
	fmt.Fprintln(v.w)
	t := &table{style: v.style}
	head := []string{"TABLE", "STATE", "OWNER", "WRITTEN IN", "COPIES", "REGIONS"}
	images := v.images()
	if len(images) > 0 {
		head = append(head, "IMAGES")
	}
	t.row(head...)
	for _, one := range v.Tables {
		cells := []string{one.Name, strings.ToLower(one.State), one.Owner, v.writtenIn(one), copiesOf(one), strings.Join(one.Regions, ", ")}
		if len(images) > 0 {
			cells = append(cells, cmp.Or(images[one.Name], "-"))
		}
		t.row(cells...)
	}
	t.write(v.w)
	for _, one := range v.Tables {
		if one.Primary != "" && (one.Lease == nil || one.Lease.Why != "") {
			why := "nothing is heard of " + one.Primary
			if one.Lease != nil {
				why = one.Lease.Why
			}
			v.note(fmt.Sprintf("table %s takes no writes, as far as is known here: %s", v.style.bold(one.Name), plain(why)))
		}
	}
}

// writtenIn is who takes a table's writes, in which epoch and for how long before
// the lease has to be renewed.
func (v *statusView) writtenIn(t client.Table) string {
	if t.Primary == "" {
		return "every region"
	}
	lease := v.style.red("no lease")
	if t.Lease != nil && t.Lease.LeftMillis > 0 {
		lease = "lease " + seconds(t.Lease.LeftMillis/1000)
	}
	return fmt.Sprintf("%s, epoch %d, %s", t.Primary, t.Epoch, lease)
}

// copiesOf is in how many regions a write is before it is acknowledged. With one,
// what was written within the replication lag is lost with the region's disk.
func copiesOf(t client.Table) string {
	if t.Copies < 2 {
		return "1"
	}
	return fmt.Sprintf("%d, or %s", t.Copies, t.Otherwise)
}

// images says of each table since when its changes are kept, and how much of
// them, in the region that answered, or else in another one.
func (v *statusView) images() map[string]string {
	out := map[string]string{}
	for _, r := range v.Regions {
		for _, log := range r.Images {
			if out[log.Table] == "" || r.Name == v.Answered {
				out[log.Table] = fmt.Sprintf("since %s, %.1f MB", log.Since.Local().Format("Jan 2 15:04"), float64(log.Bytes)/(1<<20))
			}
		}
	}
	return out
}

func (v *statusView) events() {
	if len(v.Events) == 0 {
		return
	}
	fmt.Fprintln(v.w)
	printEvents(v.w, v.style, v.Events[max(0, len(v.Events)-eventsShown):])
}

// answersFor counts the DNS answers of all nameservers that led to region.
func (v *statusView) answersFor(region string) uint64 {
	var n uint64
	for _, r := range v.Regions {
		n += r.Answers[region]
	}
	return n
}

func (v *statusView) verdict(verdict string) string {
	switch verdict {
	case client.Healthy:
		return v.style.green(verdict)
	case client.Unhealthy:
		return v.style.red(verdict)
	}
	return v.style.yellow(cmp.Or(verdict, client.Unknown))
}

func (v *statusView) state(state string) string {
	switch state {
	case client.StateServing:
		return v.style.green(state)
	case client.StateStopped, client.StateUnreachable:
		return v.style.red(state)
	}
	return v.style.yellow(cmp.Or(state, "unknown"))
}

func (v *statusView) yes(yes bool) string {
	if yes {
		return v.style.green("yes")
	}
	return v.style.yellow("no")
}

// forLong is " for 12 s" since then, or nothing if that is not known.
func (v *statusView) forLong(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	return " for " + seconds(max(0, v.At.Sub(since).Seconds()))
}

func (v *statusView) note(text string) {
	fmt.Fprintf(v.w, "%s %s\n", v.style.yellow("!"), text)
}
