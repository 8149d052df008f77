package region

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/meridian-run/meridian/internal/event"
	"github.com/meridian-run/meridian/internal/kv"
)

// ErrStorage is wrapped by the error that Run ends with after storage has
// failed and the disk takes writes again: the region must be started anew, which
// opens its store (DATA 4). What was durable is there; what was refused is not.
var ErrStorage = errors.New("storage failed and works again")

// storageRetry is how often a failed disk is tried.
const storageRetry = 2 * time.Second

// storageFailure is closed when storage has failed.
type storageFailure struct {
	once   sync.Once
	failed chan struct{}
	cause  error         // set before failed is closed
	over   chan struct{} // closed when the region ends for it
}

func (s *storageFailure) note(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.failed)
	})
}

// watchStorage waits for storage to fail. The region then serves reads of what
// is durable, refuses writes and leaves the answers, until the disk takes a
// write again; that ends the region, so that it can be started anew.
func (r *Region) watchStorage(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-r.storage.failed:
	}
	r.happened(event.Event{
		Kind: event.Storage, Region: r.cfg.Name,
		Text: "storage of " + r.cfg.Name + " failed, writes are refused: " + r.storage.cause.Error(),
	})
	if errors.Is(r.storage.cause, kv.ErrCorrupt) {
		return r.leaveDamaged(ctx)
	}
	return r.awaitDisk(ctx, r.storage.cause)
}

// awaitDisk returns when the disk takes a write again, with an error that says
// so.
func (r *Region) awaitDisk(ctx context.Context, cause error) error {
	ticker := time.NewTicker(storageRetry)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if tryDisk(r.cfg.Dir) == nil {
			close(r.storage.over)
			return fmt.Errorf("%w: %w", ErrStorage, cause)
		}
	}
}

// StorageBack is closed when Run is about to end with ErrStorage. A part that
// waits for the failed disk may keep Run from ending.
func (r *Region) StorageBack() <-chan struct{} { return r.storage.over }

// trySize is written to try a disk: more than a file system keeps for itself.
const trySize = 1 << 20

// tryDisk reports whether a directory takes a durable write.
func tryDisk(dir string) error {
	path := filepath.Join(dir, "try-disk")
	defer os.Remove(path)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, trySize))
	return errors.Join(err, f.Sync(), f.Close())
}
