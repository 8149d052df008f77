package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/admin"
)

// serveController serves the controller's own address, which answers while
// every region is stopped.
func (w *World) serveController(ctx context.Context) error {
	server := &http.Server{
		Handler:           admin.New(admin.Config{Dev: w, Token: w.token, Log: w.log.With("part", "controller")}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(w.listener) }()
	select {
	case <-ctx.Done():
		server.Close()
		<-failed
		return nil
	case err := <-failed:
		if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
			return nil
		}
		return fmt.Errorf("serve the controller: %w", err)
	}
}

func (w *World) node(name string) (*node, error) {
	if n := w.find(name); n != nil {
		return n, nil
	}
	var names []string
	for _, s := range w.list() {
		names = append(names, s.name)
	}
	return nil, client.Errorf(client.CodeNotFound, "there is no region %q; this world runs %s", name, strings.Join(names, ", "))
}

// StopRegion ends a region as a power cut would: what was not synced is
// forgotten.
func (w *World) StopRegion(_ context.Context, name string) (client.Done, error) {
	n, err := w.node(name)
	if err != nil {
		return client.Done{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running == nil {
		return client.Done{Text: name + " is stopped already"}, nil
	}
	began := time.Now()
	n.setStopped(began)
	n.running.Crash()
	<-n.ended
	n.running = nil
	return client.Done{Text: name + " stopped as by a power cut", Seconds: time.Since(began).Seconds()}, nil
}

// StartRegion starts a stopped region and returns when it serves.
func (w *World) StartRegion(ctx context.Context, name string) (client.Done, error) {
	n, err := w.node(name)
	if err != nil {
		return client.Done{}, err
	}
	began := time.Now()
	if w.Region(name) != nil {
		return client.Done{Text: name + " runs already"}, nil
	}
	if _, was := w.former(name, n.after); was {
		return client.Done{}, client.Errorf(client.CodeConflict, "%s was removed from the world; its data stay in %s", name, filepath.Join(w.cfg.Dir, name))
	}
	if err := w.start(w.ctx, n); err != nil {
		return client.Done{}, client.Errorf(client.CodeUnavailable, "%v", err)
	}
	if err := w.awaitRegion(ctx, name); err != nil {
		return client.Done{}, err
	}
	return client.Done{Text: name + " serves again", Seconds: time.Since(began).Seconds()}, nil
}

// awaitRegion waits until a region that was started serves.
func (w *World) awaitRegion(ctx context.Context, name string) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		r := w.Region(name)
		if r == nil {
			return client.Errorf(client.CodeUnavailable, "%s ended while it started; the log says why", name)
		}
		if r.Ready() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.ctx.Done():
			return client.Errorf(client.CodeUnavailable, "the world is ending")
		case <-r.Ended():
			return client.Errorf(client.CodeUnavailable, "%s ended while it started; the log says why", name)
		case <-ticker.C:
		}
	}
}

// CutRegion lets nothing pass between a region and a peer, or everyone.
func (w *World) CutRegion(_ context.Context, name, peer string) (client.Done, error) {
	if _, err := w.node(name); err != nil {
		return client.Done{}, err
	}
	if peer == "" {
		w.network.Isolate(name)
		return client.Done{Text: name + " is cut off from everyone"}, nil
	}
	if _, err := w.node(peer); err != nil {
		return client.Done{}, err
	}
	if peer == name {
		return client.Done{}, client.Errorf(client.CodeInvalid, "%s cannot be cut from itself: name another region, or none to cut it from everyone", name)
	}
	w.network.Cut(name, peer)
	return client.Done{Text: "nothing passes between " + name + " and " + peer}, nil
}

// HealRegion undoes CutRegion.
func (w *World) HealRegion(_ context.Context, name, peer string) (client.Done, error) {
	if _, err := w.node(name); err != nil {
		return client.Done{}, err
	}
	if peer != "" {
		if _, err := w.node(peer); err != nil {
			return client.Done{}, err
		}
		w.network.Heal(name, peer)
		return client.Done{Text: name + " and " + peer + " reach each other again"}, nil
	}
	w.network.Rejoin(name)
	for _, s := range w.list() {
		w.network.Heal(name, s.name)
	}
	return client.Done{Text: name + " reaches everyone again"}, nil
}
