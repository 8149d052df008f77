package replicate

import "fmt"

// Kind says what a stream is for. On the wire it stands where protocol 1 had the
// flag of a resend, so that the first two are the same in every version.
type Kind uint8

const (
	// KindLog pulls the source's log from the receiver's cursor on.
	KindLog Kind = iota
	// KindResend asks for all current records of the shared tables first, because
	// the source has refused the cursor before, or the receiver lacks data. Then the
	// log follows on the same stream.
	KindResend
	// KindRelay asks for what the source has of a dead region's log (DATA 13): an Ask
	// follows.
	KindRelay
	// KindCopy asks for all that the source holds of one table, KindTail for what its
	// log has for one table from the Hello's cursor on (DATA 16): an Ask follows.
	KindCopy
	KindTail
	// KindEnd pulls the source's log from its end on: the receiver is new, and all
	// that both hold it copies (DATA 16).
	KindEnd

	kinds // how many this release knows
)

var kindNames = [...]string{KindLog: "log", KindResend: "resend", KindRelay: "relay", KindCopy: "copy", KindTail: "tail", KindEnd: "end"}

// String is for errors and tests.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}
