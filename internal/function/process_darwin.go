package function

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// processAttributes puts an instance into a process group of its own.
func processAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit cannot wait without collecting here.
func awaitExit(int) bool { return false }

// startTime says when a process started; "" means there is none.
func startTime(pid int) string {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid {
		return ""
	}
	return fmt.Sprintf("%d.%06d", info.Proc.P_starttime.Sec, info.Proc.P_starttime.Usec)
}

// killTree kills the process, if pid is not 0, with its group. Here a child that
// has left the group cannot be told from other processes.
func killTree(pid int, _ string) (others []int) {
	if pid != 0 {
		killGroup(pid)
	}
	return nil
}
