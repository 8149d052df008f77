package dynamo

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/meridian-run/meridian/internal/item"
)

// A NextToken is, in base64,
//
//	version | hash of the statement and its parameters | read | key at which the page ended
//
// and says nothing that the statement does not let its sender read. Any region
// takes it.
const (
	tokenVersion = 1
	tokenHash    = 16
)

// identity is the hash of what a token belongs to.
func (s *selection) identity() []byte {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(s.table.ID)))
	h.Write([]byte(s.node.Get(statementText.name).Text()))
	for child, ok := s.node.Get(statementValues.name).First(); ok; child, ok = child.Next() {
		v, _ := item.ValueFromJSON(child) // it was read before
		h.Write(item.EncodeValue([]byte{0}, v))
	}
	return h.Sum(nil)[:tokenHash]
}

// appendNext appends where the page ended: as a token, and as a key.
func (s *selection) appendNext(at position) error {
	it, err := item.Decode(s.last)
	if err != nil {
		return err
	}
	key := it.Pick(pageAttributes(s.table, s.index)...)
	token := append([]byte{tokenVersion}, s.identity()...)
	token = item.Encode(binary.AppendUvarint(token, uint64(at.read)), key)
	c := s.call
	c.out = item.AppendQuoted(member(c.out, "NextToken"), base64.StdEncoding.EncodeToString(token))
	c.out = key.AppendJSON(member(c.out, "LastEvaluatedKey"))
	return nil
}

// resume is where a token says that the page begins.
func (s *selection) resume(text string) (at position, err error) {
	if text == "" {
		return at, nil
	}
	wrong := invalid("Invalid NextToken")
	token, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(token) < 1+tokenHash || token[0] != tokenVersion {
		return at, wrong
	}
	if string(token[1:1+tokenHash]) != string(s.identity()) {
		return at, invalid("The provided starting key is invalid")
	}
	token = token[1+tokenHash:]
	read, n := binary.Uvarint(token)
	if n <= 0 || read > 0 && read >= uint64(len(s.read.Queries)) {
		return at, wrong
	}
	at.read = int(read)
	if at.start, err = item.Decode(token[n:]); err != nil || !isStart(s.table, s.index, at.start) {
		return at, wrong
	}
	return at, nil
}
