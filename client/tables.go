package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// VerifySpace is how many parts the keys of a table fall into; VerifyRequest
// names a range of them.
const VerifySpace = 1 << 16

// VerifyRequest compares what the regions hold of a table.
type VerifyRequest struct {
	Table string `json:"table"`
	// From (included) and To (excluded) are the parts of the table to compare;
	// zero To is all.
	From uint32 `json:"from,omitempty"`
	To   uint32 `json:"to,omitempty"`
	// Repair merges what differs, in both directions.
	Repair bool `json:"repair,omitempty"`
}

// Verified says what a comparison found.
type Verified struct {
	// Compared are the regions that were; the first one answered.
	Compared []string `json:"compared"`
	// Skipped are those that could not be, and why: those too that did not apply in
	// time what another one has.
	Skipped []SkippedRegion `json:"skipped,omitempty"`
	// Different are the items that the regions do not hold alike.
	Different []DifferentItem `json:"different,omitempty"`
	// Unsettled counts items of which it cannot be said yet, because a region has
	// not applied what the others have.
	Unsettled int `json:"unsettled,omitempty"`
	// Cut says that more items differ than are listed.
	Cut bool `json:"cut,omitempty"`
}

// SkippedRegion is a region that was not compared.
type SkippedRegion struct {
	Region string `json:"region"`
	Why    string `json:"why"`
}

// DifferentItem is an item that regions do not hold alike.
type DifferentItem struct {
	// Key is the item's key in DynamoDB's JSON.
	Key json.RawMessage `json:"key"`
	// Held is what each region has of it.
	Held []HeldItem `json:"held"`
	// Repaired says that the regions hold it alike now.
	Repaired bool `json:"repaired,omitempty"`
}

// HeldItem is what a region has of an item.
type HeldItem struct {
	Region string `json:"region"`
	// State is "missing", "deleted" or "present".
	State string `json:"state"`
	// Written and By are when and in which region it was written.
	Written time.Time `json:"written,omitzero"`
	By      string    `json:"by,omitempty"`
	// Digest tells apart items of one version that differ all the same.
	Digest string `json:"digest,omitempty"`
}

// The states of a HeldItem.
const (
	ItemMissing = "missing"
	ItemDeleted = "deleted"
	ItemPresent = "present"
)

// ImagesRequest reads a table's image log in one region.
type ImagesRequest struct {
	Table string
	// After is the cursor behind which to read; empty is the oldest.
	After string
	// Limit bounds how many; 0 is 100.
	Limit int
}

// Images is a stretch of a table's image log.
type Images struct {
	Region string  `json:"region"`
	Images []Image `json:"images"`
	// Next is the cursor of the following stretch; More says that it has some.
	Next string `json:"next"`
	More bool   `json:"more,omitempty"`
	// Log is what is kept.
	Log ImageLog `json:"log"`
}

// Image is one change of an item, as it took effect in a region.
type Image struct {
	Cursor string `json:"cursor"`
	// Cause is "written", "replicated" or "expired".
	Cause string `json:"cause"`
	// Time is when it took effect in the region; By is the region that wrote it.
	Time time.Time `json:"time"`
	By   string    `json:"by"`
	// Key, Old and New are in DynamoDB's JSON; Old or New is missing where there
	// was no item.
	Key json.RawMessage `json:"key"`
	Old json.RawMessage `json:"old,omitempty"`
	New json.RawMessage `json:"new,omitempty"`
}

// ImageLog is what a region keeps of a table's images.
type ImageLog struct {
	Table  string    `json:"table,omitempty"`
	Since  time.Time `json:"since"`
	Images uint64    `json:"images"`
	Bytes  uint64    `json:"bytes"`
}

// Verify compares what the regions hold of a part of a table.
func (c *Client) Verify(ctx context.Context, r VerifyRequest) (Verified, error) {
	return call[Verified](ctx, c, c.inTurn(""), http.MethodPost, "/v1/verify", r)
}

// Images reads a table's image log.
func (c *Client) Images(ctx context.Context, r ImagesRequest) (Images, error) {
	q := url.Values{"after": {r.After}}
	if r.Limit > 0 {
		q.Set("limit", strconv.Itoa(r.Limit))
	}
	path := "/v1/images/" + url.PathEscape(r.Table) + "?" + q.Encode()
	return call[Images](ctx, c, c.inTurn(""), http.MethodGet, path, nil)
}
