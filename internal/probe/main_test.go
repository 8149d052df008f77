package probe

import (
	"os"
	"runtime"
	"testing"
)

// TestMain keeps to one processor. The timers of a synctest bubble share a race
// context in Go 1.26: thousands of them on two processors crash the detector
// itself, now and then.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}
