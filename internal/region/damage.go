package region

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/meridian-run/meridian/internal/dynamo"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/kv/pebblekv"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

const (
	// storeDir is the store in a region's directory; asideDir one that was damaged,
	// the last only: it may be as large as the one that takes its place.
	storeDir, asideDir = "store", "store-damaged"
	// damageMark is a file that says why the next start is to set the store aside.
	damageMark = "store-is-damaged"
	// damageFlush bounds the wait for peers to take what a damaged store had not
	// shipped.
	damageFlush = 30 * time.Second
)

// openStore opens the region's store. One that is damaged is set aside, if the
// other regions have all that it held: the region then begins anew, under a new
// log id, and copies everything from them.
func (r *Region) openStore(ctx context.Context, a *applied, id record.RegionID) (*pebblekv.Engine, *store.Store, error) {
	if why, err := os.ReadFile(filepath.Join(r.cfg.Dir, damageMark)); err == nil {
		if err := r.setAside(string(why)); err != nil {
			return nil, nil, err
		}
	}
	engine, opened, err := r.tryStore(ctx, a, id)
	if !errors.Is(err, kv.ErrCorrupt) {
		return engine, opened, err
	}
	if only := r.heldOnlyHere(a); len(only) > 0 {
		return nil, nil, damageRemedy(err, only)
	}
	if err := r.setAside(err.Error()); err != nil {
		return nil, nil, err
	}
	return r.tryStore(ctx, a, id)
}

func (r *Region) tryStore(ctx context.Context, a *applied, id record.RegionID) (*pebblekv.Engine, *store.Store, error) {
	engine, err := pebblekv.Open(pebblekv.Config{Dir: filepath.Join(r.cfg.Dir, storeDir), Forgetful: r.cfg.Dev != nil})
	if err != nil {
		return nil, nil, err
	}
	opened, err := store.Open(ctx, store.Config{
		Engine: engine, World: a.world.Name + " (" + a.state.ID + ")", RegionName: r.cfg.Name, Region: id,
		Observers: []store.Observer{dynamo.IndexObserver{}}, Events: r.storeEvents(),
	})
	if err != nil {
		return nil, nil, errors.Join(err, engine.Close())
	}
	return engine, opened, nil
}

// heldOnlyHere names the tables that no other region has whole.
func (r *Region) heldOnlyHere(a *applied) (only []string) {
	for _, t := range a.state.Tables {
		here, elsewhere := false, false
		for _, x := range t.Holders() {
			if x.Region == r.cfg.Name {
				here = true
			} else if x.Complete() {
				elsewhere = true
			}
		}
		if here && !elsewhere {
			only = append(only, t.Name)
		}
	}
	return only
}

func damageRemedy(err error, only []string) error {
	return fmt.Errorf("%w; no other region has %s, so nothing is set aside: restore the directory from a backup, or move it away to begin without these tables' data",
		err, strings.Join(only, ", "))
}

// setAside moves the store out of the way, in place of the one that was moved
// before.
func (r *Region) setAside(why string) error {
	from, to := filepath.Join(r.cfg.Dir, storeDir), filepath.Join(r.cfg.Dir, asideDir)
	if _, err := os.Stat(from); err == nil {
		if err := errors.Join(os.RemoveAll(to), os.Rename(from, to)); err != nil {
			return fmt.Errorf("set the damaged store aside: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(r.cfg.Dir, damageMark)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	r.happened(event.Event{
		Kind: event.Storage, Region: r.cfg.Name,
		Text: "the store of " + r.cfg.Name + " is damaged and set aside as " + to + "; everything is copied from the other regions: " + why,
	})
	return nil
}

// leaveDamaged gives up a store that is damaged: what is durable goes to the
// peers, as far as it can be read, and the next start begins anew. It answers
// nil where the store is all that there is: the region then goes on reading.
func (r *Region) leaveDamaged(ctx context.Context) error {
	cause := r.storage.cause
	if only := r.heldOnlyHere(r.applied.Load()); len(only) > 0 {
		r.log.Error("the store is damaged, writes stay refused", "error", damageRemedy(cause, only))
		<-ctx.Done()
		return nil
	}
	if d := r.data.Load(); d != nil {
		flushing, cancel := context.WithTimeout(ctx, damageFlush)
		r.flush(flushing, d)
		cancel()
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := os.WriteFile(filepath.Join(r.cfg.Dir, damageMark), []byte(cause.Error()), 0o600); err != nil {
		return fmt.Errorf("note that the store is damaged: %w", err)
	}
	close(r.storage.over)
	return fmt.Errorf("%w: %w", ErrStorage, cause)
}
