package region

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// imagesBytesMax bounds one answer, nearly.
const imagesBytesMax = 4 << 20

// Images reads a table's image log, as this region has it.
func (r *Region) Images(ctx context.Context, q client.ImagesRequest) (client.Images, error) {
	d, t, err := r.heldTable(q.Table)
	if err != nil {
		return client.Images{}, err
	}
	after, err := store.ParseImageCursor(q.After)
	if err != nil {
		return client.Images{}, client.Errorf(client.CodeInvalid, "%v: use the cursor of an image that meridian images %s printed", err, t.Name)
	}
	b, err := d.store.Images(ctx, t.ID, after, store.Limit{Entries: q.Limit, Bytes: imagesBytesMax})
	if err != nil {
		return client.Images{}, imagesError(t, r.cfg.Name, err)
	}
	log, err := d.store.ImageLog(t.ID)
	if err != nil {
		return client.Images{}, imagesError(t, r.cfg.Name, err)
	}
	out := client.Images{Region: r.cfg.Name, Next: b.Next.String(), More: b.More, Log: shownLog(t.Name, log)}
	for _, i := range b.Images {
		one, err := r.shownImage(t, i)
		if err != nil {
			return client.Images{}, err
		}
		out.Images = append(out.Images, one)
	}
	return out, nil
}

// imagesError says what to do about a cursor that leads nowhere.
func imagesError(t table.Table, region string, err error) error {
	switch {
	case errors.Is(err, store.ErrNoImages):
		return client.Errorf(client.CodeInvalid, "table %s keeps no images; give it some in the spec, such as images: 24h", t.Name)
	case errors.Is(err, store.ErrCursorTrimmed):
		return client.Errorf(client.CodeConflict, "images of table %s behind this position are gone in %s: some changes were missed, begin at the oldest one", t.Name, region)
	case errors.Is(err, store.ErrCursorUnknown):
		return client.Errorf(client.CodeConflict, "the position is not one of %s: each region has its own images, and a disk that was restored has others; begin at the oldest one", region)
	}
	return err
}

func shownLog(name string, log store.ImageLog) client.ImageLog {
	return client.ImageLog{Table: name, Since: log.Since, Images: log.Number, Bytes: log.Bytes}
}

func (r *Region) shownImage(t table.Table, i store.Image) (client.Image, error) {
	out := client.Image{Cursor: i.Cursor.String(), Cause: "written", Time: i.Time, By: r.regionName(i.Version.Region), Key: shownKey(t, i.Key)}
	switch i.Cause {
	case store.Applied:
		out.Cause = "replicated"
	case store.Expired:
		out.Cause = "expired"
	}
	var err error
	if out.Old, err = shownItem(i.Old); err == nil {
		out.New, err = shownItem(i.New)
	}
	return out, err
}

func shownItem(r *record.Record) (json.RawMessage, error) {
	if r == nil {
		return nil, nil
	}
	return item.AppendStoredJSON(nil, r.Value)
}

// imageLogs are those that this region keeps, sorted by table.
func (d *data) imageLogs() (out []client.ImageLog) {
	for id, t := range d.store.Tables() {
		if !t.KeepsImages() {
			continue
		}
		if log, err := d.store.ImageLog(id); err == nil { // it begins within a second
			out = append(out, shownLog(t.Name, log))
		}
	}
	slices.SortFunc(out, func(a, b client.ImageLog) int { return strings.Compare(a.Table, b.Table) })
	return out
}
