package region

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// DATA 4: a region whose storage failed ends once the disk takes writes again,
// so that it can be started anew; until then it goes on.
func TestStorageFailureEndsTheRegionWhenTheDiskWorksAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "region")
	synctest.Test(t, func(t *testing.T) {
		r := &Region{cfg: Config{Name: "eu", Dir: dir}, storage: storageFailure{failed: make(chan struct{}), over: make(chan struct{})}}
		r.log = slog.New(slog.DiscardHandler)
		ended := make(chan error, 1)
		go func() { ended <- r.watchStorage(context.Background()) }()
		cause := errors.New("no space left on device")
		r.storage.note(cause)
		time.Sleep(10 * storageRetry)
		select {
		case err := <-ended:
			t.Fatalf("ended with %v while the disk takes nothing", err)
		default:
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, ErrStorage) || !errors.Is(err, cause) {
			t.Errorf("ended with %v, want ErrStorage and its cause", err)
		}
		if events, _ := r.events.Since(0); len(events) != 1 || events[0].Kind != "storage" {
			t.Errorf("events are %v, want one about storage", events)
		}
	})
}
