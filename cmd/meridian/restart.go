package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/meridian-run/meridian/internal/control"
	"github.com/meridian-run/meridian/internal/region"
)

// restarted starts this program anew, in the same process, after a region ended
// because its storage had failed and works again (DATA 4), or its control was
// restored from a copy and has to be set aside (DATA 5). What the failure left
// behind in memory, etcd's above all, cannot be ended in another way. It returns
// only other errors, and why a new start was not possible.
func restarted(ctx context.Context, log *slog.Logger, err error) error {
	if !errors.Is(err, region.ErrStorage) && !errors.Is(err, control.ErrForgot) || ctx.Err() != nil {
		return err
	}
	log.Warn("started anew", "because", err)
	program, failed := os.Executable()
	if failed == nil {
		failed = syscall.Exec(program, os.Args, os.Environ())
	}
	return fmt.Errorf("%w; start it again, for it could not do so itself: %w", err, failed)
}
