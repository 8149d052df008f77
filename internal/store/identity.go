package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/meridian-run/meridian/internal/kv"
	"github.com/meridian-run/meridian/internal/record"
)

// Format is the version of everything in a data directory but the records,
// which carry their own (DATA 23).
const Format = 1

var (
	// ErrForeign wraps whose data a directory holds instead.
	ErrForeign = errors.New("the data directory belongs to another world or region")
	// ErrNewerFormat wraps the format that this release cannot read.
	ErrNewerFormat = errors.New("the data directory was written by a newer release")
)

var keyIdentity = []byte{spaceMeta, 'i'}

// identity says whose data a directory holds.
type identity struct {
	Format     uint16
	World      string
	RegionName string
	Region     record.RegionID
}

func (s *Store) identity() identity {
	c := s.config
	return identity{Format: Format, World: c.World, RegionName: c.RegionName, Region: c.Region}
}

// checkIdentity refuses a directory of somebody else, or from the future.
func (s *Store) checkIdentity() error {
	raw, err := s.engine.Get(keyIdentity)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	got, err := parseIdentity(raw)
	if err != nil {
		return err
	}
	if want := s.identity(); got != want {
		return fmt.Errorf("%w: it holds region %q (id %d) of world %q, this is region %q (id %d) of world %q; use another --data",
			ErrForeign, got.RegionName, got.Region, got.World, want.RegionName, want.Region, want.World)
	}
	return nil
}

// encode begins with the format, so that every later release can tell.
func (i identity) encode() []byte {
	dst := binary.BigEndian.AppendUint16(nil, i.Format)
	dst = binary.BigEndian.AppendUint16(dst, uint16(i.Region))
	for _, s := range []string{i.World, i.RegionName} {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return dst
}

func parseIdentity(raw []byte) (identity, error) {
	p := parser{src: raw}
	i := identity{Format: p.uint16()}
	if !p.failed && i.Format > Format {
		return i, fmt.Errorf("%w: format %d, this release reads up to %d; start the newer release", ErrNewerFormat, i.Format, Format)
	}
	i.Region = record.RegionID(p.uint16())
	i.World, i.RegionName = string(p.bytes()), string(p.bytes())
	if p.failed || len(p.src) != 0 {
		return i, fmt.Errorf("the data directory's identity is damaged: %x", raw)
	}
	return i, nil
}
