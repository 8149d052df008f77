package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/admin"
)

// token is what the fake world's admin API wants.
const token = "a-token-for-tests"

// fake is a world of three regions of which us-east-1 is down: the admin API is
// the real one, what it says is made up (testdata/status.json).
type fake struct {
	mu sync.Mutex
	// All below is guarded by mu.
	status  client.Status
	drained map[string]bool
	// back is how many more calls of Status a started region needs; 0 if
	// none was started.
	back int
	// removing counts the looks at a removal that has begun.
	removing int
	// service is where the service of direct requests listens.
	service string
}

func newFake(t testing.TB) *fake {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "status.json"))
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{drained: map[string]bool{}}
	if err := json.Unmarshal(data, &f.status); err != nil {
		t.Fatal(err)
	}
	return f
}

// world writes the fake's context file under dir and returns what ends it.
func (f *fake) world(dir string) (end func(), err error) {
	handler := admin.New(admin.Config{Region: f, Tables: f, Dev: f, Token: token})
	live := httptest.NewServer(handler)
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	c := client.Context{
		World:      "notes",
		Controller: live.URL,
		TokenFile:  "token",
		Regions: []client.Endpoint{
			{Region: "us-east-1", URL: dead.URL}, {Region: "eu-west-1", URL: live.URL}, {Region: "ap-southeast-2", URL: live.URL},
		},
	}
	gone := c
	gone.Controller, gone.Regions = "", c.Regions[:1]
	direct := c
	direct.Controller = ""
	service := httptest.NewServer(http.HandlerFunc(serveNotes))
	f.service = strings.TrimPrefix(service.URL, "http://")
	err = os.WriteFile(filepath.Join(dir, "token"), []byte(token+"\n"), 0o600)
	for name, context := range map[string]client.Context{"context.json": c, "gone.json": gone, "direct.json": direct} {
		if err == nil {
			err = client.WriteContext(filepath.Join(dir, name), context)
		}
	}
	return func() { live.Close(); service.Close() }, err
}

// serveNotes is the service that direct requests reach.
func serveNotes(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Meridian-Region", "eu-west-1")
	w.Header().Set("X-Request-Id", "request-1")
	if r.URL.Path == "/missing" {
		w.WriteHeader(http.StatusNotFound)
	}
	fmt.Fprintf(w, "%s %s%s\n", r.Method, r.Host, r.URL.Path)
}

func (f *fake) Status(context.Context) (client.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.back > 0 {
		f.comeBack()
	}
	return f.status, nil
}

// comeBack is one step of us-east-1's return.
func (f *fake) comeBack() {
	f.back--
	r := &f.status.Regions[0]
	r.Reached, r.State = true, client.StateStarting
	r.Lag = []client.Lag{{Peer: "eu-west-1", Seconds: 4.1, Entries: 120, Connected: true}}
	if f.back == 0 {
		r.Ready, r.State, r.Lag = true, client.StateServing, nil
		f.status.Services[0].Regions[0].Answered = true
	}
}

func (f *fake) Lookup(_ context.Context, q client.LookupRequest) (client.Lookup, error) {
	if q.Name != "api" && q.Name != "api.notes.test" {
		return client.Lookup{}, client.Errorf(client.CodeNotFound, "there is no name %s in notes.test; its services are: api", q.Name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return client.Lookup{
		Answered: "eu-west-1", Name: "api.notes.test", Service: "api", Policy: "latency",
		Client: "198.18.7.0/24", Place: q.From, Scope: 24, TTLSeconds: 5, Rule: "latency",
		Answers: []client.Answer{
			{Region: "eu-west-1", Address: "127.0.20.1", API: f.service},
			{Region: "ap-southeast-2", Address: "127.0.30.1", API: "127.0.30.1:8080"},
		},
		Reason:   "eu-west-1 is the closest healthy region to " + q.From,
		Excluded: []client.Excluded{{Region: "us-east-1", Why: "unhealthy: connect: connection refused", SeenBy: []string{"eu-west-1", "ap-southeast-2"}}},
		Dig:      "dig @127.0.20.1 -p 5300 api.notes.test A +subnet=198.18.7.0/24",
	}, nil
}

func (f *fake) Drain(_ context.Context, d client.DrainRequest) (client.Drained, error) {
	if err := f.knows(d.Region); err != nil {
		return client.Drained{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drained[d.Region] = true
	done := client.Drained{Region: d.Region, Service: d.Service, Revision: 15}
	if d.Region == "us-east-1" {
		done.Note = "it was not answered before either: it is unhealthy"
	}
	return done, nil
}

func (f *fake) Undrain(_ context.Context, d client.DrainRequest) (client.Drained, error) {
	if err := f.knows(d.Region); err != nil {
		return client.Drained{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.drained[d.Region] {
		return client.Drained{}, client.Errorf(client.CodeConflict, "%s is not drained", d.Region)
	}
	delete(f.drained, d.Region)
	return client.Drained{Region: d.Region, Service: d.Service, Revision: 16}, nil
}

func (f *fake) Replace(_ context.Context, r client.ReplaceRequest) (client.Done, error) {
	if r.Node == "eu-west-1" {
		return client.Done{}, client.Errorf(client.CodeConflict, "control member eu-west-1 answers: stop it first if it shall be replaced")
	}
	return client.Done{Text: r.Node + " may join control anew"}, nil
}

func (f *fake) Promote(_ context.Context, p client.PromoteRequest) (client.Promoted, error) {
	out := client.Promoted{Table: p.Table, From: "us-east-1", To: p.To, Epoch: 2, Revision: 16}
	switch {
	case p.Table != "ledger":
		return out, client.Errorf(client.CodeNotFound, "there is no table %q; the tables with a primary are ledger", p.Table)
	case p.Force && !p.Yes:
		out.Asked, out.Loss = true, &client.Loss{Records: 3, Seconds: 7.2, Text: p.To + " has all up to 7.2 s ago; 3 records are missing"}
	case p.Force:
		out.Loss, out.Text = &client.Loss{Text: "3 records are missing"}, p.To+" is the primary of table ledger in epoch 2, after 5.0 s"
	case p.To == "ap-southeast-2":
		return out, client.Errorf(client.CodeUnavailable, "us-east-1, the primary, does not answer; if it is lost, --force promotes ap-southeast-2 without it")
	default:
		out.Text = p.To + " is the primary of table ledger in epoch 2; nothing is lost"
	}
	return out, nil
}

func (f *fake) RemoveRegion(_ context.Context, r client.RemoveRequest) (client.Removal, error) {
	if err := f.knows(r.Region); err != nil {
		return client.Removal{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := client.Removal{Region: r.Region, State: client.RemovalClosing, Waiting: []string{"eu-west-1", "ap-southeast-2"}}
	switch {
	case r.Region == "eu-west-1" && !r.Force:
		return client.Removal{}, client.Errorf(client.CodeConflict, "eu-west-1 is alive: us-east-1 heard it 0.3 s ago")
	case r.DryRun && f.removing == 0:
		out.State, out.Text = "", r.Region+" leaves the world for good"
		return out, nil
	}
	f.removing++
	switch {
	case f.removing > 3:
		out.State, out.Waiting = client.RemovalGone, nil
		fallthrough
	case f.removing > 2:
		out.Agreed, out.Until = true, f.status.At
	}
	return out, nil
}

func (f *fake) Apply(_ context.Context, a client.ApplyRequest) (client.Applied, error) {
	switch a.IfRevision {
	case 0:
		return client.Applied{SpecRevision: 3, Revision: 15, Changed: true, Changes: []string{"table notes: added"}}, nil
	case 3:
		return client.Applied{SpecRevision: 3, Revision: 15}, nil
	}
	return client.Applied{}, client.Errorf(client.CodeConflict, "spec revision 3 is applied, not %d: read it first", a.IfRevision)
}

// theConflict is the one of the fake world.
const theConflict = "18c1f0a2b3c4d5e6-9f3a21bc"

func conflictOfFake() client.Conflict {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	return client.Conflict{
		ID: theConflict, Table: "notes", Key: json.RawMessage(`{"pk":{"S":"note-1"}}`),
		Lost: client.Write{Region: "eu-west-1", At: at, Item: json.RawMessage(`{"pk":{"S":"note-1"},"text":{"S":"lost"}}`)},
		Now:  &client.Write{Region: "us-east-1", At: at.Add(40 * time.Millisecond), Item: json.RawMessage(`{"pk":{"S":"note-1"},"text":{"S":"won"}}`)},
	}
}

func (f *fake) Conflicts(_ context.Context, q client.ConflictsRequest) (client.Conflicts, error) {
	out := client.Conflicts{Answered: "eu-west-1", Conflicts: []client.Conflict{}}
	switch {
	case q.Table != "" && q.Table != "notes":
		return out, client.Errorf(client.CodeNotFound, "there is no table %q", q.Table)
	case q.Key == "" || q.Key == "note-1":
		out.Conflicts, out.More = append(out.Conflicts, conflictOfFake()), q.Limit == 1
	}
	return out, nil
}

func (f *fake) Conflict(_ context.Context, id string) (client.Conflict, error) {
	if id != theConflict {
		return client.Conflict{}, client.Errorf(client.CodeNotFound, "no such receipt: %q", id)
	}
	return conflictOfFake(), nil
}

func (f *fake) RestoreConflict(ctx context.Context, id string) (client.Restored, error) {
	one, err := f.Conflict(ctx, id)
	return client.Restored{Answered: "eu-west-1", Conflict: one, At: f.status.At}, err
}

func (f *fake) Spec(context.Context) (client.Spec, error) {
	return client.Spec{Spec: []byte("world: notes\n"), Source: "meridian.yaml", SpecRevision: 2}, nil
}

func (f *fake) Environment(_ context.Context, region string) (client.Environment, error) {
	if err := f.knows(region); err != nil {
		return client.Environment{}, err
	}
	return client.Environment{Region: region, TablesURL: "http://127.0.20.1:8000", AccessKeyID: "MERIDIANKEY", SecretAccessKey: "it's/secret+"}, nil
}

func (f *fake) Request(ctx context.Context, r client.Request) (client.Response, error) {
	lookup, err := f.Lookup(ctx, client.LookupRequest{Name: "api", From: r.From})
	response := client.Response{
		Status: http.StatusOK, Region: "eu-west-1", ServedBy: "eu-west-1", RequestID: "request-1", Address: "127.0.20.1:8080",
		Lookup: lookup, Body: []byte(`{"requestId":"request-1"}`),
		Timings: client.Timings{DNSMillis: 0.3, ConnectMillis: 81.2, FirstByteMillis: 163.4, TotalMillis: 163.6},
	}
	switch r.Path {
	case "/data/none":
		response.Status, response.Body = http.StatusNotFound, []byte("\x1b[31mno\x07\n")
	case "/passed":
		response.ServedBy = "ap-southeast-2"
	}
	return response, err
}

func (f *fake) StopRegion(_ context.Context, region string) (client.Done, error) {
	if err := f.knows(region); err != nil {
		return client.Done{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Events = append(f.status.Events, client.Event{
		At: f.status.At.Add(time.Second), Kind: "removed", Region: region,
		Text: region + " removed 3.1 s after it stopped (seen by eu-west-1)", Seconds: 3.1,
	})
	return client.Done{Text: region + " crashed; what it had not synced is lost"}, nil
}

func (f *fake) StartRegion(_ context.Context, region string) (client.Done, error) {
	if err := f.knows(region); err != nil {
		return client.Done{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.back = 2
	return client.Done{Text: region + " starts", Seconds: 0.2}, nil
}

func (f *fake) CutRegion(_ context.Context, region, peer string) (client.Done, error) {
	return client.Done{Text: fmt.Sprintf("cut between %s and %s", region, orEveryone(peer))}, f.knows(region)
}

func (f *fake) HealRegion(_ context.Context, region, peer string) (client.Done, error) {
	return client.Done{Text: fmt.Sprintf("healed between %s and %s", region, orEveryone(peer))}, f.knows(region)
}

func orEveryone(peer string) string {
	if peer == "" {
		return "everyone"
	}
	return peer
}

func (f *fake) knows(region string) error {
	for _, r := range f.status.Regions {
		if r.Name == region {
			return nil
		}
	}
	return client.Errorf(client.CodeNotFound, "there is no region %q; there are us-east-1, eu-west-1, ap-southeast-2", region)
}

var (
	_ admin.Region = (*fake)(nil)
	_ admin.Dev    = (*fake)(nil)
)
