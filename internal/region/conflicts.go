package region

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// Conflicts lists the writes to this region's tables that were discarded unseen,
// wherever that was.
func (r *Region) Conflicts(ctx context.Context, q client.ConflictsRequest) (client.Conflicts, error) {
	a, d := r.applied.Load(), r.data.Load()
	if a == nil || d == nil {
		return client.Conflicts{}, errStarting
	}
	tables, err := r.conflictTables(a, q.Table)
	if err != nil {
		return client.Conflicts{}, err
	}
	limit := cmp.Or(q.Limit, 100)
	out := client.Conflicts{Answered: r.cfg.Name, Conflicts: []client.Conflict{}}
	for _, t := range tables {
		query := store.ReceiptQuery{Table: t.ID, Limit: limit}
		if q.Key != "" {
			if query.Partition, query.Sort, err = parseKey(t, q.Key); err != nil {
				return client.Conflicts{}, err
			}
		}
		list, more, err := d.store.Receipts(ctx, query)
		if err != nil {
			return client.Conflicts{}, conflictError(err)
		}
		out.More = out.More || more
		for _, one := range list {
			out.Conflicts = append(out.Conflicts, conflictOf(a, t, one))
		}
	}
	slices.SortStableFunc(out.Conflicts, func(x, y client.Conflict) int { return y.Lost.At.Compare(x.Lost.At) })
	if len(out.Conflicts) > limit {
		out.Conflicts, out.More = out.Conflicts[:limit], true
	}
	return out, nil
}

// Conflict answers one discarded write.
func (r *Region) Conflict(ctx context.Context, id string) (client.Conflict, error) {
	a, d := r.applied.Load(), r.data.Load()
	if a == nil || d == nil {
		return client.Conflict{}, errStarting
	}
	one, err := d.store.Receipt(ctx, id)
	if err != nil {
		return client.Conflict{}, conflictError(err)
	}
	return r.shownConflict(a, d, one), nil
}

// RestoreConflict writes the value of a discarded write again.
func (r *Region) RestoreConflict(ctx context.Context, id string) (client.Restored, error) {
	a, d := r.applied.Load(), r.data.Load()
	if a == nil || d == nil {
		return client.Restored{}, errStarting
	}
	one, commit, err := d.store.Restore(ctx, id)
	if err != nil {
		return client.Restored{}, conflictError(err)
	}
	return client.Restored{Answered: r.cfg.Name, Conflict: r.shownConflict(a, d, one), At: commit.Version.Time.Wall().UTC()}, nil
}

// meterReceipts measures the receipts of all tables; dropped is what was measured
// before.
func (r *Region) meterReceipts(d *data, dropped map[record.TableID]uint64) {
	tables := d.store.Tables()
	for id, stats := range d.store.ReceiptStats() {
		if tables[id].Memory {
			continue
		}
		name := tables[id].Name
		r.metrics.receipts.WithLabelValues(name).Set(float64(stats.Kept))
		r.metrics.receiptsDropped.WithLabelValues(name).Add(float64(stats.Dropped - min(stats.Dropped, dropped[id])))
		dropped[id] = stats.Dropped
	}
}

// conflictTables are the tables of this region, or the one that is named.
func (r *Region) conflictTables(a *applied, name string) ([]table.Table, error) {
	var held []table.Table
	for _, t := range a.state.Tables {
		if name != "" && t.Name != name {
			continue
		}
		if t.In(r.cfg.Name) {
			held = append(held, t)
		} else if name != "" {
			return nil, client.Errorf(client.CodeNotFound, "%s has no replica of table %s; ask one of %s with --region", r.cfg.Name, name, strings.Join(t.Regions(), ", "))
		}
	}
	if name != "" && len(held) == 0 {
		return nil, client.Errorf(client.CodeNotFound, "there is no table %q; %s", name, namesOf(a.state.Tables))
	}
	return held, nil
}

// namesOf says which tables there are.
func namesOf(tables []table.Table) string {
	var names []string
	for _, t := range tables {
		if !t.Memory {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return "the world has no tables"
	}
	slices.Sort(names)
	return "the tables are " + strings.Join(names, ", ")
}

func (r *Region) shownConflict(a *applied, d *data, one store.Receipt) client.Conflict {
	t, _ := d.store.Table(one.Key.Table)
	return conflictOf(a, t, one)
}

// conflictOf is a receipt as people see it.
func conflictOf(a *applied, t table.Table, one store.Receipt) client.Conflict {
	c := client.Conflict{ID: one.ID, Table: t.Name, Key: keyJSON(t, one.Key), Lost: lostOf(a, one.Lost)}
	if one.Current.Version != (record.Version{}) {
		now := writeOf(a, one.Current)
		if one.Lost.ByAttribute {
			if winner, err := record.Winner(one.Lost, one.Current); err == nil {
				now.Region, now.At = regionName(a, winner.Region), winner.Time.Wall().UTC()
			}
		}
		c.Now = &now
	}
	return c
}

func writeOf(a *applied, rec record.Record) client.Write {
	w := client.Write{
		Region: regionName(a, rec.Version.Region), At: hlc.Time(rec.Version.Time).Wall().UTC(),
		Deleted: rec.Tombstone || rec.Expired,
	}
	if rec.Expires != 0 {
		w.Expires = time.Unix(rec.Expires, 0).UTC()
	}
	if !w.Deleted {
		w.Item = itemJSON(rec.Value)
	}
	return w
}

// lostOf is what a receipt keeps: of a table that merges by attribute, only those
// that lost.
func lostOf(a *applied, receipt record.Record) client.Write {
	w := writeOf(a, receipt)
	if !receipt.ByAttribute {
		return w
	}
	loss, err := record.LossOf(receipt)
	if err != nil {
		return w // shown as it is stored
	}
	w.Deleted, w.Removed, w.Item = loss.Deleted, loss.Removed, nil
	if len(loss.Set) > 0 {
		w.Item = loss.Set.AppendJSON(nil)
	}
	for _, add := range loss.Added {
		if w.Added == nil {
			w.Added = map[string]string{}
		}
		w.Added[add.Attribute] = add.Amount.Text()
	}
	return w
}

// itemJSON is a stored item as DynamoDB's JSON. Bytes that are no item are shown as
// a string of base64.
func itemJSON(stored []byte) json.RawMessage {
	encoded, err := item.AppendStoredJSON(nil, stored)
	if err != nil {
		encoded = item.AppendQuoted(nil, base64.StdEncoding.EncodeToString(stored))
	}
	return encoded
}

// keyJSON is an item's key as DynamoDB's JSON.
func keyJSON(t table.Table, key record.Key) json.RawMessage {
	var it item.Item
	add := func(a table.Attribute, encoded []byte) {
		v, err := item.ParseOrdered(item.KindOf(a.Type), encoded)
		if err != nil {
			v = item.Value{Kind: item.B, Text: string(encoded)}
		}
		it = it.Set(a.Name, v)
	}
	add(t.Key, key.Partition)
	if t.Sort != nil {
		add(*t.Sort, key.Sort)
	}
	return it.AppendJSON(nil)
}

// parseKey reads a key as people write it: the value of the partition key, or
// DynamoDB's JSON of the key's attributes, of which the sort key may be left out.
func parseKey(t table.Table, text string) (partition, sort []byte, err error) {
	if !strings.HasPrefix(text, "{") {
		v, err := scalar(t.Key, text)
		if err != nil {
			return nil, nil, err
		}
		return item.AppendOrdered([]byte{}, v), nil, nil
	}
	var doc item.Document
	if err := doc.Parse(text); err != nil {
		return nil, nil, client.Errorf(client.CodeInvalid, "the key is no JSON: %v", err)
	}
	it, err := item.FromJSON(doc.Root())
	if err != nil {
		return nil, nil, client.Errorf(client.CodeInvalid, "the key is not DynamoDB's JSON: %v", err)
	}
	v := it.Get(t.Key.Name)
	if v.Kind.String() != t.Key.Type {
		return nil, nil, client.Errorf(client.CodeInvalid, `the key of table %s is %s: {"%s": {"%s": "…"}}`, t.Name, t.Keys(), t.Key.Name, t.Key.Type)
	}
	partition = item.AppendOrdered([]byte{}, v)
	if t.Sort != nil && it.Get(t.Sort.Name).Kind.String() == t.Sort.Type {
		sort = item.AppendOrdered([]byte{}, it.Get(t.Sort.Name))
	}
	return partition, sort, nil
}

// scalar reads the value of a key attribute: a number, base64, or text.
func scalar(a table.Attribute, text string) (item.Value, error) {
	switch a.Type {
	case "N":
		v, err := item.Number(text)
		if err != nil {
			return v, client.Errorf(client.CodeInvalid, "%s is a number: %v", a.Name, err)
		}
		return v, nil
	case "B":
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return item.Value{}, client.Errorf(client.CodeInvalid, "%s is binary: write it as base64 (%v)", a.Name, err)
		}
		return item.Value{Kind: item.B, Text: string(raw)}, nil
	}
	return item.Text(text), nil
}

// regionName is a region's name, of those that were removed too.
func regionName(a *applied, id record.RegionID) string {
	for _, region := range a.state.Regions {
		if region.ID == id {
			return region.Name
		}
	}
	return fmt.Sprintf("region %d", id)
}

// conflictError turns the store's refusals into the API's.
func conflictError(err error) error {
	switch {
	case errors.Is(err, store.ErrNoReceipt):
		return client.Errorf(client.CodeNotFound, "%v: it may be of a table that this region does not hold, or have been let go since; `meridian conflicts` lists those that are kept", err)
	case errors.Is(err, store.ErrPast):
		return client.Errorf(client.CodeConflict, "not restored: %v", err)
	case errors.Is(err, store.ErrElsewhere):
		return client.Errorf(client.CodeConflict, "not restored: %v; ask that region with --region", err)
	case errors.Is(err, store.ErrNoTable):
		return client.Errorf(client.CodeConflict, "not restored: %v", err)
	}
	return err
}
