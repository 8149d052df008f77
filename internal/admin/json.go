package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/meridian-run/meridian/client"
)

// bodyBytesMax bounds a call's body: a request of 10 MB in base64 fits.
const bodyBytesMax = 16 << 20

// answer turns a call that returns a value or an error into a handler.
func answer(a *api, call func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
		value, err := call(r)
		if err == nil {
			writeJSON(w, http.StatusOK, value)
			return
		}
		var refused *client.Error
		if !errors.As(err, &refused) {
			if r.Context().Err() == nil {
				a.config.Log.Error("admin call failed", "method", r.Method, "path", r.URL.Path, "error", err)
			}
			refused = client.Errorf(client.CodeInternal, "%s %s failed inside; the region's log says why", r.Method, r.URL.Path)
		}
		writeError(w, refused)
	})
}

// decode reads a call's body; an empty one is the zero value.
func decode[T any](r *http.Request) (T, error) {
	var in T
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return in, client.Errorf(client.CodeInvalid, "read the body: %v", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return in, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return in, client.Errorf(client.CodeInvalid, "the body is not what %s takes: %v", r.URL.Path, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return in, client.Errorf(client.CodeInvalid, "the body of %s has something after its JSON object", r.URL.Path)
	}
	return in, nil
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The status is out; an error here is a caller that went away.
	_ = json.NewEncoder(w).Encode(value)
}

// statusOf maps each code to its HTTP status, here and nowhere else.
var statusOf = map[client.Code]int{
	client.CodeInvalid:      http.StatusBadRequest,
	client.CodeUnauthorized: http.StatusUnauthorized,
	client.CodeNotFound:     http.StatusNotFound,
	client.CodeConflict:     http.StatusConflict,
	client.CodeUnavailable:  http.StatusServiceUnavailable,
	client.CodeUncertain:    http.StatusGatewayTimeout,
	client.CodeInternal:     http.StatusInternalServerError,
}

func writeError(w http.ResponseWriter, err *client.Error) {
	status, known := statusOf[err.Code]
	if !known {
		status = http.StatusInternalServerError
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, status, err)
}
