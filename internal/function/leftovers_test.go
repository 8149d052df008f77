package function

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
)

// ownLeftover is the process that a test kills: it runs an instance whose child
// lives on, and prints both process ids.
func ownLeftover() {
	dir := os.Getenv("OWNER_DIR")
	r, err := New(Config{
		Name: "api", Bundle: os.Getenv("OWNER_BUNDLE"), Dir: dir,
		Env: map[string]string{roleVar: "function", "PATH": os.Getenv("PATH")},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go r.Run(context.Background())
	file := filepath.Join(dir, "child")
	payload, _ := json.Marshal(order{Do: "hang", File: file})
	go r.Invoke(context.Background(), "", payload)
	for {
		if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
			fmt.Println(string(text))
			select {}
		}
	}
}

func TestLeftoversOfAKilledProcessAreEnded(t *testing.T) {
	dir, bundle := t.TempDir(), bundle(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	owner := exec.Command(self)
	owner.Env = append(os.Environ(), roleVar+"=owner", "OWNER_DIR="+dir, "OWNER_BUNDLE="+bundle)
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(line)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	owner.Wait() // killed, as was asked

	if startTime(child) == "" {
		t.Fatal("the child did not outlive its owner, so there is nothing to find")
	}
	if err := endLeftovers(filepath.Join(dir, "instances"), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	until(t, "the child's end", func() bool { return startTime(child) == "" })
	if records, _ := os.ReadDir(filepath.Join(dir, "instances")); len(records) != 0 {
		t.Errorf("%d process records are left", len(records))
	}
}

// stranger is a living process that a record may or may not mean.
func stranger(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func TestLeftoverIsKnownByItsStartTime(t *testing.T) {
	for _, c := range []struct {
		name    string
		started func(pid int) string
		owner   int
		ends    bool
	}{
		{"the process of the record", startTime, 0, true},
		{"another process with its id", func(int) string { return "earlier" }, 0, false},
		{"a process whose owner lives", startTime, os.Getpid(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			cmd := stranger(t)
			pid := cmd.Process.Pid
			rec, err := json.Marshal(processRecord{
				Instance: uuid.NewString(), PID: pid, Started: c.started(pid), Owner: c.owner, OwnerStarted: startTime(c.owner),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "x.json"), rec, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := endLeftovers(dir, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			if c.ends {
				until(t, "its end", func() bool { return startTime(pid) == "" })
			} else if startTime(pid) == "" {
				t.Error("a process was ended that is not ours")
			}
		})
	}
}

func TestUnreadableRecordIsRemoved(t *testing.T) {
	dir := t.TempDir()
	for i, text := range []string{"", "{", `{"pid":1}`, `{"pid":-1}`, `[]`} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := endLeftovers(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if records, _ := os.ReadDir(dir); len(records) != 0 {
		t.Errorf("%d records are left", len(records))
	}
}
