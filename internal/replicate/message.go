package replicate

import (
	"fmt"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
)

// ProtocolMin and ProtocolMax are the protocol versions that this release
// speaks; the ends agree on the highest that both do (DATA 23). Version 2 has items
// of every kind in frames, where version 1 has records alone, and streams of other
// kinds than the log's. Version 3 has Holdings behind the Welcome of a pull.
const (
	ProtocolMin = 1
	ProtocolMax = 3

	protocolItems    = 2
	protocolHoldings = 3
)

// Message is what travels on a stream: *Hello, *Welcome, *Refuse, *State,
// *Frame, *Ack, *Ask, *Vector, *Piece or *Holdings.
type Message interface{ kind() byte }

// Cursor is a position in an origin's log: the entry that was applied last, by
// log id, sequence and version. The zero Cursor is before every entry.
type Cursor struct {
	Log      record.LogID
	Sequence uint64
	Version  record.Version
}

// String is for logs and tests: log:sequence.
func (c Cursor) String() string { return fmt.Sprintf("%x:%d", uint64(c.Log), c.Sequence) }

// Hello opens a pull; the receiver sends it first.
type Hello struct {
	// Min and Max are the protocol versions that the receiver speaks.
	Min, Max uint16
	World    string
	Region   string
	ID       record.RegionID
	// Origin is whose log is pulled: the source's own for now.
	Origin record.RegionID
	// Cursor is how far the receiver has applied Origin's log, durably.
	Cursor Cursor
	// Kind says what the stream is for.
	Kind Kind
	// Revision is the receiver's control revision (DATA 25).
	Revision uint64
}

// Welcome accepts a Hello.
type Welcome struct {
	Protocol uint16
	Region   string
	ID       record.RegionID
	// Log is the source's current log, End its last durable entry.
	Log      record.LogID
	End      uint64
	Revision uint64
}

// Reason says why a source refuses.
type Reason uint8

const (
	// RefusedWorld and RefusedRegion: the receiver is not who may pull here.
	RefusedWorld Reason = iota + 1
	RefusedRegion
	// RefusedProtocol: no protocol version is common.
	RefusedProtocol
	// RefusedCursorUnknown: the cursor is not on the chain of the source's logs, or
	// names another version than stands there (DATA 5). A resend is needed, in
	// both directions.
	RefusedCursorUnknown
	// RefusedCursorTrimmed: the log no longer reaches back that far. A resend is
	// needed.
	RefusedCursorTrimmed
	// RefusedMalformed: a message that cannot be read, or out of turn.
	RefusedMalformed
	// RefusedUnready: the source cannot serve now, for example because its disk
	// failed.
	RefusedUnready
)

var reasonNames = map[Reason]string{
	RefusedWorld:         "another world",
	RefusedRegion:        "not a region of this world",
	RefusedProtocol:      "no common protocol version",
	RefusedCursorUnknown: "cursor is not on the chain of logs",
	RefusedCursorTrimmed: "cursor is older than the log",
	RefusedMalformed:     "malformed message",
	RefusedUnready:       "cannot serve now",
}

// String is for errors and logs.
func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Refuse ends a pull. It is also the error that a Receiver answers for it.
type Refuse struct {
	Reason Reason
	Text   string
}

func (r *Refuse) Error() string {
	if r.Text == "" {
		return "refused: " + r.Reason.String()
	}
	return fmt.Sprintf("refused: %s: %s", r.Reason, r.Text)
}

// Resend reports whether pulling again with Hello.Resend is the remedy.
func (r *Refuse) Resend() bool {
	return r.Reason == RefusedCursorUnknown || r.Reason == RefusedCursorTrimmed
}

// State passes a control state along, as control encodes it (DATA 25).
type State struct {
	Revision uint64
	Data     []byte
}

// Shipped is one item that is about a key: by its kind a current record or a
// receipt, encoded for shipping by package record, or a table's floor.
type Shipped struct {
	Kind   record.Kind
	Key    record.Key
	Record []byte
}

// Frontier is up to which logical time every region of a table has applied
// every origin's changes, as the sender knows (DATA 7, 14).
type Frontier struct {
	Table record.TableID
	Time  hlc.Time
}

// Applied says that a region has applied every write of an origin up to Time.
type Applied struct {
	Origin record.RegionID
	Time   hlc.Time
}

// Report is what a region has applied, durably, of each origin. It takes effect
// after the frame that carries it, which reaches at least as far as the
// region's own log did when the report was made (DATA 14).
type Report []Applied

// Frame is a piece of an origin's log: the current records of the keys written
// after From, up to To. Without records it is a heartbeat.
type Frame struct {
	From, To Cursor
	// Time is up to when every write of the origin is at or before To. It is at
	// least To's version's time; a heartbeat's is later.
	Time hlc.Time
	// Sent is the source's wall clock, in Unix nanoseconds, for the measure of lag.
	Sent int64
	// Backlog is how many commits of the source's log lie beyond To.
	Backlog uint64
	// Revision is the control revision that last changed a table in this frame.
	Revision uint64
	// Scan marks a chunk of a resend: From and To are the zero Cursor. ScanDone
	// says that all current records have been sent; ScanEnd marks the last frame
	// of a resend, whose To is where the log continues.
	Scan, ScanDone, ScanEnd bool
	Frontiers               []Frontier
	Report                  Report
	Records                 []Shipped
}

// Ack says that a frame is applied, durably.
type Ack struct {
	Cursor Cursor
	// Bytes is the encoded length of the frames acknowledged by this.
	Bytes uint64
}

const (
	kindHello byte = iota + 1
	kindWelcome
	kindRefuse
	kindState
	kindFrame
	kindAck
	kindAsk
	kindVector
	kindPiece
	kindHoldings
)

func (*Hello) kind() byte   { return kindHello }
func (*Welcome) kind() byte { return kindWelcome }
func (*Refuse) kind() byte  { return kindRefuse }
func (*State) kind() byte   { return kindState }
func (*Frame) kind() byte   { return kindFrame }
func (*Ack) kind() byte     { return kindAck }
