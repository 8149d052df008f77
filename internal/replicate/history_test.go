package replicate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/meridian-run/meridian/internal/hlc"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/replicate"
)

// history is a source (region 1, "a") and a receiver (region 2, "b"), a log that
// is only a list of how many records each entry ships, and a virtual clock.
type history struct {
	t        *testing.T
	now      time.Duration
	source   *replicate.Source
	receiver *replicate.Receiver
	log      record.LogID
	entries  []int // entry i has sequence i+1
	revision uint64
	restore  bool
	beat     replicate.Beat
	sent     []replicate.Message // under way to the receiver
	acks     []*replicate.Ack    // under way to the source
}

func TestHistories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		h := &history{t: t, log: 0xa1}
		datadriven.RunTest(t, path, h.run)
	})
}

func (h *history) run(t *testing.T, d *datadriven.TestData) string {
	h.t = t
	switch d.Cmd {
	case "connect":
		return h.connect(d)
	case "write": // one entry for each argument: how many records it ships
		for _, a := range d.CmdArgs {
			var count int
			fmt.Sscan(a.Key, &count)
			h.entries = append(h.entries, count)
		}
		return ""
	case "revision":
		d.ScanArgs(t, "to", &h.revision)
		return ""
	case "restoring":
		d.ScanArgs(t, "is", &h.restore)
		return ""
	case "pass":
		var ms int
		d.ScanArgs(t, "ms", &ms)
		h.now += time.Duration(ms) * time.Millisecond
		return ""
	case "restart":
		d.ScanArgs(t, "log", (*uint64)(&h.log))
		return ""
	case "beat":
		h.beat = replicate.Beat{
			Number: h.beat.Number + 1, Cursor: h.cursor(len(h.entries)), Time: hlc.Time(h.view().Now.UnixNano()),
			Report: replicate.Report{{Origin: 2, Time: 7}},
		}
		return ""
	case "source":
		return h.drive()
	case "receive":
		return h.receive()
	case "ack":
		return h.ack()
	case "carries":
		var kinds []string
		for k, name := range []string{"records", "receipts", "floors"} {
			if h.source.Carries(record.Kind(k)) {
				kinds = append(kinds, name)
			}
		}
		return strings.Join(kinds, ", ")
	case "inject":
		return h.inject(d)
	}
	return "unknown command " + d.Cmd
}

func (h *history) cursor(sequence int) replicate.Cursor {
	if sequence == 0 {
		return replicate.Cursor{}
	}
	return replicate.Cursor{Log: h.log, Sequence: uint64(sequence), Version: record.Version{Time: hlc.Time(100 * sequence), Region: 1}}
}

func (h *history) view() replicate.View {
	return replicate.View{
		Now: time.Unix(1000, 0).Add(h.now), End: h.cursor(len(h.entries)),
		Beat: h.beat, Revision: h.revision, Restoring: h.restore,
	}
}

// connect starts a pull; arguments bend the Hello.
func (h *history) connect(d *datadriven.TestData) string {
	window, at, world, region, min, max := uint64(1000), 0, "w", "b", uint16(1), uint16(1)
	for key, to := range map[string]any{"window": &window, "at": &at, "world": &world, "region": &region, "min": &min, "max": &max} {
		if d.HasArg(key) {
			d.ScanArgs(h.t, key, to)
		}
	}
	kind := replicate.KindLog
	if d.HasArg("resend") {
		kind = replicate.KindResend
	}
	h.sent, h.acks = nil, nil
	h.source = replicate.NewSource(replicate.SourceConfig{World: "w", Region: "a", ID: 1, Peer: "b", PeerID: 2, Window: window})
	h.receiver = replicate.NewReceiver(replicate.ReceiverConfig{
		World: world, Region: region, ID: 2, Peer: "a", PeerID: 1, Cursor: h.cursor(at), Kind: kind, Revision: h.revision,
	})
	hello := h.receiver.Hello()
	hello.Min, hello.Max = min, max
	if d.HasArg("kind") {
		d.ScanArgs(h.t, "kind", (*uint8)(&hello.Kind))
	}
	welcome, refuse := h.source.Hello(hello, h.view())
	if refuse != nil {
		return refuse.Error()
	}
	if _, err := h.receiver.Receive(welcome); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("welcome: protocol %d, log ends at %d", welcome.Protocol, welcome.End)
}

// drive lets the source act until it waits.
func (h *history) drive() string {
	var out strings.Builder
	for range 100 {
		v := h.view()
		a := h.source.Next(v)
		fmt.Fprintf(&out, "%v", a.Do)
		switch a.Do {
		case replicate.DoWait:
			if !a.Until.IsZero() {
				fmt.Fprintf(&out, " %v", a.Until.Sub(v.Now))
			}
			fmt.Fprintf(&out, " (%d under way)", h.source.Window())
			return out.String()
		case replicate.DoState:
			h.source.StateSent(v.Revision)
			h.sent = append(h.sent, &replicate.State{Revision: v.Revision})
		case replicate.DoRead:
			f := h.read(a.After)
			h.send(&out, h.source.Read(f, int(f.To.Sequence) < len(h.entries)))
		case replicate.DoBeat:
			h.send(&out, h.source.Beat())
		case replicate.DoScan:
			h.send(&out, h.source.Scanned(&replicate.Frame{Records: make([]replicate.Shipped, 3)}, len(h.sent) > 0))
		case replicate.DoScanWait:
			h.send(&out, h.source.ScanWait())
		case replicate.DoScanEnd:
			h.send(&out, h.source.ScanEnd())
		}
		out.WriteString("\n")
	}
	return out.String() + "does not come to rest"
}

// read answers a frame of the next two entries.
func (h *history) read(after replicate.Cursor) *replicate.Frame {
	to := min(int(after.Sequence)+2, len(h.entries))
	f := &replicate.Frame{To: h.cursor(to)}
	for _, count := range h.entries[after.Sequence:to] {
		f.Records = append(f.Records, make([]replicate.Shipped, count)...)
	}
	return f
}

func (h *history) send(out *strings.Builder, f *replicate.Frame) {
	if f == nil {
		return
	}
	fmt.Fprintf(out, ": %s", show(f))
	h.sent = append(h.sent, f)
	h.source.Sent(size(f), h.view().Now)
}

// size stands for the encoded length: 100 bytes a record.
func size(f *replicate.Frame) int { return 100 * len(f.Records) }

func show(f *replicate.Frame) string {
	s := fmt.Sprintf("frame %d..%d, %d records", f.From.Sequence, f.To.Sequence, len(f.Records))
	if f.Scan {
		s += ", scan"
	}
	if f.ScanDone {
		s += " done"
	}
	if f.ScanEnd {
		s += " end"
	}
	if len(f.Report) > 0 {
		s += ", report"
	}
	if f.Time > f.To.Version.Time {
		s += ", later time"
	}
	return s
}

// receive gives the receiver one message.
func (h *history) receive() string {
	if len(h.sent) == 0 {
		return "nothing under way"
	}
	m := h.sent[0]
	h.sent = h.sent[1:]
	return h.step(m)
}

func (h *history) step(m replicate.Message) string {
	step, err := h.receiver.Receive(m)
	switch {
	case err != nil:
		return "error: " + err.Error()
	case step.Adopt != nil:
		return fmt.Sprintf("adopt revision %d", step.Adopt.Revision)
	case step.Apply != nil:
		h.acks = append(h.acks, h.receiver.Applied(step.Apply, size(step.Apply)))
		return fmt.Sprintf("applied %s; cursor %v", show(step.Apply), h.receiver.Cursor())
	}
	return "welcome"
}

func (h *history) ack() string {
	if len(h.acks) == 0 {
		return "nothing under way"
	}
	a := h.acks[0]
	h.acks = h.acks[1:]
	if err := h.source.Acked(a); err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("applied up to %d, %d under way", h.source.Applied().Sequence, h.source.Window())
}

// inject gives one end a message that a wrong or hostile peer might send.
func (h *history) inject(d *datadriven.TestData) string {
	var from, to int
	switch {
	case d.HasArg("frame"):
		d.ScanArgs(h.t, "frame", &from, &to)
		return h.step(&replicate.Frame{From: h.cursor(from), To: h.cursor(to), Scan: d.HasArg("scan"), ScanEnd: d.HasArg("end")})
	case d.HasArg("refuse"):
		var reason uint8
		d.ScanArgs(h.t, "refuse", &reason)
		return h.step(&replicate.Refuse{Reason: replicate.Reason(reason)})
	case d.HasArg("welcome"):
		return h.step(&replicate.Welcome{Protocol: 1, Region: "a", ID: 1})
	case d.HasArg("hello"):
		return h.step(&replicate.Hello{})
	case d.HasArg("ack"):
		var bytes uint64
		d.ScanArgs(h.t, "ack", &bytes)
		if err := h.source.Acked(&replicate.Ack{Bytes: bytes}); err != nil {
			return "error: " + err.Error()
		}
	}
	return ""
}
