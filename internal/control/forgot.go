package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/meridian-run/meridian/internal/atomicfile"
)

const (
	// forgotMark is a file that says why the next start is to set etcd's directory
	// aside; forgotDir is where that is, the last only.
	forgotMark = "etcd-is-old"
	forgotDir  = "etcd-old"
)

// forgotten is what raft says of a member that others have heard acknowledge what
// it does not have: "tocommit(19) is out of range [lastIndex(18)]".
const forgotten = "is out of range [lastIndex("

// gaveUp ends the member for what etcd calls the end. Only a directory that was
// restored from a copy lacks what the member acknowledged: with it, it could undo
// what it voted for, so it may come back only as one that lost its disk (DATA 5).
func (m *member) gaveUp(reason string) {
	err := fmt.Errorf("etcd gave up: %s", reason)
	if strings.Contains(reason, forgotten) {
		err = fmt.Errorf("%w: was it restored from a copy? (%s)", ErrForgot, reason)
		if failed := atomicfile.Write(filepath.Join(m.cfg.Dir, forgotMark), []byte(reason), 0o600); failed != nil {
			err = fmt.Errorf("%w; move %s away, for that could not be noted: %w", err, filepath.Join(m.cfg.Dir, etcdDir), failed)
		}
	}
	m.fail(err)
}

// setAside moves a directory out of the way that the last start found to be old.
// The member then stands as one whose disk is lost.
func (m *member) setAside() error {
	mark := filepath.Join(m.cfg.Dir, forgotMark)
	if _, err := os.Stat(mark); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	from, to := filepath.Join(m.cfg.Dir, etcdDir), filepath.Join(m.cfg.Dir, forgotDir)
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set the old directory of control aside: %w", err)
	}
	m.cfg.Log.Warn("the directory of control was restored from a copy and is set aside: let this node in with `meridian replace`; its records are kept and brought up to date",
		"member", m.cfg.Region, "aside", to)
	return os.Remove(mark)
}
