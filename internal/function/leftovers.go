package function

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// processRecord is what is kept on disk of a running instance, so that the next
// start finds it when this process was killed.
type processRecord struct {
	Instance     string `json:"instance"`
	PID          int    `json:"pid"`
	Started      string `json:"started"` // see startTime
	Owner        int    `json:"owner"`
	OwnerStarted string `json:"owner_started"`
}

func (r *Runner) instanceDir() string { return filepath.Join(r.cfg.Dir, "instances") }

func (r *Runner) recordPath(instance string) string {
	return filepath.Join(r.instanceDir(), instance+".json")
}

func writeRecord(path, instance string, pid int) error {
	own := os.Getpid()
	data, err := json.Marshal(processRecord{
		Instance: instance, PID: pid, Started: startTime(pid),
		Owner: own, OwnerStarted: startTime(own),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// endLeftovers ends the processes whose owner was killed, and makes dir. A
// process counts only if its start time is the recorded one, so a process id
// that was given out again harms nobody.
func endLeftovers(dir string, log *slog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the directory for process records: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read process records: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		var rec processRecord
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || json.Unmarshal(data, &rec) != nil || rec.PID <= 1 {
			// A record cut short by the kill names nobody.
			log.Warn("process record is unreadable, removed", "path", path)
			os.Remove(path)
			continue
		}
		if rec.Owner == os.Getpid() && alive(rec.Owner, rec.OwnerStarted) {
			continue // of the runner before this one, which is ending
		}
		if alive(rec.Owner, rec.OwnerStarted) {
			log.Warn("process record belongs to a living process, left alone", "path", path, "owner", rec.Owner)
			continue
		}
		rec.end(log)
		os.Remove(path)
	}
	return nil
}

// alive reports whether the process is the one that started then.
func alive(pid int, started string) bool {
	return started != "" && startTime(pid) == started
}

func (rec processRecord) end(log *slog.Logger) {
	pid := 0
	if alive(rec.PID, rec.Started) {
		pid = rec.PID
		log.Info("function instance of a killed process ended", "pid", pid, "instance", rec.Instance)
	}
	for _, child := range killTree(pid, rec.Instance) {
		log.Info("child of a function instance ended", "pid", child, "instance", rec.Instance)
	}
}

// killGroup kills a process with its group. One that is gone already is fine.
func killGroup(pid int) { syscall.Kill(-pid, syscall.SIGKILL) }
