package control

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"

	"github.com/meridian-run/meridian/internal/atomicfile"
)

const (
	// votersMax is how many members vote: seven survive the loss of three, and
	// each one more makes every change wait for one more answer. Further regions
	// follow as learners.
	votersMax = 7
	// learnersMax bounds those that follow without a vote, on their way to one or
	// for good.
	learnersMax = 64
)

// Cluster says who is to take part in an embedded control: nodes that are
// missing are let in, and those of names that are gone are let go.
type Cluster struct {
	// Wanted maps the names of all nodes of the world to their URLs.
	Wanted map[string]string
	// Gone are names of nodes that were removed from the world.
	Gone []string
}

// Member is a member of the embedded control as it runs now.
type Member struct {
	// ID is etcd's, in hexadecimal as in rafthttp's X-Server-From header.
	ID   string
	Name string
	URL  string
	// Learner follows, and has no vote; Started is false until it has been heard.
	Learner, Started bool
	Leader           bool
}

// SetCluster says who is to take part. The member that leads brings it about,
// step by step, when the others are well enough; until then a node that is not
// in yet follows changes through its peers.
func (c *Control) SetCluster(want Cluster) { c.wanted.Store(&want) }

// Cluster are the members, sorted by name; none before the start and with an
// external etcd.
func (c *Control) Cluster() []Member {
	c.mu.Lock()
	b := c.backend
	c.mu.Unlock()
	if b == nil || b.member == nil {
		return nil
	}
	return b.member.roster(c.wanted.Load())
}

// roster lists the members as this one knows them. One that has not started yet
// has told nobody its name: its address tells.
func (m *member) roster(want *Cluster) []Member {
	urls := maps.Clone(m.own.Members)
	if want != nil {
		maps.Copy(urls, want.Wanted)
	}
	var list []Member
	for _, x := range m.server.Cluster().Members() {
		one := Member{ID: x.ID.String(), Name: x.Name, Learner: x.IsLearner, Started: x.IsStarted(), Leader: x.ID == m.server.Leader()}
		if len(x.PeerURLs) > 0 {
			one.URL = x.PeerURLs[0]
		}
		for name, u := range urls {
			if one.Name == "" && u == one.URL {
				one.Name = name
			}
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// urls are the members' addresses by name.
func (m *member) urls(want *Cluster) map[string]string {
	urls := map[string]string{}
	for _, x := range m.roster(want) {
		if x.Name != "" {
			urls[x.Name] = x.URL
		}
	}
	return urls
}

// remember keeps the members for the next start: whom to ask when there is no
// leader.
func (m *member) remember(want *Cluster) error {
	urls := m.urls(want)
	known, err := Members(m.cfg.Dir)
	if err != nil || maps.Equal(known, urls) || urls[m.cfg.Region] == "" {
		return err
	}
	b, err := json.Marshal(urls)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(m.cfg.Dir, membersFile), b, 0o600)
}

// tend is the leader's part: it lets go, lets in, and gives votes, one step at a
// time. A step that fails is tried again at the next look.
func (m *member) tend(ctx context.Context, b *backend, want *Cluster) {
	if m.server.Leader() != m.server.MemberID() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.timeoutRequest())
	defer cancel()
	if want != nil {
		what, name, err := m.bring(ctx, b, *want)
		switch {
		case err != nil && !strings.Contains(err.Error(), rpctypes.ErrUnhealthy.Error()):
			m.cfg.Log.Warn("control's members are not yet those of the world", "to", what, "member", name, "error", err)
		case err == nil && what != "":
			m.cfg.Log.Info("control's members change", "to", what, "member", name)
		}
	}
	m.promote(ctx, b)
}

// bring does the first thing that is due, if any, and says what.
func (m *member) bring(ctx context.Context, b *backend, want Cluster) (what, name string, err error) {
	for _, x := range m.server.Cluster().Members() {
		if !want.leaves(x) {
			continue
		}
		_, err := b.client.MemberRemove(ctx, uint64(x.ID))
		if errors.Is(err, rpctypes.ErrMemberNotFound) {
			err = nil
		}
		return "let go", x.Name, err
	}
	members := m.roster(&want)
	for _, name := range slices.Sorted(maps.Keys(want.Wanted)) {
		u := want.Wanted[name]
		if slices.ContainsFunc(members, func(x Member) bool { return x.Name == name || x.URL == u }) {
			continue
		}
		_, err := b.client.MemberAddAsLearner(ctx, []string{u})
		return "let in", name, err
	}
	return "", "", nil
}

// leaves reports whether a member is of a node that was removed from the world;
// one that never started has no name.
func (c Cluster) leaves(x *membership.Member) bool {
	if x.Name != "" {
		_, wanted := c.Wanted[x.Name]
		return !wanted && slices.Contains(c.Gone, x.Name)
	}
	return x.IsLearner && !slices.ContainsFunc(x.PeerURLs, func(u string) bool {
		return slices.Contains(slices.Collect(maps.Values(c.Wanted)), u)
	})
}

// promote gives learners that have caught up a vote, while there is one to give.
func (m *member) promote(ctx context.Context, b *backend) {
	members, votes := m.server.Cluster().Members(), 0
	for _, x := range members {
		if !x.IsLearner {
			votes++
		}
	}
	for _, l := range members {
		if !l.IsLearner || !l.IsStarted() || votes >= m.votersMax() {
			continue
		}
		_, err := b.client.MemberPromote(ctx, uint64(l.ID))
		switch {
		case err == nil:
			votes++
			m.cfg.Log.Info("control member votes", "member", l.Name)
		case !strings.Contains(err.Error(), rpctypes.ErrMemberLearnerNotReady.Error()):
			m.cfg.Log.Warn("control member gets no vote yet", "member", l.Name, "error", err)
		}
	}
}

func (m *member) votersMax() int {
	if m.own.VotersMax > 0 {
		return m.own.VotersMax
	}
	return votersMax
}
