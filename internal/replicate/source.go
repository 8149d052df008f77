package replicate

import (
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// Defaults.
const (
	// WindowBytes keeps a link of 250 ms busy at 32 MB/s, which is 30,000 records
	// of 1 KB a second (DATA 12).
	WindowBytes = 8 << 20
	// BeatEvery is the pace of beats, and so the longest silence of a source. Time
	// moves on at the receivers, frontiers and lag with it, at this pace when
	// nothing is written.
	BeatEvery = 500 * time.Millisecond
	// FramePace is the least time between the frames of a source that is at the
	// end of its log: many small frames cost both ends more than they gain.
	FramePace = time.Millisecond
)

// SourceConfig says who serves whom.
type SourceConfig struct {
	World  string
	Region string
	ID     record.RegionID
	// Peer is the region that the link has proven the receiver to be, PeerID its
	// number in the world; 0 if the world has no such region.
	Peer   string
	PeerID record.RegionID
	// Window is how many bytes may be under way. Default: WindowBytes.
	Window uint64
	// Pace is the least time between small frames. Default: FramePace.
	Pace time.Duration
}

// Beat is a moment of a region, taken for all its peers at once: its report, and
// after that a time under the sequencer that is persisted as the floor of every
// later write (DATA 14).
type Beat struct {
	// Number tells beats apart; it rises.
	Number uint64
	// Cursor is the last entry of the own log that precedes Report and Time, and
	// durable. Every write of the region up to Time is at or before it.
	Cursor Cursor
	Time   hlc.Time
	Report Report
}

// View is what a Source needs to know of its region to decide.
type View struct {
	Now time.Time
	// End is the last durable entry of the own log.
	End Cursor
	// Beat is the region's latest; the zero Beat is none yet.
	Beat Beat
	// Revision is the own control revision.
	Revision uint64
	// Restoring says that this region waits for the peer to resend what it lost
	// itself: the end of a resend to that peer has to wait, because its cursor is
	// the only proof of the loss (DATA 5).
	Restoring bool
}

// Do is what a driver of a Source does next.
type Do uint8

const (
	// DoWait waits for an Ack, a change of the View, or Action.Until.
	DoWait Do = iota
	// DoState sends the control state, then calls StateSent.
	DoState
	// DoRead reads the log after Action.After and calls Read.
	DoRead
	// DoBeat calls Beat and sends its frame.
	DoBeat
	// DoScan reads the next chunk of all shared records and calls Scanned.
	DoScan
	// DoScanWait calls ScanWait and sends its frame.
	DoScanWait
	// DoScanEnd calls ScanEnd and sends its frame.
	DoScanEnd
)

// String is for tests.
func (d Do) String() string {
	return [...]string{"wait", "state", "read", "beat", "scan", "scan-wait", "scan-end"}[d]
}

// Action is one step for a driver. Frames that calls answer are sent in order,
// after everything in them is durable; Sent counts them.
type Action struct {
	Do Do
	// After is where to read on.
	After Cursor
	// Until is when to ask again at the latest; zero is no limit.
	Until time.Time
	// Full says that only an Ack ends the wait.
	Full bool
}

// Source is the sending end of one pull. One goroutine drives it.
type Source struct {
	config SourceConfig

	read  Cursor    // up to here the log has been read
	last  Cursor    // To of the last frame
	atEnd bool      // the last read reached the end of the log
	sent  time.Time // when the last frame was sent

	protocol uint16 // agreed
	window   uint64 // bytes sent and not acknowledged
	acked    Cursor // the last that the receiver has applied
	revision uint64 // of the receiver's control state

	scanning bool
	scanned  bool   // all chunks are sent, the end is not
	fixed    Cursor // where the log continues after the scan (DATA 16)

	number  uint64 // of the last beat seen
	tick    bool   // no frame has been sent since
	pending *Beat  // goes with the first frame that reaches its Cursor
}

// NewSource answers a source that waits for a Hello.
func NewSource(c SourceConfig) *Source {
	if c.Window == 0 {
		c.Window = WindowBytes
	}
	if c.Pace == 0 {
		c.Pace = FramePace
	}
	return &Source{config: c}
}

// Hello judges the receiver's first message. Where it answers a Refuse, that is
// sent and the pull is over.
func (s *Source) Hello(m Message, v View) (*Welcome, *Refuse) {
	h, welcome, refuse := s.config.Judge(m, v)
	if refuse != nil {
		return nil, refuse
	}
	s.read, s.last, s.acked = h.Cursor, h.Cursor, h.Cursor
	s.revision, s.protocol = h.Revision, welcome.Protocol
	if h.Kind == KindEnd {
		s.read, s.last, s.acked = v.End, v.End, v.End
	}
	if h.Kind == KindResend {
		s.scanning, s.fixed = true, v.End
		s.read, s.last, s.acked = Cursor{}, Cursor{}, Cursor{}
	}
	return welcome, nil
}

// Judge answers the Welcome to a Hello of any kind of stream, or why it is refused:
// who asks, for whose log, and in which protocol version.
func (c SourceConfig) Judge(m Message, v View) (*Hello, *Welcome, *Refuse) {
	h, ok := m.(*Hello)
	if !ok {
		return nil, nil, &Refuse{RefusedMalformed, fmt.Sprintf("a stream begins with a Hello, not with %T", m)}
	}
	if refuse := c.refuse(h, v); refuse != nil {
		return nil, nil, refuse
	}
	return h, &Welcome{
		Protocol: min(h.Max, ProtocolMax), Region: c.Region, ID: c.ID,
		Log: v.End.Log, End: v.End.Sequence, Revision: v.Revision,
	}, nil
}

func (c SourceConfig) refuse(h *Hello, v View) *Refuse {
	switch {
	case h.World != c.World:
		return &Refuse{RefusedWorld, fmt.Sprintf("this is world %q, not %q", c.World, h.World)}
	case h.Region != c.Peer:
		return &Refuse{RefusedRegion, fmt.Sprintf("the certificate says %q, the message %q", c.Peer, h.Region)}
	case c.PeerID == 0:
		return &Refuse{RefusedRegion, fmt.Sprintf("%s does not know %q at control revision %d", c.Region, h.Region, v.Revision)}
	case h.ID != c.PeerID:
		return &Refuse{RefusedRegion, fmt.Sprintf("%q is region %d, not %d", h.Region, c.PeerID, h.ID)}
	case h.Origin != c.ID && h.Kind != KindRelay:
		return &Refuse{RefusedRegion, fmt.Sprintf("%s is region %d and has no log of region %d", c.Region, c.ID, h.Origin)}
	case h.Kind == KindResend && h.Revision > v.Revision: // a table that it holds may be unknown here
		return &Refuse{RefusedUnready, fmt.Sprintf("%s is at control revision %d, before %d", c.Region, v.Revision, h.Revision)}
	case h.Kind > KindResend && h.Max < protocolItems:
		return &Refuse{RefusedProtocol, fmt.Sprintf("a stream of kind %v needs version %d, not %d", h.Kind, protocolItems, h.Max)}
	case h.Kind == KindEnd && h.Revision < v.Revision: // it may hold a table that it does not know of
		return &Refuse{RefusedUnready, fmt.Sprintf("%s is at control revision %d, beyond %d", c.Region, v.Revision, h.Revision)}
	case h.Min > ProtocolMax || h.Max < ProtocolMin || h.Min > h.Max:
		return &Refuse{RefusedProtocol, fmt.Sprintf("%s speaks versions %d to %d, not %d to %d", c.Region, ProtocolMin, ProtocolMax, h.Min, h.Max)}
	}
	return nil
}

// Carries reports whether the receiver knows items of a kind. The others are left
// out: an older release would refuse the frame.
func (s *Source) Carries(k record.Kind) bool {
	return k == record.KindRecord || s.protocol >= protocolItems
}

// Tells reports whether the receiver is to be told of the source's Holdings.
func (s *Source) Tells() bool { return s.protocol >= protocolHoldings }

// Next says what to do now.
func (s *Source) Next(v View) Action {
	s.notice(v.Beat)
	switch {
	case v.Revision > s.revision:
		return Action{Do: DoState}
	case s.window >= s.config.Window:
		return Action{Do: DoWait, Full: true}
	case s.scanning:
		return Action{Do: DoScan}
	case s.scanned && !v.Restoring:
		return Action{Do: DoScanEnd}
	case s.scanned && s.tick:
		return Action{Do: DoScanWait}
	case s.scanned:
		return Action{Do: DoWait}
	case s.read.Log != v.End.Log || s.read.Sequence < v.End.Sequence:
		if next := s.sent.Add(s.config.Pace); s.atEnd && v.Now.Before(next) {
			return Action{Do: DoWait, Until: next}
		}
		return Action{Do: DoRead, After: s.read}
	case s.tick:
		return Action{Do: DoBeat}
	}
	return Action{Do: DoWait}
}

// notice takes a new beat. One that has not gone out yet is kept: a source that
// is behind would never reach the newest.
func (s *Source) notice(b Beat) {
	if b.Number <= s.number {
		return
	}
	s.number, s.tick = b.Number, true
	if s.pending == nil {
		s.pending = &b
	}
}

// StateSent says which control revision the receiver now has.
func (s *Source) StateSent(revision uint64) { s.revision = max(s.revision, revision) }

// Read takes what was read of the log, and whether more follows. It answers the
// frame to send, or nil if there is nothing in it for this receiver; the next
// frame then covers it.
func (s *Source) Read(f *Frame, more bool) *Frame {
	s.read, s.atEnd = f.To, !more
	if len(f.Records) == 0 && !s.tick {
		return nil
	}
	return s.frame(f)
}

// Beat answers a frame without records, up to where the log was read.
func (s *Source) Beat() *Frame { return s.frame(&Frame{To: s.read}) }

// frame joins f to the last one. A beat that it reaches goes with it: the report
// takes effect after all that precedes it (DATA 14).
func (s *Source) frame(f *Frame) *Frame {
	f.From, s.last = s.last, f.To
	f.Time = max(f.Time, f.To.Version.Time)
	if b := s.pending; b != nil && f.To.Sequence >= b.Cursor.Sequence {
		f.Time, f.Report, s.pending = max(f.Time, b.Time), b.Report, nil
	}
	return f
}

// Scanned takes a chunk of a resend and whether it was the last, and answers the
// frame to send.
func (s *Source) Scanned(f *Frame, last bool) *Frame {
	s.scanning, s.scanned = !last, last
	f.Scan, f.ScanDone = true, last
	return f
}

// ScanWait answers an empty chunk, which says that the source is alive.
func (s *Source) ScanWait() *Frame { return &Frame{Scan: true, ScanDone: true} }

// ScanEnd answers the frame that ends a resend: the log continues where it stood
// before the scan began.
func (s *Source) ScanEnd() *Frame {
	s.scanned = false
	s.read, s.last = s.fixed, s.fixed
	return &Frame{Scan: true, ScanDone: true, ScanEnd: true, To: s.fixed, Time: s.fixed.Version.Time}
}

// Sent counts a frame of size bytes as under way.
func (s *Source) Sent(size int, now time.Time) {
	s.window += uint64(size)
	s.sent, s.tick = now, false
}

// Acked takes an Ack of the receiver; an error ends the pull.
func (s *Source) Acked(a *Ack) error {
	if a.Bytes > s.window {
		return fmt.Errorf("acknowledged %d bytes of %d that are under way", a.Bytes, s.window)
	}
	s.window -= a.Bytes
	s.acked = a.Cursor
	return nil
}

// Applied is the last position that the receiver has acknowledged.
func (s *Source) Applied() Cursor { return s.acked }

// Window is how many bytes are under way.
func (s *Source) Window() uint64 { return s.window }
