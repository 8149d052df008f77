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

	kinds // how many this release knows
)

var kindNames = [...]string{KindLog: "log", KindResend: "resend"}

// String is for errors and tests.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}
