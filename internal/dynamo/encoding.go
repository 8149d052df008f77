package dynamo

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
)

// gzipMin is the size from which an answer is compressed for clients that ask
// for it: below it costs more than it saves.
const gzipMin = 1 << 10

// gzipped is the value of a header, shared and never changed.
var gzipped = []string{"gzip"}

var errEncoding = &apiError{status: http.StatusBadRequest, kind: service + "SerializationException", message: "The request's Content-Encoding is neither gzip nor identity, or its body is not what that says"}

// inflate decompresses the body of a request that has been verified: what was
// signed are the bytes on the wire. A body that unfolds to more than a request
// may have is refused as if it had been sent so.
func (c *call) inflate(h http.Header) error {
	switch encoding := h.Get("Content-Encoding"); {
	case len(h["Content-Encoding"]) > 1:
		return errEncoding
	case encoding == "" || strings.EqualFold(encoding, "identity"):
		return nil
	case !strings.EqualFold(encoding, "gzip"):
		return errEncoding
	}
	r, err := gzip.NewReader(bytes.NewReader(c.body))
	if err != nil {
		return errEncoding
	}
	whole, err := readBody(nil, r)
	if err == errBroken {
		err = errEncoding
	}
	c.body = whole
	return err
}

// readBody appends all of r, which may be as long as a request's body; it reads
// little more.
func readBody(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(len(dst), 512))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > bodyMax:
			return dst, errTooLarge
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, errBroken
		}
	}
}

// encode is the answer as it goes over the wire: compressed if that is worth it
// and the client asks for it.
func (c *call) encode(asked http.Header, answer http.Header) []byte {
	if len(c.out) < gzipMin || !acceptsGzip(asked) {
		return c.out
	}
	zip, _ := c.server.zips.Get().(*gzip.Writer)
	if zip == nil {
		zip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level that there is
	}
	defer c.server.zips.Put(zip)
	out := bytes.NewBuffer(c.zipped[:0])
	zip.Reset(out)
	_, _ = zip.Write(c.out) // a buffer takes all
	_ = zip.Close()
	c.zipped = out.Bytes()
	answer["Content-Encoding"] = gzipped
	return c.zipped
}

// acceptsGzip reports whether Accept-Encoding has gzip, not with the weight 0.
func acceptsGzip(h http.Header) bool {
	for _, line := range h["Accept-Encoding"] {
		for part := range strings.SplitSeq(line, ",") {
			name, weight, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				weight = strings.TrimLeft(strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q="), "0.")
				return weight != "" || !strings.Contains(part, ";")
			}
		}
	}
	return false
}
