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

// carries cannot look into other processes' environments here.
func carries(string) []int { return nil }
