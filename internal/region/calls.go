package region

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/nameserver"
	"github.com/meridian-run/meridian/internal/place"
	"github.com/meridian-run/meridian/internal/route"
	"github.com/meridian-run/meridian/spec"
)

var errStarting = client.Errorf(client.CodeUnavailable, "the region is starting and does not know its world yet; try again in a few seconds")

// Lookup explains what the nameserver answers.
func (r *Region) Lookup(_ context.Context, q client.LookupRequest) (client.Lookup, error) {
	return r.explain(q, func(name string, from netip.Prefix) (nameserver.Explanation, error) {
		return r.nameserver.Explain(name, from)
	})
}

// LookupAnswered explains why a region has been answered.
func (r *Region) LookupAnswered(q client.LookupRequest, region string) (client.Lookup, error) {
	return r.explain(q, func(name string, from netip.Prefix) (nameserver.Explanation, error) {
		return r.nameserver.ExplainAnswered(name, from, region)
	})
}

func (r *Region) explain(q client.LookupRequest, explain func(string, netip.Prefix) (nameserver.Explanation, error)) (client.Lookup, error) {
	a := r.applied.Load()
	if a == nil || r.nameserver == nil {
		return client.Lookup{}, errStarting
	}
	prefix, err := ClientNetwork(q.From)
	if err != nil {
		return client.Lookup{}, err
	}
	e, err := explain(q.Name, prefix)
	switch {
	case errors.Is(err, nameserver.ErrNotReady):
		return client.Lookup{}, client.Errorf(client.CodeUnavailable, "%v", err)
	case errors.Is(err, nameserver.ErrUnknownName):
		return client.Lookup{}, client.Errorf(client.CodeNotFound, "nothing here is called %q; the services are %s", q.Name, strings.Join(serviceNames(a.world), ", "))
	case err != nil:
		return client.Lookup{}, err
	}
	return r.lookupOf(a, e), nil
}

func serviceNames(w *spec.World) []string {
	var names []string
	for _, s := range w.Services {
		names = append(names, s.Name+" ("+s.Host+")")
	}
	return names
}

func (r *Region) lookupOf(a *applied, e nameserver.Explanation) client.Lookup {
	out := client.Lookup{
		Answered: r.cfg.Name, Name: e.Name, Service: e.Service, Policy: string(e.Decision.Policy),
		Scope: e.Scope, TTLSeconds: int(e.TTL.Seconds()), Rule: string(e.Decision.Rule), Reason: e.Reason,
		FailOpen: e.Decision.FailOpen,
	}
	if e.Client.IsValid() {
		out.Client = e.Client.String()
		if at := a.locator.Locate(e.Client); at.Known {
			out.Place = at.Place.Name
		}
	}
	for _, region := range e.Decision.Regions {
		out.Answers = append(out.Answers, r.answerOf(a, region))
	}
	if len(out.Answers) == 0 && e.Region != "" {
		out.Answers = []client.Answer{r.answerOf(a, e.Region)}
	}
	for _, x := range e.Decision.Excluded {
		out.Excluded = append(out.Excluded, client.Excluded{
			Region: x.Region, Why: x.Sentence(), SeenBy: x.SeenBy,
		})
	}
	if server, err := netip.ParseAddrPort(r.cfg.Addresses(a.world, r.cfg.Name).DNS); err == nil {
		out.Dig = e.Dig(server)
	}
	return out
}

func (r *Region) answerOf(a *applied, region string) client.Answer {
	at := r.cfg.Addresses(a.world, region)
	answer := client.Answer{Region: region, API: at.Gateway}
	if len(at.Answer) > 0 {
		answer.Address = at.Answer[0].String()
	}
	return answer
}

// ClientNetwork is the network that a --from names: a built-in place's own, an
// address as /32 or /128, or a prefix. Empty gives the zero Prefix, a client of
// whom nothing is known.
func ClientNetwork(from string) (netip.Prefix, error) {
	if from == "" {
		return netip.Prefix{}, nil
	}
	if p, err := netip.ParsePrefix(from); err == nil {
		return p.Masked(), nil
	}
	if ip, err := netip.ParseAddr(from); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	if p, ok := place.Find(from); ok {
		return p.Network, nil
	}
	hint := ""
	if close := place.Suggest(from); len(close) > 0 {
		hint = "; did you mean " + strings.Join(close, ", ") + "?"
	}
	return netip.Prefix{}, client.Errorf(client.CodeNotFound, "%q is neither a known place, an IP address nor a prefix%s", from, hint)
}

// Drain takes traffic away from a region until it is undrained, or for a time.
func (r *Region) Drain(ctx context.Context, d client.DrainRequest) (client.Drained, error) {
	a := r.applied.Load()
	if a == nil {
		return client.Drained{}, errStarting
	}
	if err := checkService(a.world, d); err != nil {
		return client.Drained{}, err
	}
	drain := control.Drain{Region: d.Region, Service: d.Service, Why: d.Why}
	if d.ForMillis > 0 {
		drain.Until = time.Now().Add(time.Duration(d.ForMillis) * time.Millisecond).UTC()
	}
	state, err := r.control.Drain(ctx, drain)
	if err != nil {
		return client.Drained{}, callError(err)
	}
	r.settle(ctx, state.Revision)
	out := client.Drained{Region: d.Region, Service: d.Service, Until: drain.Until, Revision: state.Revision}
	if stuck := r.withoutOthers(a, d); len(stuck) > 0 {
		out.Note = fmt.Sprintf("no other region is healthy for %s, which goes on being answered here until one is", strings.Join(stuck, ", "))
	}
	return out, nil
}

// withoutOthers names the drained services that have no other region to go to.
func (r *Region) withoutOthers(a *applied, d client.DrainRequest) []string {
	now := time.Now()
	var stuck []string
	for _, s := range a.world.Services {
		if d.Service != "" && d.Service != s.Name || !s.In(d.Region) {
			continue
		}
		elsewhere := slices.ContainsFunc(r.candidates(a, s, now), func(c route.Candidate) bool {
			return c.Region != d.Region && c.Healthy && !c.Drained
		})
		if !elsewhere {
			stuck = append(stuck, s.Name)
		}
	}
	return stuck
}

// Undrain gives a region its traffic back.
func (r *Region) Undrain(ctx context.Context, d client.DrainRequest) (client.Drained, error) {
	a := r.applied.Load()
	if a == nil {
		return client.Drained{}, errStarting
	}
	if err := checkService(a.world, d); err != nil {
		return client.Drained{}, err
	}
	state, was, err := r.control.Undrain(ctx, d.Region, d.Service)
	if err != nil {
		return client.Drained{}, callError(err)
	}
	r.settle(ctx, state.Revision)
	out := client.Drained{Region: d.Region, Service: d.Service, Revision: state.Revision}
	if !was {
		out.Note = "was not drained"
	}
	return out, nil
}

// timeoutSettle bounds settle: what was agreed on stands either way.
const timeoutSettle = 5 * time.Second

// settle waits until this region acts on a revision, so that whoever changed
// something sees the change here at once.
func (r *Region) settle(ctx context.Context, revision uint64) {
	ctx, cancel := context.WithTimeout(ctx, timeoutSettle)
	defer cancel()
	_ = r.awaitRevision(ctx, revision)
}

func checkService(w *spec.World, d client.DrainRequest) error {
	if _, ok := w.Region(d.Region); !ok {
		return client.Errorf(client.CodeNotFound, "there is no region %q; the regions are %s", d.Region, strings.Join(w.RegionNames(), ", "))
	}
	if d.Service == "" {
		return nil
	}
	if s, ok := w.Service(d.Service); !ok || !s.In(d.Region) {
		return client.Errorf(client.CodeNotFound, "there is no service %q in %s; the services are %s", d.Service, d.Region, strings.Join(serviceNames(w), ", "))
	}
	return nil
}

// Replace makes room among control's members for a node that lost its disk.
func (r *Region) Replace(ctx context.Context, in client.ReplaceRequest) (client.Done, error) {
	a := r.applied.Load()
	if a == nil {
		return client.Done{}, errStarting
	}
	if names := append(a.world.RegionNames(), witnessName(a.world)...); !slices.Contains(names, in.Node) {
		return client.Done{}, client.Errorf(client.CodeNotFound, "there is no node %q; the nodes are %s", in.Node, strings.Join(names, ", "))
	}
	if in.Node == r.cfg.Name {
		return client.Done{}, client.Errorf(client.CodeUnavailable, "%s cannot replace itself: another node must", in.Node)
	}
	member, err := r.control.Replace(ctx, in.Node)
	if err != nil {
		return client.Done{}, callError(err)
	}
	switch {
	case !member.Learner:
		return client.Done{Text: in.Node + " takes part in control again, and votes"}, nil
	case member.Started:
		return client.Done{Text: in.Node + " takes part in control again, without a vote yet: until `meridian status` shows it as a voter, the others must not miss one more"}, nil
	}
	return client.Done{Text: in.Node + " may join control anew: start it with an empty data directory, if it does not wait already; until `meridian status` shows it as a voter, the others must not miss one more"}, nil
}

// Apply makes a spec the world's.
func (r *Region) Apply(ctx context.Context, in client.ApplyRequest) (client.Applied, error) {
	a := r.applied.Load()
	if a == nil {
		return client.Applied{}, errStarting
	}
	// Bundles are looked for beside the file that this node was started with.
	world, err := spec.Parse(r.cfg.Spec.File, in.Spec)
	if err != nil {
		return client.Applied{}, client.Errorf(client.CodeInvalid, "%v", inFile(err, in.Source))
	}
	if world.Name != a.world.Name || world.Domain != a.world.Domain {
		return client.Applied{}, client.Errorf(client.CodeInvalid, "the spec is of world %s at %s, this one is %s at %s: neither can change while it runs", world.Name, world.Domain, a.world.Name, a.world.Domain)
	}
	if err := CheckAccess(world); err != nil && r.cfg.Dev == nil {
		return client.Applied{}, client.Errorf(client.CodeInvalid, "%v", inFile(err, in.Source))
	}
	done, err := r.prepare(world)
	if err != nil {
		return client.Applied{}, err
	}
	applied := false
	defer func() { done(applied) }()
	// Each node can look at its own bundles only; the others tell of theirs.
	runsHere := func(s spec.Service) bool { return s.In(r.cfg.Name) }
	if err := CheckBundles(world, runsHere); err != nil {
		return client.Applied{}, client.Errorf(client.CodeInvalid, "%v", err)
	}
	seed := seedOf(world)
	if in.Source != "" {
		seed.Source = in.Source
	}
	state, err := r.control.Apply(ctx, control.ApplySpec{Seed: *seed, IfRevision: in.IfRevision, Drop: in.Drop})
	if err != nil {
		return client.Applied{}, callError(err)
	}
	applied = true
	r.settle(ctx, state.Revision)
	return client.Applied{
		SpecRevision: state.SpecRevision, Revision: state.Revision,
		Changed: state.SpecRevision != a.state.SpecRevision, Changes: changesBetween(a.world, world),
	}, nil
}

// prepare makes room for new regions, in a local world, and refuses a spec with a
// node that has no address: others would wait for it for ever, and a witness that
// never answers makes a lone survivor believe that it is cut off.
func (r *Region) prepare(world *spec.World) (done func(applied bool), err error) {
	done = func(bool) {}
	if r.cfg.Dev != nil {
		if done, err = r.cfg.Dev.Prepare(world); err != nil {
			return nil, client.Errorf(client.CodeInvalid, "%v", err)
		}
	}
	for _, name := range append(world.RegionNames(), witnessName(world)...) {
		if r.cfg.Addresses(world, name).Link != "" {
			continue
		}
		done(false)
		if r.cfg.Dev != nil {
			return nil, client.Errorf(client.CodeInvalid, "%s is not one of the nodes that this world was started with: end `meridian dev`, and start it with the changed spec and --fresh", name)
		}
		return nil, client.Errorf(client.CodeInvalid, "the spec gives %s no address: write address: IP under it, where the others reach it", name)
	}
	return done, nil
}

// inFile puts a file's name in place of the one that a spec was parsed under.
func inFile(err error, name string) error {
	var mistakes spec.Errors
	if name == "" || !errors.As(err, &mistakes) {
		return err
	}
	mistakes = slices.Clone(mistakes)
	for i := range mistakes {
		mistakes[i].File = name
	}
	return mistakes
}

// Spec is the applied spec.
func (r *Region) Spec(context.Context) (client.Spec, error) {
	a := r.applied.Load()
	if a == nil {
		return client.Spec{}, errStarting
	}
	return client.Spec{Spec: a.state.Spec, Source: a.state.SpecSource, SpecRevision: a.state.SpecRevision}, nil
}

// Environment is what AWS SDKs need to use a region's tables.
func (r *Region) Environment(_ context.Context, region string) (client.Environment, error) {
	a := r.applied.Load()
	if a == nil {
		return client.Environment{}, errStarting
	}
	if region == "" {
		region = r.cfg.Name
	}
	if _, ok := a.world.Region(region); !ok {
		return client.Environment{}, client.Errorf(client.CodeNotFound, "there is no region %q; the regions are %s", region, strings.Join(a.world.RegionNames(), ", "))
	}
	key, ok := r.adminKey()
	if !ok {
		return client.Environment{}, client.Errorf(client.CodeUnavailable, "this world has no access key for people")
	}
	return client.Environment{
		Region: region, TablesURL: "http://" + r.cfg.Addresses(a.world, region).Tables,
		AccessKeyID: key.ID, SecretAccessKey: key.Secret,
	}, nil
}

// changesBetween are lines for a person: what applying changed.
func changesBetween(before, after *spec.World) []string {
	var lines []string
	lines = append(lines, changed("region", before.Regions, after.Regions, func(x spec.Region) string { return x.Name })...)
	lines = append(lines, changed("table", before.Tables, after.Tables, func(x spec.Table) string { return x.Name })...)
	return append(lines, changed("service", before.Services, after.Services, func(x spec.Service) string { return x.Name })...)
}

func changed[T any](what string, before, after []T, name func(T) string) []string {
	was := map[string]T{}
	for _, x := range before {
		was[name(x)] = x
	}
	var lines []string
	for _, x := range after {
		old, there := was[name(x)]
		delete(was, name(x))
		switch {
		case !there:
			lines = append(lines, what+" "+name(x)+" added")
		case !reflect.DeepEqual(old, x):
			lines = append(lines, what+" "+name(x)+" changed")
		}
	}
	for gone := range was {
		lines = append(lines, what+" "+gone+" removed")
	}
	slices.Sort(lines)
	return lines
}

// callError turns control's refusals into the API's.
func callError(err error) error {
	code := client.CodeInvalid
	switch {
	case errors.Is(err, control.ErrUncertain): // it is about the quorum, too
		code = client.CodeUncertain
	case errors.Is(err, control.ErrNoQuorum), errors.Is(err, control.ErrNotSeeded), errors.Is(err, control.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		code = client.CodeUnavailable
	case errors.Is(err, control.ErrRevision), errors.Is(err, control.ErrOwner), errors.Is(err, control.ErrTableExists),
		errors.Is(err, control.ErrTableDropped), errors.Is(err, control.ErrRegionInUse), errors.Is(err, control.ErrRegionStays),
		errors.Is(err, control.ErrApart), errors.Is(err, control.ErrWorld):
		code = client.CodeConflict
	case errors.Is(err, control.ErrRegionUnknown), errors.Is(err, control.ErrTableUnknown):
		code = client.CodeNotFound
	}
	return client.Errorf(code, "%v", err)
}
