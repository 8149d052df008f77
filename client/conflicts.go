package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ConflictsRequest asks for the writes that were discarded by one that had not
// seen them.
type ConflictsRequest struct {
	// Table is empty for all tables that the answering region holds.
	Table string `json:"table,omitempty"`
	// Key narrows it to one partition, as the value of the table's key
	// ("note-1"), or to one item, as DynamoDB's JSON
	// ({"pk":{"S":"note-1"},"sk":{"N":"7"}}). It needs a Table.
	Key string `json:"key,omitempty"`
	// Limit is how many to answer, the newest first; 0 is 100.
	Limit int `json:"limit,omitempty"`
}

// Conflicts lists discarded writes, the newest first.
type Conflicts struct {
	Answered  string     `json:"answered"`
	Conflicts []Conflict `json:"conflicts"`
	// More says that there are others than those within the limit.
	More bool `json:"more,omitempty"`
}

// Conflict is a write that was discarded, and what its item is now.
type Conflict struct {
	// ID names it, in every region alike.
	ID    string `json:"id"`
	Table string `json:"table"`
	// Key is the item's, as DynamoDB's JSON.
	Key  json.RawMessage `json:"key"`
	Lost Write           `json:"lost"`
	// Now is the item as it is; nil if there never was one, or it is forgotten.
	Now *Write `json:"now,omitempty"`
}

// Write is a value of an item, and where and when it was written.
type Write struct {
	Region string    `json:"region"`
	At     time.Time `json:"at"`
	// Item is DynamoDB's JSON; nil if the write deleted the item.
	Item    json.RawMessage `json:"item,omitempty"`
	Deleted bool            `json:"deleted,omitempty"`
	// Removed names attributes that the write removed, Added what it added to
	// counters: of tables that merge by attribute, where a write can lose in part.
	Removed []string          `json:"removed,omitempty"`
	Added   map[string]string `json:"added,omitempty"`
	// Expires is when the item's time to live ends; zero is never. Past it, the
	// item is not there for readers.
	Expires time.Time `json:"expires,omitzero"`
}

// Restored says what a restore did.
type Restored struct {
	Answered string `json:"answered"`
	// Conflict is as it was before: Now is what was replaced.
	Conflict Conflict `json:"conflict"`
	// At is when the new write was made, by the region's clock.
	At time.Time `json:"at"`
}

// Conflicts lists discarded writes.
func (c *Client) Conflicts(ctx context.Context, q ConflictsRequest) (Conflicts, error) {
	values := url.Values{"table": {q.Table}, "key": {q.Key}, "limit": {strconv.Itoa(q.Limit)}}
	return call[Conflicts](ctx, c, c.inTurn(""), http.MethodGet, "/v1/conflicts?"+values.Encode(), nil)
}

// Conflict returns one discarded write by its id.
func (c *Client) Conflict(ctx context.Context, id string) (Conflict, error) {
	return call[Conflict](ctx, c, c.inTurn(""), http.MethodGet, "/v1/conflicts/"+url.PathEscape(id), nil)
}

// RestoreConflict writes the value of a discarded write again.
func (c *Client) RestoreConflict(ctx context.Context, id string) (Restored, error) {
	return call[Restored](ctx, c, c.inTurn(""), http.MethodPost, "/v1/conflicts/"+url.PathEscape(id)+"/restore", struct{}{})
}
