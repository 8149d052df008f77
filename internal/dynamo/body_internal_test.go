package dynamo

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
)

// Room is made for what has arrived, and not for what is said to come: nobody
// needs a key to say it.
func TestD1_ALengthAloneTakesNoMemory(t *testing.T) {
	r, err := http.NewRequest(http.MethodPost, "http://host/", strings.NewReader("{"))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = bodyMax
	var c call
	if err := c.read(r); err != nil || cap(c.body) > keptMax {
		t.Errorf("a byte of %d takes %d: %v", bodyMax, cap(c.body), err)
	}
	whole := make([]byte, bodyMax)
	_, _ = rand.Read(whole)
	if r, err = http.NewRequest(http.MethodPost, "http://host/", bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	if err := c.read(r); err != nil || !bytes.Equal(c.body, whole) {
		t.Errorf("the largest body: %d bytes, %v", len(c.body), err)
	}
}
