package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	program   = "bin/meridian"
	notesSpec = "examples/notes/meridian.yaml"
	// portBase keeps the runs away from a demo on the ports of their own.
	portBase = 20000
	// idleFor is how long the regions are left alone before memory is read.
	idleFor = 10 * time.Second
)

// measureStart runs `meridian dev` as a newcomer does, from the start of the
// process to the box.
func measureStart(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "Three regions on one machine",
		how: "`bin/meridian dev --spec " + notesSpec + " --data DIR --one-address --port-base " + strconv.Itoa(portBase) + "`, three regions, simulated WAN with the\n" +
			"delays of the places (64 to 260 ms round trip), dev's file system that forgets what was not synced. From the start of the process until the box is printed.\n" +
			"Memory is the resident set of the process (all regions are in it) after 10 s without requests; the instances of the functions are processes of their own.",
	}
	cold := s.add("ready, empty data directory", "s").most(3)
	warm := s.add("ready, data of the last run", "s").most(3)
	coldSize := s.add("memory idle, empty data directory", "MB").most(300)
	warmSize := s.add("memory idle, data of the last run", "MB").most(300)
	for round := range b.rounds {
		dir, err := b.scratch("start")
		if err != nil {
			return s, err
		}
		for i, rows := range [][2]*row{{cold, coldSize}, {warm, warmSize}} {
			took, size, err := startOnce(ctx, dir)
			if err != nil {
				return s, err
			}
			rows[0].put(took.Seconds())
			rows[1].put(size)
			b.say("  round %d: %s start %.2f s, %.0f MB", round+1, []string{"cold", "warm"}[i], took.Seconds(), size)
		}
	}
	return s, nil
}

// startOnce starts the world, and ends it after it has been idle for a while.
func startOnce(ctx context.Context, dir string) (took time.Duration, megabytes float64, err error) {
	cmd := exec.CommandContext(ctx, program, "dev", "--spec", notesSpec, "--data", dir, "--one-address", "--port-base", strconv.Itoa(portBase))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, fmt.Errorf("%w; run make build first", err)
	}
	ready := make(chan time.Duration, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "ready after") {
				ready <- time.Since(began)
			}
		}
		close(ready)
	}()
	took, ok := <-ready
	if ok {
		select {
		case <-time.After(idleFor):
		case <-ctx.Done():
		}
		megabytes = residentMB(cmd.Process.Pid)
		_ = cmd.Process.Signal(syscall.SIGINT)
		for range ready { // until it ends
		}
	}
	if err := cmd.Wait(); err != nil {
		return 0, 0, err
	}
	if !ok {
		err = errors.New("dev ended before it was ready; its log is in " + filepath.Join(dir, "meridian.log"))
	}
	return took, megabytes, err
}

// residentMB is a process's resident set.
func residentMB(pid int) float64 {
	out := output("ps", "-o", "rss=", "-p", strconv.Itoa(pid))
	kilobytes, _ := strconv.ParseFloat(strings.TrimSpace(out), 64)
	return kilobytes / 1024
}
