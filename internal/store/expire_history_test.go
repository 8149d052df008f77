package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// expiries is the regions of a history about expiry. Times are milliseconds, and
// times of death seconds, behind start.
type expiries struct {
	t       *testing.T
	regions []*region
	told    []*causes
}

// causes writes down what observers are told.
type causes struct{ list []string }

func (c *causes) Observe(ch store.Change, _ *store.Writes) error {
	show := func(r *record.Record) string {
		if r == nil {
			return "-"
		}
		return string(r.Value)
	}
	cause := map[store.Cause]string{store.Local: "local", store.Applied: "applied", store.Expired: "expired"}[ch.Cause]
	c.list = append(c.list, fmt.Sprintf("%s %s>%s", cause, show(ch.Old), show(ch.New)))
	return nil
}

// TestDATA9_Histories runs every race of expiry with writes, deletes, resends and
// restored directories, as files.
func TestDATA9_Histories(t *testing.T) {
	datadriven.Walk(t, "testdata/expiry", func(t *testing.T, path string) {
		h := &expiries{t: t}
		for id := range record.RegionID(3) {
			told := &causes{}
			h.told = append(h.told, told)
			h.regions = append(h.regions, newRegion(t, id+1, nil, func(c *store.Config) { c.Observers = []store.Observer{told} }))
		}
		datadriven.RunTest(t, path, h.run)
	})
}

func (h *expiries) region(d *datadriven.TestData, name string) *region {
	var letter string
	d.ScanArgs(h.t, name, &letter)
	return h.regions[letter[0]-'a']
}

func (h *expiries) run(t *testing.T, d *datadriven.TestData) string {
	h.t = t
	switch d.Cmd {
	case "clock": // of one region, or of all
		var ms int
		d.ScanArgs(t, "ms", &ms)
		for _, r := range h.regions {
			if !d.HasArg("of") || r == h.region(d, "of") {
				*r.now = start.Add(time.Duration(ms) * time.Millisecond)
			}
		}
		return ""
	case "put":
		var value string
		var dies int64
		d.ScanArgs(t, "value", &value)
		d.MaybeScanArgs(t, "dies", &dies)
		if dies != 0 {
			dies += start.Unix()
		}
		return h.write(h.region(d, "in"), func(tx *store.Tx) error {
			return tx.Put(key("k"), []byte(value), store.PutOptions{Expires: dies})
		})
	case "delete":
		return h.write(h.region(d, "in"), func(tx *store.Tx) error { return tx.Delete(key("k")) })
	case "expire":
		done, err := h.region(d, "in").Expire(t.Context())
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%d buried", done.Records)
	case "pull":
		got := h.region(d, "to").pull(h.region(d, "from"))
		return fmt.Sprintf("%d applied, %d stale, %d conflicts", got.Applied, got.Stale, got.Conflicts)
	case "resend":
		return h.resend(h.region(d, "to"), h.region(d, "from"))
	case "settle":
		settle(h.regions...)
		settle(h.regions...)
		return ""
	case "show":
		return h.show()
	}
	return "unknown command " + d.Cmd
}

func (h *expiries) write(r *region, decide func(*store.Tx) error) string {
	seen := "nothing"
	_, err := r.Update(h.t.Context(), []record.Key{key("k")}, func(tx *store.Tx) error {
		if got, ok, err := tx.Get(key("k")); err != nil {
			return err
		} else if ok {
			seen = string(got.Value)
		}
		return decide(tx)
	})
	if err != nil {
		return err.Error()
	}
	return "saw " + seen
}

// resend gives all that a region holds, as a reconciliation does (DATA 18).
func (h *expiries) resend(to, from *region) string {
	c, err := from.ReadTable(h.t.Context(), notes, nil, 1<<20)
	if err != nil {
		return err.Error()
	}
	got, err := to.Apply(h.t.Context(), store.Apply{Origin: from.id, Records: c.Records, Resend: true})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d applied, %d stale, %d conflicts, %d outdated", got.Applied, got.Stale, got.Conflicts, got.Outdated)
}

// show says what each region holds of k, what its readers see and what its
// observers were told since the last show.
func (h *expiries) show() string {
	var out strings.Builder
	for i, r := range h.regions {
		held := "nothing"
		for _, rec := range records(h.t, r) {
			at := rec.Version.Time.Wall().Sub(start).Milliseconds()
			held = fmt.Sprintf("%s(%c:%d)", rec.Value, 'a'+rune(rec.Version.Region)-1, at)
			switch {
			case rec.Tombstone:
				held = "deleted" + held
			case rec.Expired:
				held = "expired " + held
			case rec.Expires != 0:
				held += fmt.Sprintf(" dies %d", rec.Expires-start.Unix())
			}
		}
		fmt.Fprintf(&out, "%c: %s; readers see %q", 'a'+i, held, r.value(key("k")))
		if n := dying(h.t, r); n > 0 {
			fmt.Fprintf(&out, "; %d in the index", n)
		}
		if n := countKeys(h.t, r, 'r'); n > 0 {
			fmt.Fprintf(&out, "; %d receipts", n)
		}
		if told := h.told[i]; len(told.list) > 0 {
			fmt.Fprintf(&out, "; %s", strings.Join(told.list, ", "))
			told.list = nil
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// dying counts the index of times of death, without its marks.
func dying(t *testing.T, r *region) (n int) {
	t.Helper()
	it := r.engine.Scan(kv.Range{From: []byte{'e'}, To: []byte{'f'}})
	for it.Next() {
		if len(it.Key()) > 9 {
			n++
		}
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// DATA 9: records that were written before there was an index are found, in
// steps, and those written meanwhile are not lost.
func TestDATA9_IndexIsRebuilt(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	const many = 5000
	var all []record.Key
	for i := range many {
		k := key(fmt.Sprint("k", i))
		all = append(all, k)
	}
	for part := range slices.Chunk(all, 500) {
		if _, err := r.Update(t.Context(), part, func(tx *store.Tx) error {
			for _, k := range part {
				if err := tx.Put(k, []byte("x"), store.PutOptions{Expires: start.Unix() + 10}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	// As it was before: no index, and no mark of one.
	if _, err := kv.Update(t.Context(), r.engine, nil, func(kv.Reader) (*kv.Batch, error) {
		return &kv.Batch{Ops: []kv.Op{{Kind: kv.DeleteRange, Key: []byte{'e'}, Value: []byte{'f'}}}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	step, err := r.Expire(t.Context())
	if err != nil || !step.More || step.Records != 0 {
		t.Fatalf("first step: %+v, %v", step, err)
	}
	r.restart()
	r.put(key("k4"), "lives")
	for step.More {
		if step, err = r.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := dying(t, r); n != many-1 {
		t.Fatalf("%d records in the index, want %d", n, many-1)
	}
	r.advance(11 * time.Second)
	buried := 0
	for step = (store.Swept{More: true}); step.More; buried += step.Records {
		if step, err = r.Expire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if buried != many-1 || r.value(key("k4")) != "lives" || dying(t, r) != 0 || r.Stats().Expired != many-1 {
		t.Errorf("%d buried, %d in the index, k4 %q, counted %d", buried, dying(t, r), r.value(key("k4")), r.Stats().Expired)
	}
}

// DATA 9: what is buried stays so over a crash, or is due again; and a derived
// tombstone has the record's version.
func TestDATA9_TombstoneIsDerived(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	r.tables = append(r.tables[:0:0], tableIn(notes, 1, 2))
	r.SetTables(r.tables)
	c, err := r.Update(t.Context(), []record.Key{key("k")}, func(tx *store.Tx) error {
		return tx.Put(key("k"), []byte("x"), store.PutOptions{Expires: start.Unix() + 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	r.advance(time.Hour)
	if done, err := r.Expire(t.Context()); err != nil || done.Records != 1 || done.Behind < 59*time.Minute {
		t.Fatalf("%+v, %v", done, err)
	}
	r.restart()
	for _, rec := range records(t, r) {
		if rec.Version != c.Version || !rec.Expired || rec.Tombstone || string(rec.Value) != "x" {
			t.Errorf("got %+v, want %v, expired, with its value for receipts", rec, c.Version)
		}
	}
	if p := r.Position(); p.Cursor.Version != c.Version {
		t.Errorf("the log ends at %v: an expiry is no entry of it", p.Cursor)
	}
}

// A table that goes takes its index along.
func TestExpiryIndexGoesWithItsTable(t *testing.T) {
	r := newRegion(t, 1, nil, nil)
	if _, err := r.Update(t.Context(), []record.Key{key("k")}, func(tx *store.Tx) error {
		return tx.Put(key("k"), []byte("x"), store.PutOptions{Expires: start.Unix() + 1})
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.SetTables(nil)
	if err := r.DropTable(t.Context(), notes); err != nil || countKeys(t, r, 'e') != 0 {
		t.Errorf("%v, %d keys left", err, countKeys(t, r, 'e'))
	}
}
