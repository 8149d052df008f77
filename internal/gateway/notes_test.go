package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meridian-run/meridian/internal/function"
)

// buildNotes builds the example as its users do.
func buildNotes(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "bootstrap"), "../../examples/notes")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the notes application: %v\n%s", err, out)
	}
	return dir
}

// tableServer is as much of DynamoDB as the notes application uses.
func tableServer(t testing.TB) string {
	t.Helper()
	var mu sync.Mutex
	items := map[string]json.RawMessage{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var in struct {
			Item json.RawMessage
			Key  map[string]struct{ S string }
		}
		body, _ := io.ReadAll(r.Body)
		json.Unmarshal(body, &in)
		switch _, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); op {
		case "PutItem":
			var key struct{ Pk struct{ S string } }
			json.Unmarshal(in.Item, &key)
			items[key.Pk.S] = in.Item
			io.WriteString(w, "{}")
		case "GetItem":
			answer := map[string]json.RawMessage{}
			if item, ok := items[in.Key["pk"].S]; ok {
				answer["Item"] = item
			}
			json.NewEncoder(w).Encode(answer)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// runNotes runs the notes application until the test ends.
func runNotes(t testing.TB, change func(*function.Config)) *function.Runner {
	t.Helper()
	cfg := function.Config{
		Name: "api", Bundle: buildNotes(t), Dir: t.TempDir(), Region: "eu-west-1",
		Env: map[string]string{
			"TABLE_NAME": "notes", "AWS_ENDPOINT_URL_DYNAMODB": tableServer(t),
			"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		},
	}
	if change != nil {
		change(&cfg)
	}
	runner, err := function.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return runner
}

func TestF1_NotesApplicationServes(t *testing.T) {
	service := api(runNotes(t, nil))
	service.Health = Health{Path: "/health"}
	s := serve(t, Config{}, service)

	created := s.do(t, "POST", "", "/data/", `{"name":"a \"quoted\" name"}`, "Content-Type", "application/x-www-form-urlencoded")
	var id struct{ RequestID string }
	if err := json.Unmarshal([]byte(created.body), &id); err != nil || created.status != 200 || len(id.RequestID) != 36 {
		t.Fatalf("got %d %s (%v)", created.status, created.body, err)
	}
	if got := created.header.Get(headerRequestID); got != id.RequestID {
		t.Errorf("the note is %s and the request %s, want one id", id.RequestID, got)
	}
	got := s.do(t, "GET", "", "/data/"+id.RequestID, "")
	want := `{"Item":{"name":{"S":"a \"quoted\" name"},"pk":{"S":"` + id.RequestID + `"},"region":{"S":"eu-west-1"}}}`
	if got.status != 200 || got.body != want {
		t.Errorf("got %d %s, want %s", got.status, got.body, want)
	}
	if got := s.do(t, "OPTIONS", "", "/data", ""); got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("OPTIONS: got %d %v", got.status, got.header)
	}
	for _, headers := range [][]string{nil, {headerProbe, "us-east-1"}} {
		if got := s.do(t, "GET", "", "/health", "", headers...); got.status != 200 || !strings.Contains(got.body, `"database":{"latency_ms":`) {
			t.Errorf("H3: got %d %s", got.status, got.body)
		}
	}
}

// Three observers go on probing; after the idle time there is no instance.
func TestF1_ProbingDoesNotKeepAFunctionAlive(t *testing.T) {
	ended := make(chan error, 10)
	runner := runNotes(t, func(c *function.Config) {
		c.Idle = 400 * time.Millisecond
		c.Events.Ended = func(reason error) { ended <- reason }
	})
	service := api(runner)
	service.Health = Health{Path: "/health", Every: 10 * time.Millisecond}
	s := serve(t, Config{}, service)
	if got := s.do(t, "POST", "", "/data", `{"name":"x"}`); got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	probing, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	var observers sync.WaitGroup
	for _, observer := range []string{"us-east-1", "eu-west-1", "ap-southeast-2"} {
		observers.Go(func() {
			for probing.Err() == nil {
				if got := s.do(t, "GET", "", "/health", "", headerProbe, observer); got.status != 200 {
					t.Errorf("%s got %d %s", observer, got.status, got.body)
				}
			}
		})
	}
	select {
	case <-ended:
	case <-probing.Done():
		t.Error("probing kept the function alive")
	}
	// A check that was under way at that moment may have woken it once more.
	for runner.Instances() > 0 && probing.Err() == nil {
		s.do(t, "GET", "", "/health", "", headerProbe, "us-east-1")
	}
	for range 100 {
		got := s.do(t, "GET", "", "/health", "", headerProbe, "us-east-1")
		if how := got.header.Get(headerCheck); got.status != 200 || how != "asleep" {
			t.Fatalf("a sleeping function's probe got %d %q, want 200 asleep", got.status, how)
		}
		if n := runner.Instances(); n != 0 {
			t.Fatalf("got %d instances, want 0", n)
		}
	}
	stop()
	observers.Wait()
}

// A region whose function is full stays in the answers, although its checks come
// more often than calls wait.
func TestH5_FullFunctionStaysHealthy(t *testing.T) {
	began, release := make(chan struct{}, 10), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutItem") {
			began <- struct{}{}
			<-release
		}
		io.WriteString(w, "{}")
	}))
	defer slow.Close()
	service := api(runNotes(t, func(c *function.Config) {
		c.Concurrency, c.Env["AWS_ENDPOINT_URL_DYNAMODB"] = 1, slow.URL
	}))
	service.Health = Health{Path: "/health", Every: 500 * time.Millisecond, Timeout: 500 * time.Millisecond}
	s := serve(t, Config{}, service)
	answered := make(chan int, 1)
	go func() { answered <- s.do(t, "POST", "", "/data", `{"name":"x"}`).status }()
	<-began
	for seen := 0; seen < 3; {
		got := s.do(t, "GET", "", "/health", "", headerProbe, "us-east-1")
		if got.status != 200 {
			t.Errorf("got %d %s from a full function", got.status, got.body)
			break
		}
		if got.header.Get(headerCheck) == "busy" {
			seen++
		}
	}
	close(release)
	if status := <-answered; status != 200 {
		t.Errorf("the call got %d", status)
	}
}

// BenchmarkNotes measures a warm request through gateway and function, with a
// read of the table.
func BenchmarkNotes(b *testing.B) {
	g := New(Config{Region: "eu-west-1"})
	g.Publish(&Snapshot{Services: []Service{api(runNotes(b, nil))}})
	for b.Loop() {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest("GET", "http://api.notes.test/data/x", nil))
		if w.Code != 200 {
			b.Fatal(w.Code, w.Body)
		}
	}
}
