package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	testscript.Main(cleaned{m}, map[string]func(){"meridian": main})
}

// cleaned are the tests, and after them the removal of what they built.
type cleaned struct{ *testing.M }

func (c cleaned) Run() int {
	code := c.M.Run()
	if builtIn != "" {
		os.RemoveAll(builtIn)
	}
	return code
}

// TestScripts runs testdata/script: each is a session at a terminal, with what
// the commands print. Most talk to a fake world whose first region is down.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			dir := filepath.Join(env.WorkDir, ".meridian")
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			end, err := newFake(t).world(dir)
			env.Defer(end)
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=1") // the race detector's second at each exit adds up
			env.Setenv("GOCOVERDIR", os.Getenv("GOCOVERDIR"))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": checkCode},
	})
}

// checkCode is `code N meridian …`: the command must exit with N. What it prints
// is there for stdout, stderr and cmp.
func checkCode(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND ...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// golden compares what was printed with the file of that name in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}
