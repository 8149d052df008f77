package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is what a reader must know to judge the numbers.
type machine struct{ cpu, load, kernel, commit string }

func describeMachine() machine {
	m := machine{cpu: "unknown processor", load: "unknown"}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if found := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(b); found != nil {
			m.cpu = string(found[1])
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.load = strings.Join(strings.Fields(string(b))[:3], " ")
	}
	m.kernel = output("uname", "-sr")
	m.commit = output("git", "rev-parse", "--short", "HEAD")
	return m
}

// output is a command's first line, empty if it fails.
func output(name string, args ...string) string {
	b, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return line
}

func header(before, after machine, rounds int, took time.Duration) string {
	return fmt.Sprintf(`# Results

Written by %s; do not edit. %d rounds, in each of which everything that is compared in a table ran one
after another; medians and the range over the rounds. Client, server and all regions share the machine.

- %s, %d cores, %s, %s
- at commit %s; load average %s before (other work on the machine), %s after; the run took %.0f s
- floors are those of this release; a comparison names its peer
`, "`make bench`", rounds, before.cpu, runtime.NumCPU(), before.kernel, runtime.Version(),
		before.commit, before.load, after.load, took.Seconds())
}

// processorTime is what a process has used so far, in user and system mode; zero
// where there is no /proc.
func processorTime(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ") // behind the name, which may hold anything but this
	fields := strings.Fields(rest)
	const user, system, tick = 11, 12, 10 * time.Millisecond
	if len(fields) <= system {
		return 0
	}
	u, _ := strconv.Atoi(fields[user])
	s, _ := strconv.Atoi(fields[system])
	return time.Duration(u+s) * tick
}
