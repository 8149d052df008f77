package replica

import (
	"slices"
	"time"

	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
	"github.com/meridian-run/meridian/internal/store"
)

// errJudge refuses a peer that pulls our log while it is to look at all our records:
// ours is an older directory, which may hold what the peer has deleted and forgotten
// (DATA 5, 18).
var errJudge = &replicate.Refuse{Reason: replicate.RefusedCursorUnknown, Text: "this region has lost a part of its log, which the peer holds"}

// greet takes note of a Hello that was accepted: what the peer had reported may be
// of a directory that it has no more, and it is told what we hold.
func (s *sender) greet(h *replicate.Hello, id record.RegionID) (err error) {
	r := s.replica
	s.kind = h.Kind
	r.config.Store.Forget(id, storeCursor(h.Cursor))
	if r.judged(s.peer, h.Kind) {
		return errJudge
	}
	if !s.source.Tells() {
		return nil
	}
	shared := r.sharedWith(id)
	tables, origins := make([]record.TableID, 0, len(shared)), []record.RegionID{id}
	for t := range shared {
		tables = append(tables, t)
	}
	if h.Kind == replicate.KindResend {
		origins = r.holdersWith(tables)
	}
	s.holdings, err = r.config.Store.BeginHoldings(id, tables, origins)
	if err != nil {
		return unready(err)
	}
	return nil
}

// holdersWith are all regions that hold one of some tables.
func (r *Replica) holdersWith(tables []record.TableID) (ids []record.RegionID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range tables {
		for _, h := range r.tables[id].Holders() {
			if !slices.Contains(ids, h.ID) {
				ids = append(ids, h.ID)
			}
		}
	}
	return ids
}

// judged reports whether a pull of a kind is refused, and notes that a peer asks for
// all our records, as it is to.
func (r *Replica) judged(name string, kind replicate.Kind) (refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peers[name]
	if p != nil && kind != replicate.KindLog {
		p.judges = false
	}
	return p != nil && p.judges
}

// refuses reports whether a peer may not pull our log as if nothing had happened.
func (r *Replica) refuses(name string) bool { return r.judged(name, replicate.KindLog) }

// sendHoldings sends what this region has, once it is durable (DATA 3).
func (s *sender) sendHoldings(now time.Time) (out Out, waits bool, err error) {
	if !s.holdings.Ready() {
		return Out{Durable: s.holdings.Sequence}, true, nil
	}
	h, err := s.holdings.Finish()
	s.holdings = nil
	if err != nil {
		return Out{}, false, s.refusal(err)
	}
	m := &replicate.Holdings{Tables: h.Tables}
	for _, l := range h.Logs {
		m.Logs = append(m.Logs, replicate.OriginMark{Origin: l.Origin, Log: l.Log, Time: l.Time})
	}
	for _, l := range h.More {
		m.More = append(m.More, replicate.TableMark{
			Table: l.Table, OriginMark: replicate.OriginMark{Origin: l.Origin, Log: l.Log, Time: l.Time}, Single: l.Single,
		})
	}
	return Out{Send: [][]byte{replicate.Append(nil, m)}, Again: true}, false, nil
}

func storeHoldings(m *replicate.Holdings) store.Holdings {
	h := store.Holdings{Tables: m.Tables}
	mark := func(o replicate.OriginMark) store.OriginMark {
		return store.OriginMark{Origin: o.Origin, Mark: store.Mark{Log: o.Log, Time: o.Time}}
	}
	for _, l := range m.Logs {
		h.Logs = append(h.Logs, mark(l))
	}
	for _, l := range m.More {
		h.More = append(h.More, store.TableMark{Table: l.Table, OriginMark: mark(l.OriginMark), Single: l.Single})
	}
	return h
}

// told takes what the peer holds, before anything else of this pull. One that holds
// writes of ours that we have never made has met a later life of this directory: it
// is asked for all its records, and to look at ours (DATA 5).
func (p *puller) told(h store.Holdings) error {
	if p.receiver.Scans() {
		p.given = h
		return nil
	}
	r := p.replica
	lost := r.config.Store.Lost(h)
	r.mu.Lock()
	lost = slices.DeleteFunc(lost, func(m store.TableMark) bool { return slices.Contains(p.peer.shown, m) })
	if len(lost) > 0 && !p.peer.judges {
		p.peer.judges = true
	}
	r.mu.Unlock()
	if len(lost) == 0 {
		return nil
	}
	r.restore(p.peer.Name, errJudge.Text, true)
	return errRestart
}

// answered notes that a resend is over: what its peer holds of what we had lost has
// come with it. The caller holds mu.
func (r *Replica) answered(p *peer, h store.Holdings) {
	p.shown = r.config.Store.Lost(h)
}
