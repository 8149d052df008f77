package function

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// processAttributes puts an instance into a process group of its own and lets
// it die with the thread that started it.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit waits until a child has ended and leaves it to be collected. False
// says that this could not be done.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// startTime says when a process started, in a form that no other process with
// the same id has: the boot, and the clock tick since. "" means there is none.
func startTime(pid int) string {
	p, ok := readProcess(pid)
	if !ok {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + p.started
}

// process is a living process as /proc shows it.
type process struct {
	pid, parent, group, session int
	started                     string // the clock tick since the boot
}

// readProcess is false for a process that is none, or a dead one that nobody has
// collected.
func readProcess(pid int) (process, bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, false
	}
	// The second field, in parentheses, is the only one that may hold spaces.
	_, rest, ok := strings.Cut(string(stat[max(0, bytes.LastIndexByte(stat, ')')):]), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return process{}, false
	}
	p := process{pid: pid, started: fields[19]}
	for i, field := range []*int{&p.parent, &p.group, &p.session} {
		if *field, err = strconv.Atoi(fields[1+i]); err != nil {
			return process{}, false
		}
	}
	return p, true
}

// treeRounds bounds how often a tree is looked for again: a process may have
// started another between the look and its end.
const treeRounds = 20

// killTree kills the process, if pid is not 0, with its group and all that came
// of it, whatever group or session they are in by now: its descendants, and all
// that carry the instance's id in their environment, because a child whose
// parent has died is nobody's descendant. It returns those outside of the group.
func killTree(pid int, instance string) (others []int) {
	known := map[process]bool{}
	for range treeRounds {
		found := tree(pid, instance)
		if pid != 0 {
			killGroup(pid)
			pid = 0 // its id may be another's by the next round
		}
		grown := false
		for _, p := range found {
			if !known[p] {
				known[p], grown = true, true
				p.kill()
				others = append(others, p.pid)
			}
		}
		if !grown {
			break
		}
	}
	return others
}

// kill kills the process itself, not one that has its id by now.
func (p process) kill() {
	handle, err := os.FindProcess(p.pid) // holds on to the process where the kernel can
	if err != nil {
		return
	}
	defer handle.Release()
	if now, ok := readProcess(p.pid); ok && now.started == p.started {
		handle.Signal(syscall.SIGKILL) // one that is gone is fine
	}
}

// tree lists the living processes that belong to an instance and are not in the
// process group root.
func tree(root int, instance string) []process {
	all := processes()
	belongs := make(map[int]bool, len(all))
	if root != 0 {
		belongs[root] = true
	}
	for _, p := range all {
		if root != 0 && (p.group == root || p.session == root) || carries(p.pid, instance) {
			belongs[p.pid] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if !belongs[p.pid] && belongs[p.parent] {
				belongs[p.pid], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(all, func(p process) bool {
		return !belongs[p.pid] || root != 0 && p.group == root
	})
}

// processes lists the living ones.
func processes() []process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what could be read
	var all []process
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > 1 && pid != os.Getpid() {
			if p, ok := readProcess(pid); ok {
				all = append(all, p)
			}
		}
	}
	return all
}

// carries reports whether the process's environment names the instance. That of
// another user's cannot be read, which is as well.
func carries(pid int, instance string) bool {
	env, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	return err == nil && bytes.Contains(env, []byte(logStream+"="+instance+"\x00"))
}
