package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/table"
)

// The state lies in etcd as one document a thing under /meridian/<world>/, so
// that a change writes only what it changes. The world document is written with
// every change: its etcd revision guards them all.
const (
	rootPrefix   = "/meridian/"
	worldKey     = "world"
	specKey      = "spec"
	droppedKey   = "dropped"
	regionPrefix = "region/"
	tablePrefix  = "table/"
	drainPrefix  = "drain/"
	statePrefix  = "state/"
	leasePrefix  = "lease/"
)

type worldDocument struct {
	Format       int             `json:"format"`
	World        string          `json:"world"`
	ID           string          `json:"id"`
	Revision     uint64          `json:"revision"`
	SpecRevision uint64          `json:"spec_revision"`
	SpecSource   string          `json:"spec_source,omitempty"`
	NextRegion   record.RegionID `json:"next_region"`
	Lineage      []byte          `json:"lineage,omitempty"`
}

// documents is a state as etcd holds it: key without the prefix, value.
type documents map[string][]byte

func encodeState(s *State) (documents, error) {
	docs := documents{specKey: s.Spec}
	put := func(key string, v any) error {
		b, err := json.Marshal(v)
		docs[key] = b
		return err
	}
	err := put(worldKey, worldDocument{
		Format: s.Format, World: s.World, ID: s.ID, Revision: s.Revision,
		SpecRevision: s.SpecRevision, SpecSource: s.SpecSource, NextRegion: s.NextRegion,
		Lineage: s.Lineage,
	})
	if len(s.Dropped) > 0 && err == nil {
		err = put(droppedKey, s.Dropped)
	}
	for i := 0; i < len(s.Regions) && err == nil; i++ {
		err = put(fmt.Sprintf("%s%05d", regionPrefix, s.Regions[i].ID), s.Regions[i])
	}
	for i := 0; i < len(s.Tables) && err == nil; i++ {
		err = put(tablePrefix+s.Tables[i].Name, s.Tables[i])
	}
	for i := 0; i < len(s.Drains) && err == nil; i++ {
		err = put(drainPrefix+s.Drains[i].Region+"/"+s.Drains[i].Service, s.Drains[i])
	}
	if err != nil {
		return nil, fmt.Errorf("encode the state: %w", err)
	}
	return docs, nil
}

// decodeState reads a state; nil if docs hold none.
func decodeState(docs documents, world string) (*State, error) {
	if len(docs[worldKey]) == 0 {
		return nil, nil
	}
	var head worldDocument
	if err := json.Unmarshal(docs[worldKey], &head); err != nil {
		return nil, fmt.Errorf("decode %s: %w", worldKey, err)
	}
	s := &State{
		Format: head.Format, World: head.World, ID: head.ID, Revision: head.Revision,
		SpecRevision: head.SpecRevision, SpecSource: head.SpecSource, NextRegion: head.NextRegion,
		Spec: bytes.Clone(docs[specKey]), Lineage: head.Lineage,
	}
	for _, key := range slices.Sorted(maps.Keys(docs)) {
		var err error
		switch {
		case key == droppedKey:
			err = json.Unmarshal(docs[key], &s.Dropped)
		case strings.HasPrefix(key, regionPrefix):
			s.Regions, err = appendJSON[Region](s.Regions, docs[key])
		case strings.HasPrefix(key, tablePrefix):
			s.Tables, err = appendJSON[table.Table](s.Tables, docs[key])
		case strings.HasPrefix(key, drainPrefix):
			s.Drains, err = appendJSON[Drain](s.Drains, docs[key])
		}
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", key, err)
		}
	}
	return s, s.complete(world)
}

func appendJSON[T any](list []T, b []byte) ([]T, error) {
	var v T
	err := json.Unmarshal(b, &v)
	return append(list, v), err
}

// difference is what turns one set of documents into another.
func difference(from, to documents) (put documents, gone []string) {
	put = documents{}
	for key, value := range to {
		if have, ok := from[key]; !ok || !bytes.Equal(have, value) {
			put[key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if _, ok := to[key]; !ok {
			gone = append(gone, key)
		}
	}
	return put, gone
}
