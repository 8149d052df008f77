package control

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
)

// A lineage is the ids of a state's last revisions, oldest first, its own last.
// An id is a digest of the state and of the id before it, so equal ids mean
// equal states that came to be in the same way.
const (
	lineageID   = 8        // bytes of one id
	lineageKept = 512      // ids that a state remembers
	lineageMax  = 64 << 10 // bytes that are read back: another version may keep more
)

// relation is how a state stands to the one that is known.
type relation int

const (
	same relation = iota
	newer
	older
	// apart: neither came from the other. Two of them can have one revision.
	apart
)

// against compares s with what is known. Where one is so old that the other
// remembers no id of it, the revisions are trusted.
func (s *State) against(known *State) relation {
	if known == nil {
		return newer
	}
	common := min(s.Revision, known.Revision)
	ours, theirs := known.idAt(common), s.idAt(common)
	switch {
	case s.ID != known.ID, ours != nil && theirs != nil && !bytes.Equal(ours, theirs):
		return apart
	case s.Revision > known.Revision:
		return newer
	case s.Revision < known.Revision:
		return older
	}
	return same
}

// idAt is the id of one of the state's revisions, nil if it is not remembered.
func (s *State) idAt(revision uint64) []byte {
	kept := uint64(len(s.Lineage) / lineageID)
	back := s.Revision - revision
	if revision > s.Revision || back >= kept {
		return nil
	}
	at := (kept - 1 - back) * lineageID
	return s.Lineage[at : at+lineageID]
}

// descend gives s, which is complete, its place after before; nil is the first
// state, or one of a version that kept no lineage.
func (s *State) descend(before *State) error {
	var line, last []byte
	if before != nil {
		line, last = slices.Clone(before.Lineage), before.idAt(before.Revision)
	}
	id, err := s.digest(last)
	if err != nil {
		return err
	}
	line = append(line, id...)
	s.Lineage = line[max(0, len(line)-lineageKept*lineageID):]
	return nil
}

// digest is a state's id. It does not count the lineage itself, so that a state
// of a version that kept none has the same id wherever it is read.
func (s *State) digest(before []byte) ([]byte, error) {
	bare := *s
	bare.Lineage = nil
	docs, err := encodeState(&bare)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	h.Write(before)
	for _, key := range slices.Sorted(maps.Keys(docs)) {
		fmt.Fprintf(h, "%d %s %d ", len(key), key, len(docs[key]))
		h.Write(docs[key])
	}
	return h.Sum(nil)[:lineageID], nil
}
