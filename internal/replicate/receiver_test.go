package replicate

import (
	"errors"
	"testing"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// DATA 14: epochs order versions, not logs. One log has entries of tables with
// different epochs, so a frame may end at a lower version than the one before; a
// frame whose time runs back is of another log.
func TestDATA14_EpochsDoNotOrderALog(t *testing.T) {
	at := func(sequence uint64, epoch uint32, time hlc.Time) Cursor {
		return Cursor{Log: 1, Sequence: sequence, Version: record.Version{Epoch: epoch, Time: time, Region: 2}}
	}
	begin := func() *Receiver {
		r := NewReceiver(ReceiverConfig{World: "w", Region: "a", ID: 1, Peer: "b", PeerID: 2, Cursor: at(57, 1, 1000)})
		if _, err := r.Receive(&Welcome{Protocol: ProtocolMax, Region: "b", ID: 2, Log: 1}); err != nil {
			t.Fatal(err)
		}
		return r
	}
	step, err := begin().Receive(&Frame{From: at(57, 1, 1000), To: at(68, 0, 1001)})
	if err != nil || step.Apply == nil {
		t.Errorf("a later entry of a table with a lower epoch is refused: %v", err)
	}
	if _, err := begin().Receive(&Frame{From: at(57, 1, 1000), To: at(68, 2, 999)}); !errors.Is(err, ErrOutOfTurn) {
		t.Errorf("a log whose time runs back: %v, want %v", err, ErrOutOfTurn)
	}
}
