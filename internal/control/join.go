package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// membersSizeMax bounds the list of members that another one gives, in bytes.
const membersSizeMax = 1 << 20

// joinReminder is how often a node that cannot join says so.
const joinReminder = 30 * time.Second

// Replace waits timeoutReplace for the cluster to settle, and then timeoutVote for
// the member: it asks every second whether it is in, is looked at every two
// (tendEvery), and may wait for an election in between.
const (
	timeoutReplace = 15 * time.Second
	timeoutVote    = 15 * time.Second
)

// listed is a member as another one's /members shows it. One that has not started
// has no name and no client URL.
type listed struct {
	Name       string   `json:"name"`
	ID         uint64   `json:"id"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
}

// standing is what the other members make of a node whose directory is empty.
type standing int

const (
	// expected: it is one of a new cluster's members, or nobody answers yet.
	expected standing = iota
	// invited: it was added to a running cluster and may join.
	invited
	// forgetful: it took part before and has lost its disk. Coming back with
	// the old name and no memory could undo what it voted for.
	forgetful
	// stranger: the others have no member with this address.
	stranger
)

// awaitStanding decides how to start: as part of a new cluster (or from the
// directory), or joining a running one of these members. A node that lost its
// disk waits until Replace has made room for it, one that comes to a running
// world until that has let it in.
func (m *member) awaitStanding(ctx context.Context) (join types.URLsMap, err error) {
	if m.kept() {
		return nil, nil
	}
	var said time.Time
	for {
		s, list := m.standing(ctx)
		switch {
		case s == expected && !m.own.Join:
			return nil, ctx.Err()
		case s == invited:
			join, err := m.cluster(list)
			return join, errors.Join(err, ctx.Err())
		}
		if time.Since(said) > joinReminder {
			said = time.Now()
			m.cfg.Log.Warn(s.words(), "member", m.cfg.Region, "address", m.own.Members[m.cfg.Region])
		}
		if !pause(ctx, backoffMax/5) {
			return nil, ctx.Err()
		}
	}
}

// kept reports whether the directory has what the member took part in before.
func (m *member) kept() bool { return wal.Exist(filepath.Join(m.cfg.Dir, etcdDir, "member", "wal")) }

func (s standing) words() string {
	switch s {
	case forgetful:
		return "control knows this node, but its directory is empty: let it in with `meridian replace`; until then changes are followed through peers only"
	case expected:
		return "no member of control answers: this node joins a world that runs, and waits for it"
	}
	return "control has no member with this node's address yet: it is let in when a spec that has it is applied and all voters answer (a lost voter: `meridian replace`, `meridian region remove`); until then changes are followed through peers only"
}

// cluster is what a member that joins must know of the others: all of them, with
// their names.
func (m *member) cluster(list []listed) (types.URLsMap, error) {
	own := m.own.Members[m.cfg.Region]
	members := map[string]string{}
	for _, l := range list {
		name := l.Name
		switch {
		case slices.Contains(l.PeerURLs, own):
			name = m.cfg.Region
		case name == "":
			name = fmt.Sprintf("unnamed-%x", l.ID)
		}
		members[name] = strings.Join(l.PeerURLs, ","+name+"=")
	}
	return types.NewURLsMap(memberList(members))
}

// standing asks the other members; the first that answers counts.
func (m *member) standing(ctx context.Context) (standing, []listed) {
	ctx, cancel := context.WithTimeout(ctx, timeoutPeerIdle)
	defer cancel()
	own := m.own.Members[m.cfg.Region]
	first, err := MemberIDs(m.cfg.World, map[string]string{m.cfg.Region: own})
	if err != nil {
		return expected, nil
	}
	for name, u := range m.own.Members {
		if name == m.cfg.Region {
			continue
		}
		list, err := m.list(ctx, u)
		if err != nil {
			continue
		}
		i := slices.IndexFunc(list, func(l listed) bool { return slices.Contains(l.PeerURLs, own) })
		switch {
		case len(list) == 0:
			continue
		case i < 0:
			return stranger, list
		case len(list[i].ClientURLs) > 0:
			return forgetful, list
		case fmt.Sprintf("%x", list[i].ID) == first[m.cfg.Region]:
			return expected, nil
		}
		return invited, list
	}
	return expected, nil
}

// statusError is a member's answer other than 200.
type statusError string

func (e statusError) Error() string { return "it answers " + string(e) }

func (m *member) list(ctx context.Context, u string) ([]listed, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u+"/members", nil)
	if err != nil {
		return nil, err
	}
	ids, err := MemberIDs(m.cfg.World, m.own.Members)
	if err != nil {
		return nil, err
	}
	req.Header.Set(fromHeader, ids[m.cfg.Region])
	resp, err := m.probe.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, statusError(resp.Status)
	}
	var list []listed
	err = json.NewDecoder(io.LimitReader(resp.Body, membersSizeMax)).Decode(&list)
	return list, err
}

// Replace makes room for an embedded member whose disk is lost: it is removed
// and added again, empty, as a learner that gets its vote once it has caught up.
// Call it on any other node; the lost one may be started before or after. A member
// that answers is not replaced. If its process runs, Replace waits for the vote: until
// then one voter less can be spared. It answers how the member stands.
func (c *Control) Replace(ctx context.Context, name string) (Member, error) {
	b, err := c.connection(ctx)
	if err != nil {
		return Member{}, err
	}
	if b.member == nil {
		return Member{}, errors.New("control runs in an external etcd: replace the member there")
	}
	want := c.wanted.Load()
	u, err := b.member.replace(ctx, b, name, b.member.urls(want))
	if err != nil {
		return Member{}, c.explain(err)
	}
	return b.member.awaitVote(ctx, u, want), nil
}

// replace removes a member and adds it again, and answers its address.
func (m *member) replace(ctx context.Context, b *backend, name string, urls map[string]string) (string, error) {
	u, ok := urls[name]
	if !ok || name == m.cfg.Region {
		return "", fmt.Errorf("%s is not one of the other control members (%s)", name, memberList(urls))
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.timeoutRequest()+timeoutReplace)
	defer cancel()
	if _, ok := m.answers(ctx, u); ok {
		return "", fmt.Errorf("control member %s answers at %s: stop it first if it shall be replaced", name, u)
	}
	for _, old := range m.server.Cluster().Members() {
		if old.Name != name && !slices.Contains(old.PeerURLs, u) {
			continue
		}
		err := settled(ctx, func(ctx context.Context) error {
			_, err := b.client.MemberRemove(ctx, uint64(old.ID))
			return err
		})
		if err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
			return "", fmt.Errorf("remove control member %s: %w", name, err)
		}
	}
	err := settled(ctx, func(ctx context.Context) error {
		_, err := b.client.MemberAddAsLearner(ctx, []string{u})
		return err
	})
	if err != nil && !errors.Is(err, rpctypes.ErrPeerURLExist) { // an attempt before took effect after all
		return "", fmt.Errorf("add control member %s: %w", name, err)
	}
	m.cfg.Log.Info("control member may join anew", "member", name)
	return u, nil
}

// awaitVote waits until the member at an address has a vote, or has joined where
// there are voters enough; not for one whose process does not run, nor longer
// than timeoutVote.
func (m *member) awaitVote(ctx context.Context, u string, want *Cluster) (in Member) {
	ctx, cancel := context.WithTimeout(ctx, timeoutVote)
	defer cancel()
	for {
		members := m.roster(want)
		votes := 0
		for _, x := range members {
			if x.URL == u {
				in = x
			}
			if !x.Learner {
				votes++
			}
		}
		over := !in.Learner || in.Started && votes >= m.votersMax()
		if over || !m.runs(ctx, u) || !pause(ctx, backoffMin) {
			return in
		}
	}
}

// runs reports whether a process listens for other members at an address, be it
// that it has yet to join.
func (m *member) runs(ctx context.Context, u string) bool {
	_, err := m.list(ctx, u)
	var status statusError
	return err == nil || errors.As(err, &status)
}

// timeoutAttempt bounds one try to change the members: what was proposed to a
// leader that is gone is never answered.
const timeoutAttempt = 3 * time.Second

// settled tries again while etcd finds the cluster too unsettled to change its
// members (the others must have been connected for five seconds), and while its
// leader is the one that was lost.
func settled(ctx context.Context, change func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, timeoutAttempt)
		err := change(attempt)
		again := err != nil && (attempt.Err() != nil || strings.Contains(err.Error(), rpctypes.ErrUnhealthy.Error()))
		cancel()
		if !again || !pause(ctx, backoffMax/10) {
			return err
		}
	}
}
