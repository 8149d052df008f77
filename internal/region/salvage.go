package region

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/kv/pebblekv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// salvageBytes bounds what Salvage reads at once, nearly.
const salvageBytes = 1 << 20

// Salvaged is a write that only a region's own directory has: of a record as it
// stands there, or one that lost to another (a conflict).
type Salvaged struct {
	Table string          `json:"table"`
	Key   json.RawMessage `json:"key"`
	// At is when the region wrote it, or the last part of it.
	At      time.Time       `json:"at"`
	Deleted bool            `json:"deleted,omitempty"`
	Lost    bool            `json:"lost,omitempty"`
	Item    json.RawMessage `json:"item,omitempty"`
}

// SalvageQuery says what to look for.
type SalvageQuery struct {
	// Dir is the directory of a region whose process has ended.
	Dir string
	// After is up to when the others have what it wrote; zero is as the directory
	// knows, if it heard of its removal.
	After time.Time
}

// Salvage reads the directory of a region that was removed, and tells of what it
// wrote and no other region has (DATA 18: the removal's ends judge). known is false
// if the directory does not know the ends and none were given: then it tells of all
// that the region wrote. Nothing is merged by itself: what the others have deleted
// or written since decides what of it is still wanted, and they may have forgotten.
func Salvage(ctx context.Context, q SalvageQuery, tell func(Salvaged) error) (known bool, err error) {
	a, owner, err := salvageable(q.Dir)
	if err != nil {
		return false, err
	}
	engine, err := pebblekv.Open(pebblekv.Config{Dir: filepath.Join(q.Dir, storeDir)})
	if err != nil {
		return false, fmt.Errorf("open the data in %s: %w", q.Dir, err)
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	for _, x := range a.Regions { // the name may have been used again
		if x.Name != owner.Node {
			continue
		}
		s, err := store.Open(ctx, store.Config{Engine: engine, World: a.World + " (" + a.ID + ")", RegionName: x.Name, Region: x.ID})
		if errors.Is(err, store.ErrForeign) {
			continue
		}
		if err != nil {
			return false, err
		}
		v := salvage{store: s, region: x, after: hlc.Of(q.After), tell: tell}
		if q.After.IsZero() {
			v.after, v.ends = 0, endsOf(x)
		}
		return v.ends != nil || v.after != 0, v.all(ctx, a.Tables)
	}
	return false, fmt.Errorf("%w: no region %s of world %s, as this directory knows it, wrote the data in it", store.ErrForeign, owner.Node, owner.World)
}

// salvageable reads whose a directory is, and what that knew of its world.
func salvageable(dir string) (*control.State, Owner, error) {
	text, err := os.ReadFile(filepath.Join(dir, ownerFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Owner{}, fmt.Errorf("%s is not the data directory of a region: it has no %s", dir, ownerFile)
	}
	var doc ownerDocument
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		return nil, Owner{}, fmt.Errorf("read whose the data in %s is: %w", dir, err)
	}
	a, err := control.Known(ControlDir(dir), doc.World)
	if err != nil {
		return nil, Owner{}, err
	}
	if _, err := os.Stat(filepath.Join(dir, storeDir)); a == nil || err != nil {
		return nil, Owner{}, fmt.Errorf("%s has no data of a region: %w", dir, errors.Join(err, errNoState(a)))
	}
	return a, Owner{World: doc.World, Node: doc.Node}, nil
}

func errNoState(a *control.State) error {
	if a == nil {
		return errors.New("it never knew its world's state")
	}
	return nil
}

// endsOf are the ends of a region's logs, nil if they are not agreed upon.
func endsOf(x control.Region) map[record.LogID]hlc.Time {
	ends := x.Ends
	if x.Closing != nil && x.Closing.Agreed {
		ends = x.Closing.Ends
	} else if !x.Removed {
		return nil
	}
	at := make(map[record.LogID]hlc.Time, len(ends))
	for _, e := range ends {
		at[e.Log] = e.Time
	}
	return at
}

// salvage is one run.
type salvage struct {
	store  *store.Store
	region control.Region
	after  hlc.Time
	ends   map[record.LogID]hlc.Time
	tell   func(Salvaged) error
}

func (v *salvage) all(ctx context.Context, tables []table.Table) error {
	held := make([]table.Table, len(tables))
	for i, t := range tables {
		// A state that knows of the removal has the region in no table.
		t = t.Clone()
		if _, _, holds := t.Holder(v.region.ID); !holds {
			t.Replicas = append(t.Replicas, table.Replica{Region: v.region.Name, ID: v.region.ID})
		}
		held[i] = t
	}
	v.store.SetTables(held)
	for _, t := range held {
		for from, more := []byte(nil), true; more; more = from != nil {
			c, err := v.store.ReadTable(ctx, t.ID, from, salvageBytes)
			if err != nil {
				return fmt.Errorf("read table %s: %w", t.Name, err)
			}
			for _, one := range c.Records {
				if err := v.look(t, one); err != nil {
					return fmt.Errorf("table %s: %w", t.Name, err)
				}
			}
			from = c.Next
		}
	}
	return nil
}

// look tells of a record if the others cannot have all of it.
func (v *salvage) look(t table.Table, one store.Shipped) error {
	r, err := record.Parse(one.Record)
	if err != nil {
		return err
	}
	latest, err := record.LatestBy(r, v.region.ID)
	if err != nil {
		return err
	}
	last, only := hlc.Time(0), false
	for log, at := range latest {
		last = max(last, at)
		only = only || at > max(v.after, v.ends[log])
	}
	if !only {
		return nil
	}
	out := Salvaged{Table: t.Name, Key: keyJSON(t, one.Key), At: last.Wall().UTC(), Deleted: r.Tombstone || r.Expired, Lost: one.Kind == record.KindReceipt}
	if !out.Deleted {
		out.Item = itemJSON(r.Value)
	}
	return v.tell(out)
}
