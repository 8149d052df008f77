package control

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// DATA 5: a member that lacks what it has acknowledged says so, and the next start
// sets its directory aside; for another reason it stays where it is.
func TestDATA5_AMemberThatForgotIsSetAside(t *testing.T) {
	m := &member{cfg: Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}, failed: make(chan error, 1)}
	etcd := filepath.Join(m.cfg.Dir, etcdDir)
	if err := os.Mkdir(etcd, 0o700); err != nil {
		t.Fatal(err)
	}
	for reason, forgot := range map[string]bool{
		"no space left on device":                                     false,
		"tocommit(19) is out of range [lastIndex(18)]. Was the log c": true,
	} {
		m.gaveUp(reason)
		if err := <-m.failed; errors.Is(err, ErrForgot) != forgot {
			t.Errorf("%s: %v", reason, err)
		}
		if err := m.setAside(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(etcd); (err != nil) != forgot {
			t.Errorf("%s: the directory: %v", reason, err)
		}
		if forgot {
			if err := os.Rename(filepath.Join(m.cfg.Dir, forgotDir), etcd); err != nil {
				t.Error(err)
			}
		}
	}
}
