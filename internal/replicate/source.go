package replicate

import (
	"fmt"
	"time"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// Defaults of SourceConfig.
const (
	// WindowBytes keeps a link of 250 ms busy at 32 MB/s, which is 30,000 records
	// of 1 KB a second (DATA 12).
	WindowBytes = 8 << 20
	// HeartbeatEvery is how long a source is silent at most. Time moves on at the
	// receivers, frontiers and lag with it, at this pace when nothing is written.
	HeartbeatEvery = 500 * time.Millisecond
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
	// Heartbeat is how long to be silent at most. Default: HeartbeatEvery.
	Heartbeat time.Duration
}

// View is what a Source needs to know of its region to decide.
type View struct {
	Now time.Time
	// End is the last durable entry of the own log.
	End Cursor
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
	// DoReport collects what the region has applied and calls Offer.
	DoReport
	// DoRead reads the log after Action.After and calls Read.
	DoRead
	// DoHeartbeat takes the region's time and calls Heartbeat.
	DoHeartbeat
	// DoScan reads the next chunk of all shared records and calls Scanned.
	DoScan
	// DoScanWait calls ScanWait and sends its frame, which says only that the
	// source is alive.
	DoScanWait
	// DoScanEnd calls ScanEnd and sends its frame.
	DoScanEnd
)

// String is for tests.
func (d Do) String() string {
	return [...]string{"wait", "state", "report", "read", "heartbeat", "scan", "scan-wait", "scan-end"}[d]
}

// Action is one step for a driver. Frames that calls answer are sent in order,
// after everything in them is durable; Sent counts them.
type Action struct {
	Do Do
	// After is where to read on.
	After Cursor
	// Until is when to ask again at the latest; zero is no limit.
	Until time.Time
}

// Source is the sending end of one pull. One goroutine drives it.
type Source struct {
	config SourceConfig

	read Cursor // up to here the log has been read
	last Cursor // To of the last frame

	window   uint64    // bytes sent and not acknowledged
	acked    Cursor    // the last that the receiver has applied
	revision uint64    // of the receiver's control state
	quiet    time.Time // when the last frame was sent

	scanning bool
	scanned  bool   // all chunks are sent, the end is not
	fixed    Cursor // where the log continues after the scan (DATA 16)

	report   Report
	reportAt uint64    // report may go with a frame that reaches this sequence
	offered  time.Time // when report was made
}

// NewSource answers a source that waits for a Hello.
func NewSource(c SourceConfig) *Source {
	if c.Window == 0 {
		c.Window = WindowBytes
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = HeartbeatEvery
	}
	return &Source{config: c}
}

// Hello judges the receiver's first message. Where it answers a Refuse, that is
// sent and the pull is over.
func (s *Source) Hello(m Message, v View) (*Welcome, *Refuse) {
	h, ok := m.(*Hello)
	if !ok {
		return nil, &Refuse{RefusedMalformed, fmt.Sprintf("a pull begins with a Hello, not with %T", m)}
	}
	c := s.config
	switch {
	case h.World != c.World:
		return nil, &Refuse{RefusedWorld, fmt.Sprintf("this is world %q, not %q", c.World, h.World)}
	case h.Region != c.Peer:
		return nil, &Refuse{RefusedRegion, fmt.Sprintf("the certificate says %q, the message %q", c.Peer, h.Region)}
	case c.PeerID == 0:
		return nil, &Refuse{RefusedRegion, fmt.Sprintf("%s does not know %q at control revision %d", c.Region, h.Region, v.Revision)}
	case h.ID != c.PeerID:
		return nil, &Refuse{RefusedRegion, fmt.Sprintf("%q is region %d, not %d", h.Region, c.PeerID, h.ID)}
	case h.Origin != c.ID:
		return nil, &Refuse{RefusedRegion, fmt.Sprintf("%s is region %d and has no log of region %d", c.Region, c.ID, h.Origin)}
	case h.Min > ProtocolMax || h.Max < ProtocolMin || h.Min > h.Max:
		return nil, &Refuse{RefusedProtocol, fmt.Sprintf("%s speaks versions %d to %d, not %d to %d", c.Region, ProtocolMin, ProtocolMax, h.Min, h.Max)}
	}
	s.read, s.last, s.acked = h.Cursor, h.Cursor, h.Cursor
	s.revision = h.Revision
	s.quiet = v.Now
	if h.Resend {
		s.scanning, s.fixed = true, v.End
		s.read, s.last, s.acked = Cursor{}, Cursor{}, Cursor{}
	}
	return &Welcome{
		Protocol: min(h.Max, ProtocolMax), Region: c.Region, ID: c.ID,
		Log: v.End.Log, End: v.End.Sequence, Revision: v.Revision,
	}, nil
}

// Next says what to do now.
func (s *Source) Next(v View) Action {
	due := s.quiet.Add(s.config.Heartbeat)
	switch {
	case v.Revision > s.revision:
		return Action{Do: DoState}
	case s.window >= s.config.Window:
		return Action{Do: DoWait}
	case s.scanning:
		return Action{Do: DoScan}
	case s.scanned && v.Restoring && v.Now.Before(due):
		return Action{Do: DoWait, Until: due}
	case s.scanned && v.Restoring:
		return Action{Do: DoScanWait}
	case s.scanned:
		return Action{Do: DoScanEnd}
	case !v.Now.Before(s.offered.Add(s.config.Heartbeat)):
		return Action{Do: DoReport}
	case s.read.Log != v.End.Log || s.read.Sequence < v.End.Sequence:
		return Action{Do: DoRead, After: s.read}
	case !v.Now.Before(due):
		return Action{Do: DoHeartbeat}
	}
	return Action{Do: DoWait, Until: due}
}

// StateSent says which control revision the receiver now has.
func (s *Source) StateSent(revision uint64) { s.revision = max(s.revision, revision) }

// Offer gives the region's report. end is the last entry of the own log, durable
// or not, when the report was complete: the report goes with the first frame
// that reaches it, so that it never takes effect before what precedes it
// (DATA 14).
func (s *Source) Offer(r Report, end Cursor, now time.Time) {
	s.report, s.reportAt, s.offered = r, end.Sequence, now
}

// Read takes what was read of the log and answers the frame to send, or nil if
// there is nothing in it for this receiver; the next frame then covers it.
func (s *Source) Read(f *Frame, now time.Time) *Frame {
	s.read = f.To
	if len(f.Records) == 0 && now.Before(s.quiet.Add(s.config.Heartbeat)) {
		return nil
	}
	f.Time = max(f.Time, f.To.Version.Time)
	return s.frame(f)
}

// Heartbeat takes a durable position and the time that was persisted with it,
// and answers the frame to send; nil if the log has moved on since.
func (s *Source) Heartbeat(at Cursor, t hlc.Time) *Frame {
	if at != s.read {
		return nil
	}
	return s.frame(&Frame{To: at, Time: t})
}

func (s *Source) frame(f *Frame) *Frame {
	f.From, s.last = s.last, f.To
	if s.report != nil && f.To.Sequence >= s.reportAt {
		f.Report, s.report = s.report, nil
	}
	return f
}

// Scanned takes a chunk of a resend and whether it was the last, and answers the
// frame to send.
func (s *Source) Scanned(f *Frame, last bool) *Frame {
	s.scanning, s.scanned = !last, last
	f.Scan, f.ScanEnd = true, false
	return f
}

// ScanWait answers an empty chunk.
func (s *Source) ScanWait() *Frame { return &Frame{Scan: true} }

// ScanEnd answers the frame that ends a resend: the log continues where it stood
// before the scan began.
func (s *Source) ScanEnd() *Frame {
	s.scanned = false
	s.read, s.last = s.fixed, s.fixed
	return &Frame{Scan: true, ScanEnd: true, To: s.fixed, Time: s.fixed.Version.Time}
}

// Sent counts a frame of size bytes as under way.
func (s *Source) Sent(size int, now time.Time) {
	s.window += uint64(size)
	s.quiet = now
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
