package sim

import (
	"errors"
	"time"

	"github.com/meridian-run/meridian/internal/kv/memkv"
	"github.com/meridian-run/meridian/internal/record"
)

// errDisk is what a failing disk answers.
var errDisk = errors.New("simulated disk: input/output error")

// syncDelay is how long a sync takes unless a script says otherwise.
const syncDelay = 2 * time.Millisecond

// disk is where a region's directory lies, over all its lives. Commits become
// durable some time after they were made, all that were there when the sync
// began; a crash forgets the others.
type disk struct {
	node    *node
	engine  *memkv.Engine // of the current life, or crashed
	copies  []image       // older copies of the directory
	delay   time.Duration
	failing bool
	syncing bool
}

// image is a copy of a directory, with what the oracle knew of it.
type image struct {
	content memkv.Backup
	state   uint64 // control revision on it
	gone    map[string]*write
	given   map[record.TableID]uint64
}

// sync begins a sync if there is something to be synced and none is under way.
func (d *disk) sync() {
	last := d.engine.Last()
	if d.syncing || last <= d.engine.Durable() || d.engine.Stopped() != nil {
		return
	}
	d.syncing = true
	life := d.node.life
	took := d.delay + time.Duration(d.node.rand.Int64N(int64(d.delay)+1))
	d.node.world.after(took, func() {
		if d.node.life != life {
			return
		}
		d.syncing = false
		if d.failing {
			d.engine.Fail(errDisk)
		}
		d.engine.SyncTo(last)
		d.node.touch()
	})
}

// crash ends the engine. Of what was not synced, some may have reached the disk
// all the same, in the order in which it was written.
func (d *disk) crash() {
	if unsynced := d.engine.Last() - min(d.engine.Last(), d.engine.Durable()); unsynced > 0 && !d.failing && d.node.rand.IntN(2) == 0 {
		d.engine.SyncTo(d.engine.Durable() + d.node.rand.Uint64N(unsynced+1))
	}
	_ = d.engine.Crash() // never fails
	d.syncing = false
}
