package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/admin"
)

const token = "secret"

// echo answers each call with what it was asked.
type echo struct{ err error }

func (e echo) Status(context.Context) (client.Status, error) {
	return client.Status{World: "notes"}, e.err
}

func (e echo) Lookup(_ context.Context, q client.LookupRequest) (client.Lookup, error) {
	return client.Lookup{Name: q.Name, Place: q.From}, e.err
}

func (e echo) Drain(_ context.Context, d client.DrainRequest) (client.Drained, error) {
	return client.Drained{Region: d.Region, Service: d.Service}, e.err
}

func (e echo) Undrain(_ context.Context, d client.DrainRequest) (client.Drained, error) {
	return client.Drained{Region: d.Region, Note: "undrained"}, e.err
}

func (e echo) Promote(_ context.Context, p client.PromoteRequest) (client.Promoted, error) {
	return client.Promoted{Table: p.Table, To: p.To, Asked: p.Force && !p.Yes}, nil
}

func (e echo) Replace(_ context.Context, r client.ReplaceRequest) (client.Done, error) {
	return client.Done{Text: "replace " + r.Node}, e.err
}

func (e echo) Apply(_ context.Context, a client.ApplyRequest) (client.Applied, error) {
	return client.Applied{SpecRevision: uint64(len(a.Spec)), Changed: true}, e.err
}

func (e echo) Conflicts(_ context.Context, q client.ConflictsRequest) (client.Conflicts, error) {
	return client.Conflicts{Answered: fmt.Sprint(q), Conflicts: []client.Conflict{}}, e.err
}

func (e echo) Conflict(_ context.Context, id string) (client.Conflict, error) {
	return client.Conflict{ID: id, Key: json.RawMessage("{}")}, e.err
}

func (e echo) RestoreConflict(_ context.Context, id string) (client.Restored, error) {
	return client.Restored{Answered: "restore " + id, Conflict: client.Conflict{Key: json.RawMessage("{}")}}, e.err
}

func (e echo) Spec(context.Context) (client.Spec, error) {
	return client.Spec{Source: "meridian.yaml"}, e.err
}

func (e echo) Environment(_ context.Context, region string) (client.Environment, error) {
	return client.Environment{Region: region}, e.err
}

func (e echo) Request(_ context.Context, r client.Request) (client.Response, error) {
	return client.Response{Status: 200, Body: r.Body, Address: r.Path}, e.err
}

func (e echo) RemoveRegion(_ context.Context, r client.RemoveRequest) (client.Removal, error) {
	return client.Removal{Region: r.Region, Forced: r.Force, Agreed: r.DryRun}, e.err
}

func (e echo) StopRegion(ctx context.Context, region string) (client.Done, error) {
	if ctx.Done() != nil {
		return client.Done{}, errors.New("a stop can be cancelled half-way")
	}
	return client.Done{Text: "stop " + region}, e.err
}

func (e echo) StartRegion(_ context.Context, region string) (client.Done, error) {
	return client.Done{Text: "start " + region}, e.err
}

func (e echo) CutRegion(_ context.Context, region, peer string) (client.Done, error) {
	return client.Done{Text: "cut " + region + " " + peer}, e.err
}

func (e echo) HealRegion(_ context.Context, region, peer string) (client.Done, error) {
	return client.Done{Text: "heal " + region + " " + peer}, e.err
}

func serve(t *testing.T, config admin.Config) *client.Client {
	t.Helper()
	config.Token = token
	server := httptest.NewServer(admin.New(config))
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{Token: token, Context: client.Context{
		World: "notes", Controller: server.URL, Regions: []client.Endpoint{{Region: "eu", URL: server.URL}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEveryCallArrives goes through the real client.
func TestEveryCallArrives(t *testing.T) {
	c, ctx := serve(t, admin.Config{Region: echo{}, Dev: echo{}}), t.Context()
	check := func(what string, got any, err error, want any) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	status, err := c.Status(ctx)
	check("status", status, err, client.Status{World: "notes"})
	removal, err := c.RemoveRegion(ctx, client.RemoveRequest{Region: "eu", Force: true, DryRun: true})
	check("remove", removal, err, client.Removal{Region: "eu", Forced: true, Agreed: true})
	lookup, err := c.Lookup(ctx, client.LookupRequest{Name: "api", From: "New York & more"})
	check("lookup", lookup, err, client.Lookup{Name: "api", Place: "New York & more"})
	drained, err := c.Drain(ctx, client.DrainRequest{Region: "eu", Service: "api"})
	check("drain", drained, err, client.Drained{Region: "eu", Service: "api"})
	undrained, err := c.Undrain(ctx, client.DrainRequest{Region: "eu"})
	check("undrain", undrained, err, client.Drained{Region: "eu", Note: "undrained"})
	promoted, err := c.Promote(ctx, client.PromoteRequest{Table: "ledger", To: "eu", Force: true})
	if err != nil || promoted.Table != "ledger" || promoted.To != "eu" || !promoted.Asked {
		t.Errorf("promoted: %+v, %v", promoted, err)
	}
	if _, err := c.Promote(ctx, client.PromoteRequest{Table: "ledger"}); err == nil {
		t.Error("a promotion to nowhere was taken")
	}
	replaced, err := c.Replace(ctx, client.ReplaceRequest{Node: "eu"})
	check("replace", replaced, err, client.Done{Text: "replace eu"})
	applied, err := c.Apply(ctx, client.ApplyRequest{Spec: []byte("world: x")})
	check("apply", applied, err, client.Applied{SpecRevision: 8, Changed: true})
	conflicts, err := c.Conflicts(ctx, client.ConflictsRequest{Table: "notes", Key: `{"pk":{"S":"a b"}}`, Limit: 7})
	check("conflicts", conflicts, err, client.Conflicts{Answered: `{notes {"pk":{"S":"a b"}} 7}`, Conflicts: []client.Conflict{}})
	conflict, err := c.Conflict(ctx, "00-1/2")
	check("conflict", conflict, err, client.Conflict{ID: "00-1/2", Key: json.RawMessage("{}")})
	restored, err := c.RestoreConflict(ctx, "00-1")
	check("restore", restored, err, client.Restored{Answered: "restore 00-1", Conflict: client.Conflict{Key: json.RawMessage("{}")}})
	spec, err := c.Spec(ctx)
	check("spec", spec, err, client.Spec{Source: "meridian.yaml"})
	environment, err := c.Environment(ctx, "eu")
	check("environment", environment, err, client.Environment{Region: "eu"})
	response, err := c.Request(ctx, client.Request{Method: "GET", Path: "/x", Body: []byte{0, 255}})
	check("request", response, err, client.Response{Status: 200, Body: []byte{0, 255}, Address: "/x"})
	done, err := c.StopRegion(ctx, "eu")
	check("stop", done, err, client.Done{Text: "stop eu"})
	done, err = c.StartRegion(ctx, "eu")
	check("start", done, err, client.Done{Text: "start eu"})
	done, err = c.CutRegion(ctx, "eu", "us")
	check("cut", done, err, client.Done{Text: "cut eu us"})
	done, err = c.HealRegion(ctx, "eu", "")
	check("heal", done, err, client.Done{Text: "heal eu "})
}

// TestWhoMayAsk walks through every endpoint as four callers.
func TestWhoMayAsk(t *testing.T) {
	handler := admin.New(admin.Config{
		Region: echo{}, Dev: echo{}, Token: token,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "up 1") }),
	})
	const (
		open    = "anyone"       // the page: no data in it
		machine = "same machine" // or the token
		guarded = "the token"
	)
	tests := []struct{ method, path, who string }{
		{"GET", "/", open},
		{"GET", "/v1/status", machine},
		{"GET", "/metrics", machine},
		{"GET", "/v1/lookup?name=api", guarded},
		{"GET", "/v1/spec", guarded},
		{"GET", "/v1/env?region=eu", guarded},
		{"POST", "/v1/drain", guarded},
		{"POST", "/v1/undrain", guarded},
		{"POST", "/v1/apply", guarded},
		{"POST", "/v1/request", guarded},
		{"POST", "/v1/region/eu/stop", guarded},
		{"GET", "/v1/nothing", guarded},
	}
	callers := []struct {
		name, remote, host string
		header             [2]string
		allowed            []string
	}{
		{name: "far away", remote: "192.0.2.7:1000", host: "192.0.2.1:7070", allowed: []string{open}},
		{name: "same machine", remote: "127.0.0.1:1000", host: "127.0.20.1:7070", allowed: []string{open, machine}},
		{name: "same machine, IPv6", remote: "[::1]:1000", host: "localhost:7070", allowed: []string{open, machine}},
		{name: "a web page's own name on 127.0.0.1", remote: "127.0.0.1:1000", host: "evil.example:7070", allowed: []string{open}},
		{name: "behind a proxy", remote: "127.0.0.1:1000", host: "127.0.0.1:7070", header: [2]string{"X-Forwarded-For", "192.0.2.7"}, allowed: []string{open}},
		{name: "far away with the token", remote: "192.0.2.7:1000", host: "192.0.2.1:7070", header: [2]string{"Authorization", "bearer " + token}, allowed: []string{open, machine, guarded}},
		{name: "with a wrong token", remote: "192.0.2.7:1000", host: "192.0.2.1:7070", header: [2]string{"Authorization", "Bearer secrets"}, allowed: []string{open}},
		{name: "with another scheme", remote: "192.0.2.7:1000", host: "192.0.2.1:7070", header: [2]string{"Authorization", "Basic " + token}, allowed: []string{open}},
	}
	for _, caller := range callers {
		for _, test := range tests {
			request := httptest.NewRequest(test.method, test.path, nil)
			request.RemoteAddr, request.Host = caller.remote, caller.host
			if caller.header[0] != "" {
				request.Header.Set(caller.header[0], caller.header[1])
			}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			got, want := answer.Code != http.StatusUnauthorized, strings.Contains(strings.Join(caller.allowed, "+"), test.who)
			if got != want {
				t.Errorf("%s, %s %s: status %d; allowed should be %v", caller.name, test.method, test.path, answer.Code, want)
			}
		}
	}
}

func TestNoTokenMeansNoAccess(t *testing.T) {
	request := httptest.NewRequest("GET", "/v1/spec", nil)
	request.Header.Set("Authorization", "Bearer ")
	answer := httptest.NewRecorder()
	admin.New(admin.Config{Region: echo{}}).ServeHTTP(answer, request)
	if answer.Code != http.StatusUnauthorized {
		t.Errorf("an API without a token answered %d, want 401", answer.Code)
	}
}

func TestErrorsHaveACodeAndDefectsStayInside(t *testing.T) {
	tests := []struct {
		err    error
		status int
		want   client.Code
	}{
		{client.Errorf(client.CodeInvalid, "x"), 400, client.CodeInvalid},
		{client.Errorf(client.CodeNotFound, "x"), 404, client.CodeNotFound},
		{fmt.Errorf("wrapped: %w", client.Errorf(client.CodeConflict, "x")), 409, client.CodeConflict},
		{client.Errorf(client.CodeUnavailable, "x"), 503, client.CodeUnavailable},
		{client.Errorf(client.CodeUncertain, "x"), 504, client.CodeUncertain},
		{client.Errorf("made-up", "x"), 500, "made-up"},
		{errors.New("disk on fire"), 500, client.CodeInternal},
	}
	for _, test := range tests {
		var log bytes.Buffer
		handler := admin.New(admin.Config{Region: echo{err: test.err}, Token: token, Log: slog.New(slog.NewTextHandler(&log, nil))})
		answer := call(handler, "GET", "/v1/spec", "")
		var got client.Error
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if answer.Code != test.status || got.Code != test.want {
			t.Errorf("%v: got %d %s, want %d %s", test.err, answer.Code, got.Code, test.status, test.want)
		}
		defect := test.want == client.CodeInternal
		if strings.Contains(got.Message, "fire") || strings.Contains(log.String(), "disk on fire") != defect {
			t.Errorf("%v: answered %q, logged %q: a defect's text belongs in the log only", test.err, got.Message, log.String())
		}
	}
}

func TestBadCallsAreRefused(t *testing.T) {
	handler := admin.New(admin.Config{Region: echo{}, Dev: echo{}, Token: token})
	tests := []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/drain", `{`, 400},
		{"POST", "/v1/drain", `{"regoin": "eu"}`, 400},
		{"POST", "/v1/drain", `{"region": "eu"} {}`, 400},
		{"POST", "/v1/drain", `{"region": 7}`, 400},
		{"POST", "/v1/drain", ``, 400},
		{"POST", "/v1/drain", `{"region": "eu", "for_ms": -1}`, 400},
		{"POST", "/v1/apply", `{}`, 400},
		{"POST", "/v1/apply", `{"spec": "` + strings.Repeat("A", 17<<20) + `"}`, 400},
		{"GET", "/v1/lookup", ``, 400},
		{"POST", "/v1/region/eu/explode", ``, 404},
		{"POST", "/v1/region/eu/stop/now", ``, 404},
		{"GET", "/metrics", ``, 404},
		{"DELETE", "/v1/spec", ``, 404},
	}
	for _, test := range tests {
		answer := call(handler, test.method, test.path, test.body)
		var got client.Error
		err := json.Unmarshal(answer.Body.Bytes(), &got)
		if answer.Code != test.status || err != nil || got.Message == "" {
			t.Errorf("%s %s %.40s: got %d %.200s, want %d and an error in JSON", test.method, test.path, test.body, answer.Code, answer.Body, test.status)
		}
	}
}

func TestAControllerServesDevOnlyAndServeNoDev(t *testing.T) {
	ctx := t.Context()
	controller := serve(t, admin.Config{Dev: echo{}})
	if _, err := controller.StartRegion(ctx, "eu"); err != nil {
		t.Errorf("start at the controller: %v", err)
	}
	var refused *client.Error
	if _, err := controller.Spec(ctx); !errors.As(err, &refused) || refused.Code != client.CodeUnavailable {
		t.Errorf("spec at the controller: got %v, want that it is not available", err)
	}
	region := serve(t, admin.Config{Region: echo{}})
	if _, err := region.StopRegion(ctx, "eu"); !errors.As(err, &refused) || refused.Code != client.CodeInvalid {
		t.Errorf("stop without dev: got %v, want a refusal", err)
	}
}

func FuzzBodies(f *testing.F) {
	for _, path := range []string{"/v1/drain", "/v1/apply", "/v1/request", "/v1/region/eu/cut"} {
		f.Add(path, []byte(`{"region":"eu","for_ms":1}`))
		f.Add(path, []byte(`{"spec":"d29ybGQ=","if_revision":3}`))
		f.Add(path, []byte(`[[[[{"a":`))
	}
	handler := admin.New(admin.Config{Region: echo{}, Dev: echo{}, Token: token})
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		if !strings.HasPrefix(path, "/v1/") || strings.ContainsAny(path, " \x00\r\n\t?#%") {
			return
		}
		request, err := http.NewRequest("POST", "http://admin"+path, bytes.NewReader(body))
		if err != nil {
			return
		}
		request.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code >= 500 {
			t.Errorf("%s %q: %d %s", path, body, answer.Code, answer.Body)
		}
	})
}

func call(handler http.Handler, method, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, io.NopCloser(strings.NewReader(body)))
	request.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}
