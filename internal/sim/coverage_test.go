package sim_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// floors are how much of production's statements the simulator has to run, in
// percent. What is left is mostly errors of disks that answer wrongly, the drivers
// of production, and what operators ask for.
var floors = map[string]float64{
	"internal/store":     66,
	"internal/replica":   75,
	"internal/replicate": 84,
	"internal/record":    84,
}

var percent = regexp.MustCompile(`meridian/(internal/\w+)\s+coverage: ([0-9.]+)%`)

// One code, two drivers: the simulator runs the store and the replication of
// production, and this measures how much of them.
func TestD1_CoverageOfProduction(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds the simulator anew, with counters")
	}
	if raceEnabled {
		t.Skip("it measures a binary of its own, which the race detector does not see")
	}
	dir := t.TempDir()
	binary, counters := filepath.Join(dir, "sim"), filepath.Join(dir, "counters")
	if err := os.Mkdir(counters, 0o755); err != nil {
		t.Fatal(err)
	}
	const module = "github.com/meridian-run/meridian/"
	packages := module + "internal/store," + module + "internal/replica," + module + "internal/replicate," + module + "internal/record," +
		module + "internal/sim/run" // without main's own, nothing is written
	run(t, exec.Command("go", "build", "-cover", "-coverpkg", packages, "-o", binary, module+"internal/sim/run"))
	play := exec.Command(binary, "-corpus", "testdata", "-seeds", "200", "-shrink", "0")
	play.Env = append(os.Environ(), "GOCOVERDIR="+counters)
	run(t, play)
	out := run(t, exec.Command("go", "tool", "covdata", "percent", "-i", counters))
	seen := 0
	for _, m := range percent.FindAllSubmatch(out, -1) {
		floor, judged := floors[string(m[1])]
		if !judged {
			continue
		}
		seen++
		if got, err := strconv.ParseFloat(string(m[2]), 64); err != nil || got < floor {
			t.Errorf("%s: the simulator runs %s %% of it, want at least %v %%", m[1], m[2], floor)
		}
	}
	if seen != len(floors) {
		t.Errorf("%d packages are measured, want %d:\n%s", seen, len(floors), out)
	}
}

func run(t *testing.T, c *exec.Cmd) []byte {
	t.Helper()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
	return out
}
