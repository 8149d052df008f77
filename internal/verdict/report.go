package verdict

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Bounds of a report that comes from outside. A world of 40 services in 20
// regions fits four times.
const (
	reportBytesMax  = 1 << 20
	observationsMax = 4096
	nameBytesMax    = 253 // a host name's
	reasonBytesMax  = 240 // in a line of a terminal, mostly
	latencyMax      = time.Hour
	streakMax       = 1 << 30
)

// ErrReport is wrapped by every refusal of a report's bytes.
var ErrReport = errors.New("verdict: bad report")

// Observation is what one observer last saw of one endpoint.
type Observation struct {
	Service string `json:"service"`
	Region  string `json:"region"`
	// Sequence rises with every result of this observer in one life, over all
	// endpoints. A result is newer than another only by it.
	Sequence uint64 `json:"sequence"`
	// Decided is false as long as the observer has no opinion: it has just
	// started and has seen nothing but failures, too few to say so. Healthy is
	// its opinion, after its thresholds (H5).
	Decided bool `json:"decided"`
	Healthy bool `json:"healthy"`
	// Passed is the raw last result, Streak how often in a row it came.
	Passed bool `json:"passed"`
	Streak int  `json:"streak"`
	// Reason says in a few words what was seen: "200 in 12 ms", "connection
	// refused".
	Reason  string        `json:"reason,omitempty"`
	Latency time.Duration `json:"latency,omitempty"`
	// At is the observer's wall clock, for people. Nothing is decided by it.
	At time.Time `json:"at"`
}

// Report is a message of one observer to all others.
type Report struct {
	Observer string `json:"observer"`
	// Life is random for each start of the observer, so that a restarted one is
	// not mistaken for a delayed message of its former self.
	Life uint64 `json:"life"`
	// Sequence rises with every report of one life.
	Sequence uint64 `json:"sequence"`
	// Full says that endpoints which are not in it are no longer checked.
	Full         bool          `json:"full,omitempty"`
	Observations []Observation `json:"observations,omitempty"`
}

// Encode gives the bytes that Decode reads.
func (r Report) Encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// Decode reads a report that came from another node. It refuses what is too
// large, has unknown shape or lacks names; the error wraps ErrReport.
func Decode(src []byte) (Report, error) {
	if len(src) > reportBytesMax {
		return Report{}, fmt.Errorf("%w: %d bytes, at most %d are read", ErrReport, len(src), reportBytesMax)
	}
	var r Report
	if err := json.Unmarshal(src, &r); err != nil {
		return Report{}, fmt.Errorf("%w: %v", ErrReport, err)
	}
	return r, r.check()
}

func (r Report) check() error {
	if r.Observer == "" || len(r.Observer) > nameBytesMax {
		return fmt.Errorf("%w: observer has %d bytes, want 1 to %d", ErrReport, len(r.Observer), nameBytesMax)
	}
	if len(r.Observations) > observationsMax {
		return fmt.Errorf("%w: %d observations, at most %d in one report", ErrReport, len(r.Observations), observationsMax)
	}
	for i, o := range r.Observations {
		if err := o.check(); err != nil {
			return fmt.Errorf("%w: observation %d of %s: %v", ErrReport, i, r.Observer, err)
		}
	}
	return nil
}

func (o Observation) check() error {
	switch {
	case o.Service == "" || len(o.Service) > nameBytesMax:
		return fmt.Errorf("service has %d bytes, want 1 to %d", len(o.Service), nameBytesMax)
	case o.Region == "" || len(o.Region) > nameBytesMax:
		return fmt.Errorf("region has %d bytes, want 1 to %d", len(o.Region), nameBytesMax)
	case len(o.Reason) > reasonBytesMax:
		return fmt.Errorf("reason has %d bytes, at most %d", len(o.Reason), reasonBytesMax)
	case o.Latency < 0 || o.Latency > latencyMax:
		return fmt.Errorf("latency %v is not in 0 to %v", o.Latency, latencyMax)
	case o.Streak < 0 || o.Streak > streakMax:
		return fmt.Errorf("streak %d is not in 0 to %d", o.Streak, streakMax)
	}
	return nil
}

// Shorten cuts a reason to what a report may carry, at a rune's border and
// without control characters.
func Shorten(reason string) string {
	clean := make([]rune, 0, len(reason))
	size := 0
	for _, r := range reason {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			r = ' '
		}
		if size += utf8.RuneLen(r); size > reasonBytesMax-3 {
			return string(clean) + "…"
		}
		clean = append(clean, r)
	}
	return string(clean)
}
