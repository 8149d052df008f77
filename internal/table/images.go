package table

import (
	"errors"
	"fmt"
	"time"
)

// Limits of an image log: shorter than a reader needs to come back, it is of no
// use; longer than a month is a backup's business.
const (
	imagesKeepMin  = time.Minute
	imagesKeepMax  = 35 * 24 * time.Hour
	imagesBytesMin = 1 << 20
	imagesBytesMax = 1 << 40
)

// Images says for how long a region keeps the changes of a table, each with the
// item before and after. Whichever bound is met first counts.
type Images struct {
	KeepSeconds int64 `json:"keep_seconds"`
	Bytes       int64 `json:"bytes"`
}

// Keep is how long an image is kept.
func (i Images) Keep() time.Duration { return time.Duration(i.KeepSeconds) * time.Second }

func (i *Images) check() error {
	if i == nil {
		return nil
	}
	var errs []error
	if i.Keep() < imagesKeepMin || i.Keep() > imagesKeepMax {
		errs = append(errs, fmt.Errorf("images: kept for %v, it must be from %v to %v", i.Keep(), imagesKeepMin, imagesKeepMax))
	}
	if i.Bytes < imagesBytesMin || i.Bytes > imagesBytesMax {
		errs = append(errs, fmt.Errorf("images: up to %d bytes, it must be from %d to %d", i.Bytes, imagesBytesMin, int64(imagesBytesMax)))
	}
	return errors.Join(errs...)
}

func sameImages(a, b *Images) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
