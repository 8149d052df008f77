package dynamo_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"

	"github.com/meridian-run/meridian/internal/access"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the histories with what they show now")

// A history is text: what regions A to D do with one item of a table, a second
// after each other, and behind "->" what is seen then.
//
//	table merge=attributes counters=views
//	A put title=Hello     PutItem; values that look like numbers are numbers
//	A set title=Hi        UpdateItem SET title = :v
//	A plus views=1        UpdateItem SET views = views + :v
//	A add views=1         UpdateItem ADD views :v
//	A remove title        UpdateItem REMOVE title
//	A delete              DeleteItem
//	B pulls A             B applies what A's log has for it
//	exchange              everyone pulls from everyone
//	A holds               shows the item in A
//	all hold              shows it, and fails unless it is the same everywhere
//	receipts              shows them, and fails unless they are the same everywhere
//	A restores            the newest receipt
//
// "-> " lines answer the last three kinds.
type history struct {
	t       *testing.T
	table   table.Table
	now     time.Time
	regions map[string]*region
	cursors map[[2]string]store.Cursor
}

const historyRegions = "ABCD"

func newHistory(t *testing.T) *history {
	return &history{t: t, now: time.Unix(1_800_000_000, 0), regions: map[string]*region{}, cursors: map[[2]string]store.Cursor{}}
}

// open starts the regions with their table.
func (h *history) open(settings []string) {
	h.table = table.Table{ID: 7, Name: "notes", Key: table.Attribute{Name: "pk", Type: "S"}, State: table.Active}
	for i, name := range historyRegions {
		h.table.Replicas = append(h.table.Replicas, table.Replica{Region: string(name), ID: record.RegionID(i + 1)})
	}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		switch key {
		case "merge":
			h.table.Merge = value
		case "counters":
			h.table.Counters = strings.Split(value, ",")
		case "ttl":
			h.table.TTL = value
		case "index":
			h.table.Indexes = []table.Index{{Name: "by-" + value, Key: table.Attribute{Name: value, Type: "S"}, Projection: "ALL"}}
		default:
			h.t.Fatalf("a table has no %s", key)
		}
	}
	if err := h.table.Check(); err != nil {
		h.t.Fatal(err)
	}
	for i, name := range historyRegions {
		h.regions[string(name)] = h.region(string(name), record.RegionID(i+1))
	}
}

func (h *history) region(name string, id record.RegionID) *region {
	s, err := store.Open(context.Background(), store.Config{
		Engine: memkv.New(memkv.Config{}), World: "test", RegionName: name, Region: id,
		Observers: []store.Observer{dynamo.IndexObserver{}}, Wall: func() time.Time { return h.now },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	s.SetTables([]table.Table{h.table})
	r := &region{t: h.t, store: s, catalog: &catalog{store: s, tables: []table.Table{h.table}}, keys: access.NewKeyring(admin), now: time.Now}
	server := httptest.NewServer(dynamo.New(dynamo.Config{Store: s, Catalog: r.catalog, Keys: r.keys, Region: name}))
	r.url, r.client = server.URL, server.Client()
	h.t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			h.t.Error(err)
		}
	})
	return r
}

// play runs a history and answers it with what it shows.
func (h *history) play(text string) string {
	h.t.Helper()
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "->") {
			continue
		}
		out.WriteString(line)
		command, _, _ := strings.Cut(line, "#")
		words := strings.Fields(command)
		if len(words) == 0 {
			continue
		}
		h.now = h.now.Add(time.Second)
		for _, shown := range h.do(words) {
			out.WriteString("-> " + shown + "\n")
		}
	}
	return out.String()
}

func (h *history) do(words []string) []string {
	h.t.Helper()
	switch words[0] {
	case "table":
		h.open(words[1:])
	case "exchange":
		h.exchange()
	case "all":
		return []string{h.everywhere(func(name string) string { return h.holds(name) })}
	case "receipts":
		return strings.Split(h.everywhere(h.receipts), "\n")
	default:
		return h.act(words[0], words[1], words[2:])
	}
	return nil
}

// act is what one region does.
func (h *history) act(name, verb string, words []string) []string {
	h.t.Helper()
	r := h.regions[name]
	if r == nil {
		h.t.Fatalf("there is no region %s", name)
	}
	key := `{"TableName":"notes","Key":{"pk":{"S":"k"}}`
	switch verb {
	case "put":
		r.must("PutItem", `{"TableName":"notes","Item":{"pk":{"S":"k"}`+wire(words)+`}}`)
	case "set", "plus", "add":
		attribute, value, _ := strings.Cut(words[0], "=")
		expression := map[string]string{"set": "SET #a = :v", "plus": "SET #a = #a + :v", "add": "ADD #a :v"}[verb]
		r.must("UpdateItem", fmt.Sprintf(`%s,"UpdateExpression":%q,"ExpressionAttributeNames":{"#a":%q},"ExpressionAttributeValues":{":v":%s}}`,
			key, expression, attribute, wireValue(value)))
	case "remove":
		r.must("UpdateItem", fmt.Sprintf(`%s,"UpdateExpression":"REMOVE #a","ExpressionAttributeNames":{"#a":%q}}`, key, words[0]))
	case "delete":
		r.must("DeleteItem", key+"}")
	case "pulls":
		h.pull(name, words[0])
	case "holds":
		return []string{h.holds(name)}
	case "finds":
		index, value, _ := strings.Cut(words[0], "=")
		body := r.must("Query", fmt.Sprintf(`{"TableName":"notes","IndexName":"by-%s","KeyConditionExpression":"#a = :v","ExpressionAttributeNames":{"#a":%[1]q},"ExpressionAttributeValues":{":v":%s}}`, index, wireValue(value)))
		var found struct{ Items []map[string]map[string]any }
		if err := json.Unmarshal([]byte(body), &found); err != nil {
			h.t.Fatal(err)
		}
		return []string{fmt.Sprint(len(found.Items))}
	case "restores":
		h.restore(r)
	default:
		h.t.Fatalf("%s cannot %s", name, verb)
	}
	return nil
}

// wire is attributes in the form of the wire, after a comma.
func wire(words []string) (out string) {
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		out += fmt.Sprintf(`,%q:%s`, name, wireValue(value))
	}
	return out
}

func wireValue(text string) string {
	if n, err := item.Number(text); err == nil {
		return fmt.Sprintf(`{"N":%q}`, n.Text)
	}
	return fmt.Sprintf(`{"S":%q}`, text)
}

// pull applies what one region's log has for another.
func (h *history) pull(to, from string) (moved bool) {
	h.t.Helper()
	path := [2]string{to, from}
	for {
		b, err := h.regions[from].store.ReadLog(h.t.Context(), h.cursors[path], store.Limit{}, nil)
		if err != nil {
			h.t.Fatal(err)
		}
		if b.From == b.To {
			return moved
		}
		moved = moved || len(b.Records) > 0
		origin := record.RegionID(strings.Index(historyRegions, from) + 1)
		if _, err := h.regions[to].store.Apply(h.t.Context(), store.Apply{Origin: origin, Cursor: b.To, Records: b.Records, Frontiers: b.Frontiers}); err != nil {
			h.t.Fatal(err)
		}
		h.cursors[path] = b.To
	}
}

func (h *history) exchange() {
	for again := true; again; {
		again = false
		for _, to := range historyRegions {
			for _, from := range historyRegions {
				if to != from && h.pull(string(to), string(from)) {
					again = true
				}
			}
		}
	}
}

// everywhere is what every region shows, which must be the same.
func (h *history) everywhere(show func(name string) string) string {
	h.t.Helper()
	want := show("A")
	for _, name := range historyRegions[1:] {
		if got := show(string(name)); got != want {
			h.t.Errorf("%c shows %s, and A %s", name, got, want)
		}
	}
	return want
}

func (h *history) holds(name string) string {
	h.t.Helper()
	body := h.regions[name].must("GetItem", `{"TableName":"notes","Key":{"pk":{"S":"k"}}}`)
	var answer struct{ Item map[string]map[string]any }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		h.t.Fatal(err)
	}
	if answer.Item == nil {
		return "no item"
	}
	delete(answer.Item, "pk")
	var list []string
	for _, name := range slices.Sorted(maps.Keys(answer.Item)) {
		for _, value := range answer.Item[name] {
			list = append(list, fmt.Sprintf("%s=%v", name, value))
		}
	}
	if list == nil {
		return "an item of its key alone"
	}
	return strings.Join(list, " ")
}

// receipts shows a region's receipts, a line each, the newest write first.
func (h *history) receipts(name string) string {
	h.t.Helper()
	list, _, err := h.regions[name].store.Receipts(h.t.Context(), store.ReceiptQuery{Table: h.table.ID})
	if err != nil {
		h.t.Fatal(err)
	}
	var lines []string
	for _, receipt := range list {
		loss, err := record.LossOf(receipt.Lost)
		if err != nil {
			h.t.Fatal(err)
		}
		line := fmt.Sprintf("lost of %c:", historyRegions[receipt.Lost.Version.Region-1])
		if loss.Deleted {
			line += " delete"
		}
		for _, a := range loss.Set.Remove("pk") {
			line += fmt.Sprintf(" set %s=%s", a.Name, a.Value.Text)
		}
		for _, name := range loss.Removed {
			line += " remove " + name
		}
		for _, add := range loss.Added {
			line += fmt.Sprintf(" add %s=%s", add.Attribute, add.Amount.Text())
		}
		lines = append(lines, line)
	}
	if lines == nil {
		return "none"
	}
	return strings.Join(lines, "\n")
}

func (h *history) restore(r *region) {
	h.t.Helper()
	list, _, err := r.store.Receipts(h.t.Context(), store.ReceiptQuery{Table: h.table.ID})
	if err != nil || len(list) == 0 {
		h.t.Fatalf("receipts %v, %v", list, err)
	}
	if _, _, err := r.store.Restore(h.t.Context(), list[0].ID); err != nil {
		h.t.Fatal(err)
	}
}

// DATA 10, D8: histories as text, one a file.
func TestDATA10_Histories(t *testing.T) {
	paths, err := filepath.Glob("testdata/merge/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no histories: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := newHistory(t).play(string(text))
			if *rewrite {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(got, string(text)); d != "" {
				t.Errorf("got (-), want (+); -rewrite writes it:\n%s", d)
			}
		})
	}
}

var historyBlock = regexp.MustCompile("(?ms)^```history\n(.*?)^```$")

// D7, D8: what the docs tell of conflicts is so.
func TestD8_HistoriesOfTheDocs(t *testing.T) {
	const path = "../../docs/conflicts.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blocks := historyBlock.FindAllSubmatchIndex(text, -1)
	if len(blocks) < 5 {
		t.Fatalf("%d histories in %s", len(blocks), path)
	}
	next, last := []byte(nil), 0
	for i, at := range blocks {
		want := string(text[at[2]:at[3]])
		next = append(next, text[last:at[2]]...)
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			got := newHistory(t).play(want)
			next = append(next, got...)
			if d := cmp.Diff(got, want); d != "" && !*rewrite {
				t.Errorf("got (-), want (+); -rewrite writes it:\n%s", d)
			}
		})
		last = at[3]
	}
	if *rewrite {
		if err := os.WriteFile(path, append(next, text[last:]...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
