package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/etcdserver/api/rafthttp"

	"github.com/meridian-run/meridian/internal/atomicfile"
)

// etcdDir is the embedded member's own, membersFile what it was started with.
const (
	etcdDir     = "etcd"
	membersFile = "members.json"
)

// MemberIDs gives the ids that etcd computes for the members of a new world, in
// hexadecimal as in rafthttp's X-Server-From header, by name.
func MemberIDs(world string, members map[string]string) (map[string]string, error) {
	ids := map[string]string{}
	for name, u := range members {
		urls, err := types.NewURLs([]string{u})
		if err != nil {
			return nil, fmt.Errorf("control member %s: %w", name, err)
		}
		ids[name] = membership.NewMember(name, urls, clusterToken(world), nil).ID.String()
	}
	return ids, nil
}

func clusterToken(world string) string { return "meridian-" + world }

func (c Config) checkEmbedded() error {
	e := c.Embedded
	if _, ok := e.Members[c.Region]; !ok {
		return fmt.Errorf("%s is not among the control members: name its address, or use an external etcd", c.Region)
	}
	scheme := "http"
	if e.Identity != nil {
		scheme = "https"
	}
	for name, text := range e.Members {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != scheme || u.Port() == "" || u.Path != "" {
			return fmt.Errorf("control member %s has address %q: it must be %s://host:port", name, text, scheme)
		}
	}
	return nil
}

// fromHeader says who asks, as rafthttp's own requests do: a simulated network
// wants to know.
const fromHeader = "X-Server-From"

// checkMembers compares the members with those that the directory knows. Other
// names or addresses are refused: whoever starts all members of a world by one
// hand may StartOver.
func checkMembers(cfg Config) error {
	have, err := Members(cfg.Dir)
	if err != nil {
		return err
	}
	if maps.Equal(have, cfg.Embedded.Members) {
		return nil
	}
	if have != nil {
		return fmt.Errorf("%w: %s was made for %s, the configuration says %s: go back to those, or move the directory of every member away and start them all (each node's %s seeds the world again)",
			ErrMembers, cfg.Dir, memberList(have), memberList(cfg.Embedded.Members), cacheFile)
	}
	b, err := json.Marshal(cfg.Embedded.Members)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(cfg.Dir, membersFile), b, 0o600)
}

// StartOver makes a node forget its etcd, so that all of a world can be started
// with other members or addresses, from the states on their disks. Only for
// whoever starts all of them by one hand: elsewhere it could make two clusters of
// one world.
func StartOver(dir string) error {
	err := os.RemoveAll(filepath.Join(dir, etcdDir))
	if gone := os.Remove(filepath.Join(dir, membersFile)); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// Members reads the members that a control directory knew last; nil if it is new.
func Members(dir string) (map[string]string, error) {
	path := filepath.Join(dir, membersFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var members map[string]string
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return members, nil
}

// prober makes the client that asks members for a sign of life, over the same
// kind of connection that etcd uses.
func (m *member) prober(info transport.TLSInfo) (*http.Client, error) {
	rt, err := rafthttp.NewRoundTripper(info, timeoutPeerIdle)
	if err != nil {
		return nil, fmt.Errorf("prepare connections to control members: %w", err)
	}
	return &http.Client{Transport: rt, Timeout: timeoutProbe}, nil
}

// versionPath is what a member asks another for a sign of life; with the answer
// comes the name of its leader.
const (
	versionPath  = "/version"
	leaderHeader = "Meridian-Leader"
)

// missing names the members that do not answer, sorted, and one that does and
// follows a third, with that leader: one that leads itself will soon be heard, or
// has not noticed yet that it is alone. It asks them all at once.
func (m *member) missing(ctx context.Context, want *Cluster) (names []string, led [2]string) {
	ctx, cancel := context.WithTimeout(ctx, timeoutPeerIdle)
	defer cancel()
	var (
		mu    sync.Mutex
		asked sync.WaitGroup
	)
	for name, u := range m.urls(want) {
		if name == m.cfg.Region {
			continue
		}
		asked.Go(func() {
			leader, ok := m.answers(ctx, u)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case !ok:
				names = append(names, name)
			case leader != "" && leader != m.cfg.Region && leader != name:
				led = [2]string{name, leader}
			}
		})
	}
	asked.Wait()
	slices.Sort(names)
	return names, led
}

// answers asks a member for a sign of life, and whom it follows.
func (m *member) answers(ctx context.Context, u string) (leader string, ok bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u+versionPath, nil)
	if err != nil {
		return "", false
	}
	req.Header.Set(fromHeader, m.server.MemberID().String())
	resp, err := m.probe.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096))
	return resp.Header.Get(leaderHeader), err == nil && resp.StatusCode == http.StatusOK
}

// idleListener gives every read and write of its connections a deadline, as
// etcd's own listener does: rafthttp relies on it to notice a silent peer.
type idleListener struct{ net.Listener }

func (l idleListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return idleConn{conn}, nil
}

type idleConn struct{ net.Conn }

func (c idleConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(timeoutPeerIdle)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c idleConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(timeoutPeerIdle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
