package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/admin"
)

var _ admin.Tables = (*fake)(nil)

// Verify finds two items of notes that differ, in its first part; one of them can
// be repaired. One region is not reached.
func (f *fake) Verify(_ context.Context, r client.VerifyRequest) (client.Verified, error) {
	out := client.Verified{Compared: []string{"eu-west-1", "ap-southeast-2"}}
	if r.Table != "notes" {
		return out, client.Errorf(client.CodeUnavailable, "table %s is not in eu-west-1", r.Table)
	}
	out.Skipped = []client.SkippedRegion{{Region: "us-east-1", Why: "connection refused"}}
	if r.From > 0 {
		return out, nil
	}
	at := time.Date(2026, 3, 2, 14, 0, 0, 0, time.Local)
	out.Unsettled = 1
	out.Different = []client.DifferentItem{{
		Key: json.RawMessage(`{"pk":{"S":"a"}}`), Repaired: r.Repair,
		Held: []client.HeldItem{
			{Region: "eu-west-1", State: client.ItemPresent, Written: at, By: "us-east-1", Digest: "00000000000000aa"},
			{Region: "ap-southeast-2", State: client.ItemMissing},
		},
	}, {
		Key: json.RawMessage(`{"pk":{"S":"b"}}`),
		Held: []client.HeldItem{
			{Region: "eu-west-1", State: client.ItemPresent, Written: at, By: "us-east-1", Digest: "00000000000000bb"},
			{Region: "ap-southeast-2", State: client.ItemPresent, Written: at, By: "us-east-1", Digest: "00000000000000bc"},
		},
	}}
	return out, nil
}

// Images has three images, two in an answer.
func (f *fake) Images(_ context.Context, q client.ImagesRequest) (client.Images, error) {
	if q.Table != "notes" {
		return client.Images{}, client.Errorf(client.CodeInvalid, "table %s keeps no images", q.Table)
	}
	at := time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)
	image := func(cursor, cause string, before, after string) client.Image {
		return client.Image{Cursor: cursor, Cause: cause, Time: at, By: "us-east-1", Key: json.RawMessage(`{"pk":{"S":"a"}}`), Old: json.RawMessage(before), New: json.RawMessage(after)}
	}
	out := client.Images{Region: "eu-west-1", Log: client.ImageLog{Since: at.Local(), Images: 3, Bytes: 300}}
	switch q.After {
	case "":
		out.Images, out.Next, out.More = []client.Image{image("1-1-0", "replicated", "", `{"pk":{"S":"a"},"n":{"N":"1"}}`), image("1-2-0", "written", `{"pk":{"S":"a"},"n":{"N":"1"}}`, `{"pk":{"S":"a"},"n":{"N":"2"}}`)}, "1-2-0", true
	case "1-2-0":
		out.Images, out.Next = []client.Image{image("1-3-0", "expired", `{"pk":{"S":"a"},"n":{"N":"2"}}`, "")}, "1-3-0"
	default:
		return out, client.Errorf(client.CodeConflict, "images of table notes behind this position are gone in eu-west-1")
	}
	return out, nil
}
