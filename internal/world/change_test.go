package world

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/miekg/dns"

	"github.com/meridian-run/meridian/client"
)

// changeSpec has a backend and room for changes.
const changeSpec = `
world: shop
domain: shop.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  staff: {key: pk, regions: [eu-west-1]}
services:
  web:
    backend: {us-east-1: "US", eu-west-1: "EU", ap-southeast-2: "AP"}
    health:  {path: /health, every: 1s}
    routing: {policy: latency, ttl: 1s}
`

// A world that is changed while it runs.
func TestChanges_D2_F4_I1(t *testing.T) {
	t.Parallel()
	text := changeSpec
	for mark, name := range map[string]string{"US": us, "EU": eu, "AP": ap} {
		text = strings.ReplaceAll(text, `"`+mark+`"`, newBackend(t, "web in "+name).URL)
	}
	s := shop{World: run(t, Config{Spec: parse(t, text), RoundTrip: near})}
	t.Run("drain and undrain", s.drains)
	t.Run("drain for a while", s.drainsForAWhile)
	t.Run("drain of everything", s.drainsAll)
	t.Run("D2 I1 apply", func(t *testing.T) { s.applies(t, text) })
	t.Run("apply refuses what is wrong", s.refuses)
}

func (s shop) drain(t *testing.T, d client.DrainRequest) client.Drained {
	t.Helper()
	return whenAgreed(t, "drain", func() (client.Drained, error) { return s.Region(eu).Drain(t.Context(), d) })
}

func (s shop) undrain(t *testing.T, region string) client.Drained {
	t.Helper()
	return whenAgreed(t, "undrain", func() (client.Drained, error) {
		return s.Region(ap).Undrain(t.Context(), client.DrainRequest{Region: region})
	})
}

// whenAgreed makes a change, again while there is no quorum: a young world
// serves before it has elected, and a busy machine elects anew.
func whenAgreed[T any](t *testing.T, what string, change func() (T, error)) (out T) {
	t.Helper()
	eventually(t, 40*time.Second, what, func() bool {
		var err error
		out, err = change()
		if refused := new(client.Error); errors.As(err, &refused) && refused.Code == client.CodeUnavailable {
			return false
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return true
	})
	return out
}

func (s shop) lookup(t *testing.T, at, from string) client.Lookup {
	t.Helper()
	out, err := s.Region(at).Lookup(t.Context(), client.LookupRequest{Name: "web", From: from})
	if err != nil {
		t.Fatalf("lookup: %v", err)
	}
	return out
}

func (s shop) drains(t *testing.T) {
	if got := s.lookup(t, us, "New York"); got.Answers[0].Region != us || !strings.Contains(got.Reason, "nearest") && !strings.Contains(got.Reason, "km") && !strings.Contains(got.Reason, "ms") {
		t.Errorf("lookup explains %+v", got)
	}
	if out := s.drain(t, client.DrainRequest{Region: us, Why: "new disks"}); out.Note != "" || !out.Until.IsZero() {
		t.Errorf("drain answers %+v", out)
	}
	s.everywhere(t, "web.shop.test", "New York", eu)
	got := s.lookup(t, ap, "New York")
	if len(got.Excluded) != 1 || got.Excluded[0].Region != us || !strings.Contains(got.Excluded[0].Why, "drained") || !strings.Contains(got.Excluded[0].Why, "new disks") {
		t.Errorf("lookup explains %+v", got)
	}
	// It is drained, not dead.
	if got := serviceRegion(t, s.World, ap, "web", us); got.Health.Verdict != client.Healthy || got.Answered {
		t.Errorf("status shows %+v", got)
	}
	told(t, s.World, ap, "drained", us, "us-east-1 is drained until it is undrained (new disks)")
	s.undrain(t, us)
	s.everywhere(t, "web.shop.test", "New York", us)
	told(t, s.World, ap, "undrained", us, "us-east-1 is no longer drained")
	if out := s.undrain(t, us); out.Note != "was not drained" {
		t.Errorf("undrain of what is not drained answers %+v", out)
	}
}

func (s shop) drainsForAWhile(t *testing.T) {
	out := s.drain(t, client.DrainRequest{Region: us, Service: "web", ForMillis: 5000})
	if left := time.Until(out.Until); left <= 0 || left > 5*time.Second {
		t.Errorf("drained until %v, in %v", out.Until, left)
	}
	s.everywhere(t, "web.shop.test", "New York", eu)
	s.everywhere(t, "web.shop.test", "New York", us) // by itself
	if time.Now().Before(out.Until.Add(-100 * time.Millisecond)) {
		t.Errorf("undrained at %v, before %v", time.Now(), out.Until)
	}
	if e := told(t, s.World, eu, "undrained", us, "web in us-east-1 is no longer drained: its time is over"); e.At.Before(out.Until.Add(-time.Second)) {
		t.Errorf("the event is of %v, the drain was until %v", e.At, out.Until)
	}
}

// drainsAll drains the last region, too: a healthy drained one is better than
// none.
func (s shop) drainsAll(t *testing.T) {
	s.drain(t, client.DrainRequest{Region: us})
	s.drain(t, client.DrainRequest{Region: eu})
	s.everywhere(t, "web.shop.test", "New York", ap)
	if out := s.drain(t, client.DrainRequest{Region: ap}); !strings.Contains(out.Note, "no other region is healthy") {
		t.Errorf("draining the last one answers %+v", out)
	}
	s.everywhere(t, "web.shop.test", "New York", us)
	if got := s.lookup(t, eu, "New York"); !strings.Contains(got.Reason, "drained") || got.FailOpen {
		t.Errorf("lookup explains %+v", got)
	}
	for _, name := range all {
		s.undrain(t, name)
	}
	s.everywhere(t, "web.shop.test", "Sydney", ap)
}

func (s shop) applies(t *testing.T, text string) {
	db := tables(t, s.World, eu)
	if err := put(t.Context(), db, "staff", "pk", "1", "name", "kept"); err != nil {
		t.Fatal(err)
	}
	gone := attributes{"pk": &types.AttributeValueMemberS{Value: "2"}, "dies": &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().Add(-time.Hour).Unix())}}
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("staff"), Item: gone}); err != nil {
		t.Fatal(err)
	}
	more := newBackend(t, "mail")
	next := strings.Replace(text, "ttl: 1s", "ttl: 7s", 1)
	next = strings.Replace(next, "{key: pk, regions: [eu-west-1]}", "{key: pk, ttl: dies, indexes: {by_name: {key: name}}}\n  carts: {key: pk}", 1)
	next += "  mail: {backend: \"" + more.URL + "\", health: {path: /health, every: 1s}, routing: {policy: failover, ttl: 1s, primary: ap-southeast-2}}\n"
	before, err := s.Region(us).Spec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := whenAgreed(t, "apply", func() (client.Applied, error) {
		return s.Region(ap).Apply(t.Context(), client.ApplyRequest{Spec: []byte(next), Source: "next.yaml", IfRevision: before.SpecRevision})
	})
	if want := []string{"service mail added", "service web changed", "table carts added", "table staff changed"}; !slices.Equal(sorted(out.Changes), want) || !out.Changed {
		t.Errorf("apply tells %+v, want %v", out, want)
	}
	for _, name := range all {
		eventually(t, 40*time.Second, name+" is at the new spec", func() bool { return status(t, s.World, name).Control.SpecRevision == out.SpecRevision })
		eventually(t, 40*time.Second, name+" answers with the new TTL", func() bool {
			reply, err := query(s.nodes[name].at(portDNS), "web.shop.test", dns.TypeA, newUser(t, s.World, "", "Sydney").subnet, "udp")
			return err == nil && len(reply.Answer) == 1 && reply.Answer[0].Header().Ttl == 7
		})
		if e := told(t, s.World, name, "applied", name, ""); !strings.Contains(e.Text, "in force") {
			t.Errorf("the event says %q", e.Text)
		}
	}
	eventually(t, 40*time.Second, "the new service is answered everywhere", func() bool {
		for _, name := range all {
			reply, err := query(s.nodes[name].at(portDNS), "mail.shop.test", dns.TypeA, newUser(t, s.World, "", "Sydney").subnet, "udp")
			if err != nil || len(reply.Answer) != 1 {
				return false
			}
		}
		return true
	})
	eventually(t, 40*time.Second, "London is served mail by "+ap, func() bool {
		got := newUser(t, s.World, "mail.shop.test", "London").must(t, "GET", "/inbox", "", 200)
		return got.servedBy == ap && got.body == "GET /inbox for mail"
	})
	for _, name := range all { // D2: what one region held is in all of them
		eventually(t, 40*time.Second, name+" has staff", func() bool {
			items, err := scan(t.Context(), tables(t, s.World, name), "staff")
			return err == nil && items["pk=1"] == "name=kept pk=1" && len(items) == 1 // by the ttl that the spec added
		})
		eventually(t, 40*time.Second, name+" has filled the index that the spec added", func() bool { return byName(t, tables(t, s.World, name), "staff", "kept") == 1 })
		if err := put(t.Context(), tables(t, s.World, name), "carts", "pk", name); err != nil {
			t.Errorf("write to carts in %s: %v", name, err)
		}
	}
	again := whenAgreed(t, "apply", func() (client.Applied, error) {
		return s.Region(us).Apply(t.Context(), client.ApplyRequest{Spec: []byte(next), Source: "next.yaml"})
	})
	if again.Changed || len(again.Changes) != 0 {
		t.Errorf("applying it twice: %+v, want no change", again)
	}
	var refused *client.Error
	_, err = s.Region(us).Apply(t.Context(), client.ApplyRequest{Spec: []byte(text), IfRevision: before.SpecRevision})
	if !errors.As(err, &refused) || refused.Code != client.CodeConflict {
		t.Errorf("applying over a revision that nobody looked at: %v, want a conflict", err)
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func (s shop) refuses(t *testing.T) {
	applied, err := s.Region(us).Spec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, revision := string(applied.Spec), applied.SpecRevision
	for what, c := range map[string]struct{ spec, words string }{
		"an unknown key":        {strings.Replace(text, "backend:", "backends:", 1), "x.yaml:"},
		"another world":         {strings.Replace(text, "world: shop", "world: other", 1), "neither can change"},
		"a table that is gone":  {strings.Replace(text, "  web:\n", "  web:\n    tables: [nothing]\n", 1), "nothing"},
		"not a spec":            {"- 1", "start with"},
		"a table's other key":   {strings.Replace(text, "key: pk", "key: id", 1), "staff"},
		"a table left out":      {strings.Replace(text, "  carts: {key: pk}\n", "", 1), "--drop carts"},
		"a witness out of turn": {text + "witness: {place: Montreal}\n", "witness"},
	} {
		_, err := s.Region(us).Apply(t.Context(), client.ApplyRequest{Spec: []byte(c.spec), Source: "x.yaml"})
		var refused *client.Error
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("apply of %s: %v, want a refusal that says %q", what, err, c.words)
		}
		t.Log(err)
	}
	if after := status(t, s.World, us).Control.SpecRevision; after != revision {
		t.Errorf("the revision went from %d to %d although nothing was applied", revision, after)
	}
}
