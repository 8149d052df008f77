package admin

import (
	"context"
	"net/http"
	"strconv"

	"github.com/meridian-run/meridian/client"
)

// Tables is what a region says of the data in its tables. Errors are as those of
// Region; a region that does not hold the table is CodeUnavailable, so that the
// next one is asked.
type Tables interface {
	Verify(ctx context.Context, r client.VerifyRequest) (client.Verified, error)
	Images(ctx context.Context, r client.ImagesRequest) (client.Images, error)
}

const (
	imagesDefault = 100
	imagesMax     = 1000
)

func (a *api) verify(r *http.Request) (any, error) {
	in, err := decode[client.VerifyRequest](r)
	switch {
	case err != nil:
		return nil, err
	case in.Table == "":
		return nil, client.Errorf(client.CodeInvalid, `name the table: {"table": "notes"}`)
	case in.To == 0 && in.From == 0:
		in.To = client.VerifySpace
	case in.From >= in.To || in.To > client.VerifySpace:
		return nil, client.Errorf(client.CodeInvalid, "parts %d to %d: from must be below to, and to at most %d", in.From, in.To, client.VerifySpace)
	}
	if a.config.Tables == nil {
		return nil, errController
	}
	return a.config.Tables.Verify(r.Context(), in)
}

func (a *api) images(r *http.Request) (any, error) {
	q := client.ImagesRequest{Table: r.PathValue("table"), After: r.FormValue("after"), Limit: imagesDefault}
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > imagesMax {
			return nil, client.Errorf(client.CodeInvalid, "limit is %q; write 1 to %d", text, imagesMax)
		}
		q.Limit = n
	}
	if a.config.Tables == nil {
		return nil, errController
	}
	return a.config.Tables.Images(r.Context(), q)
}
