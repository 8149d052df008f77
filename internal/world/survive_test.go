package world

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/spec"
)

// pairSpec is the articles' own shape: two regions, and a witness to vote.
const pairSpec = `
world: pair
domain: pair.test
regions:
  us-east-1: {place: Ashburn}
  eu-west-1: {place: Dublin}
witness: {place: Montreal}
tables:
  notes: {key: pk}
services:
  api:
    function: {bundle: BUNDLE}
    tables:   [notes]
    health:   {path: /health, every: 1s}
    routing:  {policy: latency, ttl: 1s}
`

var pair = []string{us, eu}

// stop and start do it through the controller, and have to work.
func stop(t *testing.T, w *World, name string) {
	t.Helper()
	if _, err := w.StopRegion(t.Context(), name); err != nil {
		t.Fatalf("stop %s: %v", name, err)
	}
}

func start(t *testing.T, w *World, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if _, err := w.StartRegion(ctx, name); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
}

// serves waits until clients of both sides are served by one of the regions, and
// checks that they can write there.
func serves(t *testing.T, w *World, host, by string, from ...string) {
	t.Helper()
	for _, place := range from {
		u := newUser(t, w, host, place)
		eventually(t, 40*time.Second, place+" is served by "+by, func() bool {
			got, err := u.do(t.Context(), "POST", "/data", `{"name":"x"}`)
			return err == nil && got.status == 200 && got.servedBy == by
		})
	}
}

// creates waits until a table can be created in one of some regions; it needs
// the quorum, which is gone for as long as an election takes. Only a region that
// has it is asked: one without takes its time to say so.
func creates(t *testing.T, w *World, table string, in ...string) {
	t.Helper()
	last, tried := map[string]error{}, false
	deadline := time.Now().Add(90 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; time.Now().Before(deadline); i++ {
		name := in[i%len(in)]
		if !status(t, w, name).Control.Quorum {
			last[name] = errors.New("it has no quorum")
			<-tick.C
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		_, err := tables(t, w, name).CreateTable(ctx, creation(table))
		cancel()
		if exists := new(types.ResourceInUseException); err == nil || tried && errors.As(err, &exists) {
			return // a try that seemed to fail may have had effect
		}
		last[name], tried = err, true
	}
	t.Fatalf("create %s in %v: %v", table, in, last)
}

// equal waits until some regions hold the same items of a table.
func equal(t *testing.T, w *World, table string, regions ...string) map[string]string {
	t.Helper()
	s := stage{w, map[string]*dynamodb.Client{}}
	for _, name := range regions {
		s.db[name] = tables(t, w, name)
	}
	return s.same(t, table, regions...)
}

func TestTwoRegions_U3_D1_D2_R2(t *testing.T) {
	t.Parallel()
	w := run(t, Config{Spec: parse(t, pairSpec), RoundTrip: near})
	serves(t, w, "api.pair.test", us, "New York")
	serves(t, w, "api.pair.test", eu, "London")

	for dead, alive := range map[string]string{us: eu, eu: us} {
		t.Run("U3 without "+dead, func(t *testing.T) {
			before := equal(t, w, "notes", pair...)
			stop(t, w, dead)
			serves(t, w, "api.pair.test", alive, "New York", "London")
			creates(t, w, "made-without-"+dead, alive)
			start(t, w, dead)
			serves(t, w, "api.pair.test", us, "New York")
			serves(t, w, "api.pair.test", eu, "London")
			after := equal(t, w, "notes", pair...)
			for pk, item := range before {
				if after[pk] != item {
					t.Errorf("%s was %q, is %q", pk, item, after[pk])
				}
			}
			for _, name := range pair {
				eventually(t, 40*time.Second, name+" knows the table that was made without "+dead, func() bool {
					return slices.ContainsFunc(status(t, w, name).Tables, func(x client.Table) bool { return x.Name == "made-without-"+dead })
				})
			}
		})
	}
	t.Run("U3 without the witness", func(t *testing.T) {
		stop(t, w, spec.WitnessName)
		serves(t, w, "api.pair.test", us, "New York")
		serves(t, w, "api.pair.test", eu, "London")
		creates(t, w, "made-without-witness", us)
		start(t, w, spec.WitnessName)
	})
	t.Run("U3 the link cut: both serve, and agree afterwards", func(t *testing.T) { linkCut(t, w) })
}

// linkCut cuts two regions that both reach the witness. Each goes on serving its
// own clients, and control goes on.
func linkCut(t *testing.T, w *World) {
	w.network.Cut(us, eu)
	defer w.network.Heal(us, eu)
	before := w.network.Bytes(us, eu) + w.network.Bytes(eu, us)
	for name, from := range map[string]string{us: "New York", eu: "London"} {
		if err := put(t.Context(), tables(t, w, name), "notes", "pk", "written in "+name+" while cut"); err != nil {
			t.Errorf("write in %s: %v", name, err)
		}
		u := newUser(t, w, "api.pair.test", from)
		began := time.Now()
		eventually(t, 40*time.Second, from+" is served for a while", func() bool {
			u.must(t, "POST", "/data", `{"name":"x"}`, 200)
			return time.Since(began) > 3*time.Second
		})
	}
	creates(t, w, "made-while-cut", us, eu) // the side that is with the leader
	if after := w.network.Bytes(us, eu) + w.network.Bytes(eu, us); after != before {
		t.Errorf("%d bytes passed the cut", after-before)
	}
	w.network.Heal(us, eu)
	items := equal(t, w, "notes", pair...)
	for _, name := range pair {
		if items["pk=written in "+name+" while cut"] == "" {
			t.Errorf("what %s wrote while cut is missing", name)
		}
	}
}

// Of three regions two are lost, for hours as far as the last one knows.
func TestLastRegion_U3_D1_R2(t *testing.T) {
	t.Parallel()
	w := run(t, Config{Spec: parse(t, strings.Replace(notesSpec, "ttl: 5s", "ttl: 1s", 1)), RoundTrip: near})
	if err := put(t.Context(), tables(t, w, us), "notes", "pk", "before"); err != nil {
		t.Fatal(err)
	}
	equal(t, w, "notes", all...)
	stop(t, w, us)
	stop(t, w, eu)
	t.Run("U3 the survivor serves everyone", func(t *testing.T) {
		serves(t, w, "api.notes.test", ap, "New York", "London", "Sydney")
	})
	t.Run("U3 changes are refused, and why", func(t *testing.T) { refusesChanges(t, w) })
	t.Run("U3 the survivor starts from its disk", func(t *testing.T) {
		stop(t, w, ap)
		start(t, w, ap)
		serves(t, w, "api.notes.test", ap, "New York", "Sydney")
		if err := put(t.Context(), tables(t, w, ap), "notes", "pk", "alone"); err != nil {
			t.Errorf("write in the lone survivor: %v", err)
		}
		if got := get(t, tables(t, w, ap), "notes", "before"); got != "pk=before" {
			t.Errorf("what was written before is %q", got)
		}
	})
	t.Run("U3 the others return, nothing is missing", func(t *testing.T) {
		start(t, w, us)
		start(t, w, eu)
		items := equal(t, w, "notes", all...)
		for _, pk := range []string{"before", "alone"} {
			if items["pk="+pk] == "" {
				t.Errorf("%s is missing", pk)
			}
		}
		serves(t, w, "api.notes.test", us, "New York")
		creates(t, w, "made-afterwards", eu)
	})
}

// refusesChanges asks the lone survivor for what needs the quorum.
func refusesChanges(t *testing.T, w *World) {
	eventually(t, 40*time.Second, "status tells that there is no quorum", func() bool { return !status(t, w, ap).Control.Quorum })
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	_, err := tables(t, w, ap).CreateTable(ctx, creation("refused"))
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorFault() != smithy.FaultServer || !strings.Contains(err.Error(), "quorum") {
		t.Errorf("CreateTable: %v, want an error of the server that names the quorum", err)
	}
	_, drainErr := w.Region(ap).Drain(ctx, client.DrainRequest{Region: us})
	_, applyErr := w.Region(ap).Apply(ctx, client.ApplyRequest{Spec: append(w.cfg.Spec.Source, "\nreferences: [tcp://192.0.2.1:53]\n"...)})
	for what, err := range map[string]error{"drain": drainErr, "apply": applyErr} {
		var told *client.Error
		if !errors.As(err, &told) || told.Code != client.CodeUnavailable || !strings.Contains(err.Error(), "quorum") ||
			!strings.Contains(err.Error(), us) || !strings.Contains(err.Error(), eu) {
			t.Errorf("%s: %v, want an error that names the quorum and who is missing", what, err)
		}
	}
	if e := told(t, w, ap, "quorum", ap, "no quorum"); !strings.Contains(e.Text, us) {
		t.Errorf("the event says %q, not who is missing", e.Text)
	}
}
