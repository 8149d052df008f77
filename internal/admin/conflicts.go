package admin

import (
	"net/http"
	"strconv"

	"github.com/meridian-run/meridian/client"
)

// conflictsMax bounds one list.
const conflictsMax = 10_000

func (a *api) conflicts(r *http.Request) (any, error) {
	if a.config.Region == nil {
		return nil, errController
	}
	q := client.ConflictsRequest{Table: r.FormValue("table"), Key: r.FormValue("key"), Limit: 100}
	if text := r.FormValue("limit"); text != "" && text != "0" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > conflictsMax {
			return nil, client.Errorf(client.CodeInvalid, "limit is %q: it is a number from 1 to %d", text, conflictsMax)
		}
		q.Limit = n
	}
	if q.Key != "" && q.Table == "" {
		return nil, client.Errorf(client.CodeInvalid, "a key needs its table: /v1/conflicts?table=notes&key=…")
	}
	return a.config.Region.Conflicts(r.Context(), q)
}

func (a *api) conflict(r *http.Request) (any, error) {
	if a.config.Region == nil {
		return nil, errController
	}
	return a.config.Region.Conflict(r.Context(), r.PathValue("id"))
}

func (a *api) restoreConflict(r *http.Request) (any, error) {
	if a.config.Region == nil {
		return nil, errController
	}
	return a.config.Region.RestoreConflict(r.Context(), r.PathValue("id"))
}
