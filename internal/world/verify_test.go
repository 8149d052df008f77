package world

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/pebblekv"
)

const verifySpec = `
world: notes
domain: notes.test
regions:
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}
tables:
  notes: {key: pk, ttl: dies, images: 1h}
  pair:  {key: pk, ttl: dies, images: 1h, regions: [us-east-1, eu-west-1]}
  staff: {key: pk, images: 1h, regions: [eu-west-1]}
services:
  api:
    function: {bundle: BUNDLE}
    tables:   [notes]
`

// wiretap keeps what regions say to each other, by the pair of them.
type wiretap struct {
	mu   sync.Mutex
	said map[string][]byte
}

func (w *wiretap) hear(from, to string, payload []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said == nil {
		w.said = map[string][]byte{}
	}
	w.said[from+" > "+to] = append(append(w.said[from+" > "+to], payload...), 0)
}

// found answers the links on which a secret was said, as it is, in hexadecimal or
// base64, among those that involve a region.
func (w *wiretap) found(secret, involving string) (links []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	forms := [][]byte{[]byte(secret), []byte(hex.EncodeToString([]byte(secret)))}
	for shift := range 3 { // a secret in the middle of base64 begins at one of three bits
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		forms = append(forms, []byte(text[4:len(text)-4]))
	}
	for link, said := range w.said {
		if !strings.Contains(link, involving) {
			continue
		}
		for _, form := range forms {
			if bytes.Contains(said, form) {
				links = append(links, link)
				break
			}
		}
	}
	return links
}

// R8, DATA 22: nothing of a table that lives in one region, or in two of three,
// is said to the others: no key and no value, not by replication, receipts,
// expiry, a crash and what follows it, nor by verify.
func TestResidency_R8_NothingLeavesItsRegions(t *testing.T) {
	t.Parallel()
	var tap wiretap
	w := run(t, Config{Spec: parse(t, verifySpec), Messages: tap.hear})
	db := map[string]*dynamodb.Client{}
	for _, name := range all {
		db[name] = tables(t, w, name)
	}
	write := func(region, table, pk, value string) {
		t.Helper()
		eventually(t, 40*time.Second, region+" takes writes of "+table, func() bool {
			return put(t.Context(), db[region], table, "pk", pk, "value", value) == nil
		})
	}
	write(eu, "staff", "staff-secret-key-1", "staff-secret-value-1")
	write(eu, "staff", "staff-secret-key-1", "staff-secret-value-2")
	write(us, "pair", "pair-secret-key-1", "pair-secret-value-1")
	write(ap, "notes", "notes-open-key-1", "notes-open-value-1")

	// A conflict, so that there are receipts.
	if _, err := w.CutRegion(t.Context(), us, eu); err != nil {
		t.Fatal(err)
	}
	write(us, "pair", "pair-secret-key-2", "pair-secret-value-2")
	write(eu, "pair", "pair-secret-key-2", "pair-secret-value-3")
	if _, err := w.HealRegion(t.Context(), us, eu); err != nil {
		t.Fatal(err)
	}
	for _, region := range []string{us, eu} {
		eventually(t, 40*time.Second, region+" has both keys of pair", func() bool {
			return get(t, db[region], "pair", "pair-secret-key-1") != "" &&
				get(t, db[region], "pair", "pair-secret-key-2") == "pk=pair-secret-key-2 value=pair-secret-value-3"
		})
	}
	// A crash, with a tail for the survivors to relay, and a start anew.
	if _, err := w.StopRegion(t.Context(), us); err != nil {
		t.Fatal(err)
	}
	write(eu, "pair", "pair-secret-key-3", "pair-secret-value-4")
	if _, err := w.StartRegion(t.Context(), us); err != nil {
		t.Fatal(err)
	}
	db[us] = tables(t, w, us)
	eventually(t, 40*time.Second, us+" has what was written without it", func() bool {
		out, err := db[us].GetItem(t.Context(), &dynamodb.GetItemInput{TableName: new("pair"), Key: attributes{"pk": text("pair-secret-key-3")}})
		return err == nil && len(out.Item) > 0
	})
	for table, holders := range map[string][]string{"notes": all, "pair": {us, eu}} {
		got := verifyWhole(t, w, holders[0], client.VerifyRequest{Table: table, Repair: true})
		if len(got.Compared) != len(holders) || len(got.Different) > 0 {
			t.Errorf("%s: %+v", table, got)
		}
	}
	if _, err := w.Region(ap).Verify(t.Context(), client.VerifyRequest{Table: "pair", To: client.VerifySpace}); err == nil {
		t.Error("a region without the table compared it")
	}

	for n := 1; n <= 4; n++ {
		for _, what := range []string{"key", "value"} {
			secret := fmt.Sprintf("pair-secret-%s-%d", what, n)
			if links := tap.found(secret, ap); len(links) > 0 {
				t.Errorf("%s, of a table in two regions, was said on %v", secret, links)
			}
			if n < 4 && len(tap.found(secret, us)) == 0 {
				t.Errorf("%s was not heard where it belongs: the wiretap is deaf", secret)
			}
			staff := fmt.Sprintf("staff-secret-%s-%d", what, n)
			if links := tap.found(staff, ""); len(links) > 0 {
				t.Errorf("%s, of a table in one region, was said on %v", staff, links)
			}
		}
	}
	if len(tap.found("notes-open-value-1", ap)) == 0 {
		t.Error("what may be said was not heard")
	}
}

// verifyWhole compares a whole table from a region.
func verifyWhole(t *testing.T, w *World, from string, q client.VerifyRequest) client.Verified {
	t.Helper()
	q.To = client.VerifySpace
	got, err := w.Region(from).Verify(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A record that is lost in one region behind everybody's back is found by verify
// while writes go on, and repaired; images tell what took effect where; and what
// has a time to die does so everywhere.
func TestVerifyFindsAndRepairs(t *testing.T) {
	t.Parallel()
	w := run(t, Config{Spec: parse(t, verifySpec)})
	db := map[string]*dynamodb.Client{}
	for _, name := range all {
		db[name] = tables(t, w, name)
	}
	for i := range 50 {
		if err := put(t.Context(), db[us], "notes", "pk", fmt.Sprint("item-", i), "value", "x"); err != nil {
			t.Fatal(err)
		}
	}
	dies := strconv.FormatInt(time.Now().Add(3*time.Second).Unix(), 10)
	if _, err := db[us].PutItem(t.Context(), &dynamodb.PutItemInput{TableName: new("notes"), Item: attributes{
		"pk": text("mortal"), "dies": &types.AttributeValueMemberN{Value: dies},
	}}); err != nil {
		t.Fatal(err)
	}
	for _, region := range all {
		eventually(t, 40*time.Second, region+" has all items", func() bool { return get(t, db[region], "notes", "item-49") != "" })
	}
	if got := verifyWhole(t, w, eu, client.VerifyRequest{Table: "notes"}); len(got.Compared) != 3 || len(got.Different)+got.Unsettled > 0 {
		t.Fatalf("equal regions: %+v", got)
	}
	eventually(t, 40*time.Second, "the images of eu-west-1 end with an expiry", func() bool { return lastCause(t, w, eu) == "expired" })

	if _, err := w.StopRegion(t.Context(), ap); err != nil {
		t.Fatal(err)
	}
	lose(t, filepath.Join(w.cfg.Dir, ap, "store"), "item-7")
	if _, err := w.StartRegion(t.Context(), ap); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, ap+" is compared again", func() bool {
		got := verifyWhole(t, w, eu, client.VerifyRequest{Table: "notes"})
		return len(got.Compared) == 3 && got.Unsettled == 0
	})
	stop := make(chan struct{})
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = put(t.Context(), db[us], "notes", "pk", fmt.Sprint("busy-", i%20), "value", fmt.Sprint(i))
			}
		}
	})
	got := verifyWhole(t, w, eu, client.VerifyRequest{Table: "notes"})
	close(stop)
	writers.Wait()
	if len(got.Different) != 1 || string(got.Different[0].Key) != `{"pk":{"S":"item-7"}}` {
		t.Fatalf("with one item lost: %+v", got)
	}
	for _, h := range got.Different[0].Held {
		if want := map[bool]string{true: client.ItemMissing, false: client.ItemPresent}[h.Region == ap]; h.State != want {
			t.Errorf("%s: %+v, want %s", h.Region, h, want)
		}
	}
	repaired := verifyWhole(t, w, eu, client.VerifyRequest{Table: "notes", Repair: true})
	if len(repaired.Different) != 1 || !repaired.Different[0].Repaired {
		t.Fatalf("the repair: %+v", repaired)
	}
	if got := verifyWhole(t, w, us, client.VerifyRequest{Table: "notes"}); len(got.Different) > 0 {
		t.Errorf("after the repair: %+v", got)
	}
	db[ap] = tables(t, w, ap)
	if got := get(t, db[ap], "notes", "item-7"); got != "pk=item-7 value=x" {
		t.Errorf("%s has %q", ap, got)
	}
}

// lastCause is why the last change of notes took effect in a region.
func lastCause(t *testing.T, w *World, region string) string {
	t.Helper()
	q := client.ImagesRequest{Table: "notes", Limit: 1000}
	cause := ""
	for {
		b, err := w.Region(region).Images(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range b.Images {
			cause = i.Cause
		}
		if q.After = b.Next; !b.More {
			return cause
		}
	}
}

// lose deletes a record from a stopped region's store, behind its back.
func lose(t *testing.T, dir, partition string) {
	t.Helper()
	engine, err := pebblekv.Open(pebblekv.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	it := engine.Scan(kv.Range{From: []byte{'d'}, To: []byte{'e'}})
	var found []byte
	for it.Next() {
		if bytes.Contains(it.Key(), []byte(partition+"\x00\x01")) {
			found = bytes.Clone(it.Key())
		}
	}
	if err := it.Close(); err != nil || found == nil {
		t.Fatalf("%s is not in %s (%v)", partition, dir, err)
	}
	if _, err := kv.Update(t.Context(), engine, nil, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: []kv.Op{{Kind: kv.Delete, Key: found}}}, nil
	}); err != nil {
		t.Fatal(err)
	}
}
