package admin

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/dashboard"
)

// Region is the running region whose API this is. Errors are *client.Error, or
// they are defects.
type Region interface {
	// Status returns the whole world as this region sees it. It is called
	// once a second by each page that is open: it may ask peers, but must
	// not wait long for one that is gone.
	Status(ctx context.Context) (client.Status, error)
	Lookup(ctx context.Context, q client.LookupRequest) (client.Lookup, error)
	Drain(ctx context.Context, d client.DrainRequest) (client.Drained, error)
	Undrain(ctx context.Context, d client.DrainRequest) (client.Drained, error)
	Replace(ctx context.Context, r client.ReplaceRequest) (client.Done, error)
	Promote(ctx context.Context, p client.PromoteRequest) (client.Promoted, error)
	RemoveRegion(ctx context.Context, r client.RemoveRequest) (client.Removal, error)
	Apply(ctx context.Context, a client.ApplyRequest) (client.Applied, error)
	Spec(ctx context.Context) (client.Spec, error)
	// Conflicts lists writes that were discarded unseen; Conflict returns one, and
	// RestoreConflict writes its value again.
	Conflicts(ctx context.Context, q client.ConflictsRequest) (client.Conflicts, error)
	Conflict(ctx context.Context, id string) (client.Conflict, error)
	RestoreConflict(ctx context.Context, id string) (client.Restored, error)
	// Environment returns the named region's; an empty name is this one.
	Environment(ctx context.Context, region string) (client.Environment, error)
}

// Dev is the controller of a `meridian dev` world.
type Dev interface {
	// Request makes the request through the simulated network, from the
	// place that the request names.
	Request(ctx context.Context, r client.Request) (client.Response, error)
	StopRegion(ctx context.Context, region string) (client.Done, error)
	StartRegion(ctx context.Context, region string) (client.Done, error)
	// CutRegion and HealRegion act on the network between region and peer;
	// an empty peer is everyone.
	CutRegion(ctx context.Context, region, peer string) (client.Done, error)
	HealRegion(ctx context.Context, region, peer string) (client.Done, error)
}

// Config says what the API serves.
type Config struct {
	// Region answers; nil on the controller's own address in dev, which
	// serves only what Dev does.
	Region Region
	// Tables answers for the data; nil as Region.
	Tables Tables
	// Dev acts on a dev world; nil with `meridian serve`.
	Dev Dev
	// Token is what callers must show; required.
	Token string
	// Metrics serves /metrics; nil serves none.
	Metrics http.Handler
	// Log gets a line for each defect; default: discarded.
	Log *slog.Logger
}

// api is the handler that New returns.
type api struct{ config Config }

// New returns the handler of the admin port.
func New(config Config) http.Handler {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	a := &api{config: config}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", dashboard.Serve)
	mux.Handle("GET /v1/status", a.readable(answer(a, a.status)))
	mux.Handle("GET /v1/lookup", a.guarded(answer(a, a.lookup)))
	mux.Handle("GET /v1/spec", a.guarded(answer(a, a.spec)))
	mux.Handle("GET /v1/env", a.guarded(answer(a, a.environment)))
	mux.Handle("GET /v1/conflicts", a.guarded(answer(a, a.conflicts)))
	mux.Handle("GET /v1/conflicts/{id}", a.guarded(answer(a, a.conflict)))
	mux.Handle("POST /v1/conflicts/{id}/restore", a.guarded(answer(a, a.restoreConflict)))
	mux.Handle("POST /v1/drain", a.guarded(answer(a, a.drain)))
	mux.Handle("POST /v1/undrain", a.guarded(answer(a, a.undrain)))
	mux.Handle("POST /v1/replace", a.guarded(answer(a, a.replace)))
	mux.Handle("POST /v1/promote", a.guarded(answer(a, a.promote)))
	mux.Handle("POST /v1/remove", a.guarded(answer(a, a.remove)))
	mux.Handle("POST /v1/apply", a.guarded(answer(a, a.apply)))
	mux.Handle("POST /v1/verify", a.guarded(answer(a, a.verify)))
	mux.Handle("GET /v1/images/{table}", a.guarded(answer(a, a.images)))
	mux.Handle("POST /v1/request", a.guarded(answer(a, a.request)))
	mux.Handle("POST /v1/region/{region}/{verb}", a.guarded(answer(a, a.act)))
	if config.Metrics != nil {
		mux.Handle("GET /metrics", a.readable(config.Metrics))
	}
	mux.Handle("/", a.guarded(answer(a, a.nothing)))
	return mux
}

func (a *api) status(r *http.Request) (any, error) {
	if a.config.Region == nil {
		return nil, errController
	}
	return a.config.Region.Status(r.Context())
}

func (a *api) lookup(r *http.Request) (any, error) {
	if a.config.Region == nil {
		return nil, errController
	}
	q := client.LookupRequest{Name: r.FormValue("name"), From: r.FormValue("from")}
	if q.Name == "" {
		return nil, client.Errorf(client.CodeInvalid, "name what to look up: /v1/lookup?name=api&from=Tokyo")
	}
	return a.config.Region.Lookup(r.Context(), q)
}

func (a *api) spec(r *http.Request) (any, error) {
	if a.config.Region == nil {
		return nil, errController
	}
	return a.config.Region.Spec(r.Context())
}

func (a *api) environment(r *http.Request) (any, error) {
	if a.config.Region == nil {
		return nil, errController
	}
	return a.config.Region.Environment(r.Context(), r.FormValue("region"))
}

func (a *api) drain(r *http.Request) (any, error) {
	d, err := decodeDrain(r)
	if err != nil {
		return nil, err
	}
	if a.config.Region == nil {
		return nil, errController
	}
	return a.config.Region.Drain(r.Context(), d)
}

func (a *api) undrain(r *http.Request) (any, error) {
	d, err := decodeDrain(r)
	if err != nil {
		return nil, err
	}
	if a.config.Region == nil {
		return nil, errController
	}
	return a.config.Region.Undrain(r.Context(), d)
}

func decodeDrain(r *http.Request) (client.DrainRequest, error) {
	d, err := decode[client.DrainRequest](r)
	switch {
	case err != nil:
		return d, err
	case d.Region == "":
		return d, client.Errorf(client.CodeInvalid, `name the region: {"region": "us-east-1"}`)
	case d.ForMillis < 0:
		return d, client.Errorf(client.CodeInvalid, "for_ms is %d: a drain lasts a positive time, or for_ms is left out", d.ForMillis)
	}
	return d, nil
}

func (a *api) replace(r *http.Request) (any, error) {
	in, err := decode[client.ReplaceRequest](r)
	switch {
	case err != nil:
		return nil, err
	case in.Node == "":
		return nil, client.Errorf(client.CodeInvalid, `name the node: {"node": "us-east-1"}`)
	case a.config.Region == nil:
		return nil, errController
	}
	return a.config.Region.Replace(r.Context(), in)
}

func (a *api) promote(r *http.Request) (any, error) {
	in, err := decode[client.PromoteRequest](r)
	switch {
	case err != nil:
		return nil, err
	case in.Table == "" || in.To == "":
		return nil, client.Errorf(client.CodeInvalid, `name the table and the region: {"table": "ledger", "to": "eu-west-1"}`)
	case a.config.Region == nil:
		return nil, errController
	}
	return a.config.Region.Promote(r.Context(), in)
}

func (a *api) remove(r *http.Request) (any, error) {
	in, err := decode[client.RemoveRequest](r)
	switch {
	case err != nil:
		return nil, err
	case in.Region == "":
		return nil, client.Errorf(client.CodeInvalid, `name the region: {"region": "us-east-1"}`)
	case a.config.Region == nil:
		return nil, errController
	}
	return a.config.Region.RemoveRegion(r.Context(), in)
}

func (a *api) apply(r *http.Request) (any, error) {
	in, err := decode[client.ApplyRequest](r)
	if err != nil {
		return nil, err
	}
	if len(in.Spec) == 0 {
		return nil, client.Errorf(client.CodeInvalid, "the spec is empty")
	}
	if a.config.Region == nil {
		return nil, errController
	}
	return a.config.Region.Apply(r.Context(), in)
}

func (a *api) request(r *http.Request) (any, error) {
	in, err := decode[client.Request](r)
	if err != nil {
		return nil, err
	}
	if a.config.Dev == nil {
		return nil, errNoDev
	}
	return a.config.Dev.Request(r.Context(), in)
}

// act is a `region stop|start|cut|heal`.
func (a *api) act(r *http.Request) (any, error) {
	in, err := decode[client.CutRequest](r)
	if err != nil {
		return nil, err
	}
	dev := a.config.Dev
	if dev == nil {
		return nil, errNoDev
	}
	// A stop must not be cancelled half-way because the region that carries
	// this very request goes down with it.
	ctx := context.WithoutCancel(r.Context())
	region := r.PathValue("region")
	switch verb := r.PathValue("verb"); verb {
	case "stop":
		return dev.StopRegion(ctx, region)
	case "start":
		return dev.StartRegion(ctx, region)
	case "cut":
		return dev.CutRegion(ctx, region, in.Peer)
	case "heal":
		return dev.HealRegion(ctx, region, in.Peer)
	default:
		return nil, client.Errorf(client.CodeNotFound, "a region can be told to stop, start, cut or heal, not %q", verb)
	}
}

func (a *api) nothing(r *http.Request) (any, error) {
	return nil, client.Errorf(client.CodeNotFound, "there is no %s %s here", r.Method, r.URL.Path)
}
