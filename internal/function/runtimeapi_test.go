package function

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// bare is an instance without a process, with a call in flight.
func bare() (*instance, *invocation) {
	r := &Runner{log: slog.New(slog.DiscardHandler), instances: map[*instance]struct{}{}, reap: make(chan struct{}, 1)}
	in := &instance{
		runner: r, log: r.log, ready: true, collected: true, watch: time.NewTimer(time.Hour),
		gone: make(chan struct{}), work: make(chan *invocation, 1),
	}
	close(in.gone) // nothing parks
	inv := &invocation{id: "the-call", result: make(chan result, 1)}
	in.current = inv
	return in, inv
}

func ask(in *instance, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	in.serveAPI(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w
}

func TestRuntimeAPIRefusesWhatIsNoneOfIt(t *testing.T) {
	const api = "/2018-06-01/runtime/"
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 404},
		{"GET", "/2015-03-31/runtime/invocation/next", 404},
		{"POST", api + "invocation/next", 405},
		{"GET", api + "invocation/the-call/response", 405},
		{"POST", api + "invocation/another/response", 400},
		{"POST", api + "invocation/another/error", 400},
		{"POST", api + "invocation/the-call/what", 404},
		{"POST", api + "invocation/the-call/response", 202},
		{"POST", api + "init/error", 202},
	} {
		in, _ := bare()
		if got := ask(in, c.method, c.path, "{}").Code; got != c.want {
			t.Errorf("%s %s: got %d, want %d", c.method, c.path, got, c.want)
		}
	}
}

func TestCallIsAnsweredOnce(t *testing.T) {
	in, inv := bare()
	const path = apiPrefix + "invocation/the-call/response"
	first, second := ask(in, "POST", path, "one"), ask(in, "POST", path, "two")
	if first.Code != 202 || second.Code != 400 {
		t.Errorf("got %d and %d, want 202 and 400", first.Code, second.Code)
	}
	if r := <-inv.result; string(r.response) != "one" {
		t.Errorf("got %q, want the first answer", r.response)
	}
}

func TestAskingForWorkWithoutAnswerFailsTheCall(t *testing.T) {
	in, inv := bare()
	ask(in, "GET", apiPrefix+apiNext, "")
	if r := <-inv.result; r.err == nil {
		t.Errorf("got %q, want an error", r.response)
	}
}

func TestBrokenOffStreamIsAnError(t *testing.T) {
	in, inv := bare()
	r := httptest.NewRequest("POST", apiPrefix+"invocation/the-call/response", io.MultiReader(strings.NewReader("half")))
	r.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": {"Runtime.Panic"}}
	in.serveAPI(httptest.NewRecorder(), r)
	if r := <-inv.result; r.err == nil {
		t.Errorf("got %q, want an error", r.response)
	}
}

func FuzzRuntimeAPI(f *testing.F) {
	f.Add("POST", "invocation/the-call/error", `{"errorType":"T","errorMessage":"m"}`)
	f.Add("POST", "init/error", `{"errorType":1}`)
	f.Add("GET", "invocation/next", "")
	f.Fuzz(func(t *testing.T, method, path, body string) {
		in, _ := bare()
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Method, r.URL.Path = method, apiPrefix+path
		in.serveAPI(w, r)
		if w.Code < 200 || w.Code > 499 {
			t.Errorf("got %d", w.Code)
		}
	})
}
