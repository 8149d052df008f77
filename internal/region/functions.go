package region

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/function"
	"github.com/meridian-run/meridian/spec"
)

// functions are the running functions of a region's services.
type functions struct {
	mu      sync.Mutex // guards all below
	running map[string]*runningFunction
	// retiring have no service any more and finish the calls that they have;
	// their keys are good until then.
	retiring map[*runningFunction]bool
	ctx      context.Context // of run; nil before
	group    sync.WaitGroup
}

// runningFunction is one service's function and what it was made from.
type runningFunction struct {
	*function.Runner
	made    function.Config
	key     access.Key
	started bool
}

// run runs the functions, those that set adds later included, until ctx ends.
func (f *functions) run(ctx context.Context, r *Region) error {
	f.mu.Lock()
	f.ctx = ctx
	for name, fn := range f.running {
		f.start(r, name, fn)
	}
	f.mu.Unlock()
	<-ctx.Done()
	f.group.Wait()
	return nil
}

// start starts fn if run runs; f.mu is held.
func (f *functions) start(r *Region, name string, fn *runningFunction) {
	if f.ctx == nil || fn.started || f.ctx.Err() != nil {
		return
	}
	fn.started = true
	ctx := f.ctx
	f.group.Go(func() { // ends with ctx, or once the runner is retired
		defer f.ended(r, fn)
		if err := fn.Run(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("function ended", "service", name, "error", err)
		}
	})
}

// get returns a service's function, or nil.
func (f *functions) get(service string) *function.Runner {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fn := f.running[service]; fn != nil {
		return fn.Runner
	}
	return nil
}

// set makes the functions those of the applied spec: unchanged ones go on, and
// each gets a key of its own, limited to its tables. Those that it answers are
// to be retired once the gateway knows their successors: they finish the calls
// that they have.
func (f *functions) set(r *Region, a *applied) (retired []*function.Runner) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running == nil {
		f.running = map[string]*runningFunction{}
	}
	wanted := map[string]bool{}
	for _, s := range a.world.Services {
		if s.Function == nil || !s.In(r.cfg.Name) {
			continue
		}
		wanted[s.Name] = true
		before := f.running[s.Name]
		key := access.Key{ID: "MF" + rand.Text()[:18], Secret: rand.Text() + rand.Text()[:14], Kind: access.Function, Name: s.Name, Tables: s.Tables}
		if before != nil {
			key.ID, key.Secret = before.key.ID, before.key.Secret
		}
		made := r.functionConfig(a, s, key)
		if before != nil && reflect.DeepEqual(before.made, made) {
			before.key = key
			continue
		}
		if f.replace(r, s.Name, made, key) && before != nil {
			retired = append(retired, before.Runner)
		}
	}
	for name, fn := range f.running {
		if !wanted[name] {
			retired = append(retired, fn.Runner)
			f.retire(name)
		}
	}
	f.rekey(r)
	return retired
}

// retire takes a service's function away from new calls; f.mu is held.
func (f *functions) retire(name string) {
	fn := f.running[name]
	delete(f.running, name)
	if !fn.started {
		return // it has no calls
	}
	if f.retiring == nil {
		f.retiring = map[*runningFunction]bool{}
	}
	f.retiring[fn] = true
}

// ended takes the key of a retired function away once it has ended.
func (f *functions) ended(r *Region, fn *runningFunction) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.retiring[fn] {
		delete(f.retiring, fn)
		f.rekey(r)
	}
}

// renew takes up the keys of the world that have changed.
func (f *functions) renew(r *Region) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rekey(r)
}

// rekey makes the keys those of the world and of the functions; f.mu is held.
func (f *functions) rekey(r *Region) {
	keys := slices.Clone(r.cfg.Keys.Keys())
	for fn := range maps.Values(f.running) {
		keys = append(keys, fn.key)
	}
	for fn := range maps.Keys(f.retiring) {
		keys = append(keys, fn.key)
	}
	r.keyring.Replace(keys)
}

// replace starts a function in the place of the one before; f.mu is held. One
// that cannot run here leaves the one before in its place, and replace false.
func (f *functions) replace(r *Region, name string, made function.Config, key access.Key) bool {
	before := f.running[name]
	with := made
	with.Log = r.log.With("part", "function", "service", name)
	with.Events = function.Events{Started: func(took time.Duration) { observe(r.metrics.coldStarts, took, name) }}
	runner, err := function.New(with)
	if err != nil {
		text := fmt.Sprintf("the function of %s cannot run in %s: %v", name, r.cfg.Name, err)
		if before != nil {
			text += "; the one before goes on"
		}
		r.happened(event.Event{Kind: event.Function, Region: r.cfg.Name, Service: name, Text: text})
		return false
	}
	fn := &runningFunction{Runner: runner, made: made, key: key}
	f.running[name] = fn
	f.start(r, name, fn)
	return true
}

// CheckBundles refuses functions that cannot run on this system, all of them at
// once; runs says which services count.
func CheckBundles(w *spec.World, runs func(spec.Service) bool) error {
	var problems []error
	for _, s := range w.Services {
		if s.Function == nil || !runs(s) {
			continue
		}
		if err := function.Check(s.Function.Bundle); err != nil {
			problems = append(problems, fmt.Errorf("service %s: %w", s.Name, err))
		}
	}
	return errors.Join(problems...)
}

// functionConfig is how a service's function runs here. It finds its tables by
// the standard variables of AWS's SDKs: nothing in it is Meridian's own.
func (r *Region) functionConfig(a *applied, s spec.Service, key access.Key) function.Config {
	tables := "http://" + r.cfg.Addresses(a.world, r.cfg.Name).Tables
	env := map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB":         tables,
		"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": tables,
		"AWS_ACCESS_KEY_ID":                 key.ID,
		"AWS_SECRET_ACCESS_KEY":             key.Secret,
	}
	if len(s.Tables) > 0 {
		env["TABLE_NAME"] = s.Tables[0]
	}
	for _, t := range s.Tables {
		env["TABLE_"+variable(t)] = t
	}
	maps.Copy(env, s.Function.Env)
	return function.Config{
		Name: s.Name, Bundle: s.Function.Bundle, Dir: filepath.Join(r.cfg.Dir, "functions", s.Name),
		Region: r.cfg.Name, Env: env, Memory: int(s.Function.Memory >> 20),
		Timeout: s.Function.Timeout, Concurrency: s.Function.Concurrency, Idle: s.Function.Idle,
	}
}

// variable is a table's name as part of an environment variable's.
func variable(name string) string {
	return strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' {
			return c - 'a' + 'A'
		}
		if 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
			return c
		}
		return '_'
	}, name)
}

var errNoFunction = errors.New("its function does not run, see the log above")
