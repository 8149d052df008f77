package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/etcdhttp"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/meridian-run/meridian/internal/certificate"
)

// Embedded describes the etcd member that runs in this process. Its name is
// Config.Region.
type Embedded struct {
	// Listen takes the other members' connections: a ready listener, which Run
	// closes. If nil, Run listens on Addr.
	Listen net.Listener
	Addr   string
	// Members maps every member's name, this one's included, to the URL that the
	// others reach it at: http without Identity, https with it. What a member
	// advertises may differ from where it listens (a forwarder, a NAT).
	Members map[string]string
	// LocalIP is the address that connections to other members come from; empty
	// leaves it to the system. It tells a simulated network who calls.
	LocalIP string
	// Identity gives mutual TLS between members; nil is plain HTTP, for loopback.
	Identity *certificate.Identity
	// Client serves etcd's own client protocol, for etcdctl and the like: a
	// ready listener that Run closes. Default nil: no client port. With Identity
	// it too wants certificates of this world.
	Client net.Listener
	// Join says that the world runs already: the node waits to be let in and
	// never takes part in a new cluster. It matters at a first start only.
	Join bool
	// VotersMax is how many members may vote; others follow. Default: 7.
	VotersMax int
}

// member is a running embedded member.
type member struct {
	cfg    Config
	own    *Embedded
	log    *zap.Logger
	server *etcdserver.EtcdServer
	// handler is set once the server can take other members' requests.
	handler atomic.Pointer[http.Handler]
	peers   *http.Server
	grpc    *grpc.Server
	served  sync.WaitGroup
	failed  chan error
	// founded is that this start made it a member of a new cluster.
	founded bool
	// probe asks the other members for a sign of life.
	probe *http.Client
}

// startMember starts the embedded member. It does not wait for the others.
func startMember(ctx context.Context, cfg Config) (_ *member, err error) {
	setSegment()
	m := &member{cfg: cfg, own: cfg.Embedded, failed: make(chan error, 3)}
	m.log = zapLogger(cfg.Log, m.gaveUp)
	listener := m.own.Listen
	if listener == nil {
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", m.own.Addr); err != nil {
			return nil, fmt.Errorf("listen for control members: %w", err)
		}
	}
	defer func() {
		if err != nil {
			listener.Close()
			if m.own.Client != nil {
				m.own.Client.Close()
			}
		}
	}()
	settings, err := m.settings()
	if err != nil {
		return nil, err
	}
	// From here on others get an answer, if only that it is too early: members
	// that start together ask each other first, and would wait in a circle.
	m.servePeers(listener)
	defer func() {
		if err != nil {
			m.peers.Close()
			m.served.Wait()
		}
	}()
	if m.probe, err = m.prober(settings.PeerTLSInfo); err != nil {
		return nil, err
	}
	if err := checkMembers(cfg); err != nil {
		return nil, err
	}
	if err := m.setAside(); err != nil {
		return nil, err
	}
	join, err := m.awaitStanding(ctx)
	if err != nil {
		return nil, err
	}
	if settings.NewCluster = join == nil; !settings.NewCluster {
		settings.InitialPeerURLsMap = join
	}
	m.founded = join == nil && !m.kept()
	if m.server, err = newServer(settings); err != nil {
		return nil, fmt.Errorf("start the control member: %w", err)
	}
	m.server.Start()
	handler := etcdhttp.NewPeerHandler(m.log, m.server)
	m.handler.Store(&handler)
	m.serveClients()
	return m, nil
}

// newServer shields Run from etcd's panics about a directory that it cannot
// read.
func newServer(settings config.ServerConfig) (s *etcdserver.EtcdServer, err error) {
	type result struct {
		s   *etcdserver.EtcdServer
		err error
	}
	done := make(chan result, 1)
	go func() {
		// A fatal log line ends this goroutine (see zapLogger), a panic is
		// caught: both leave the error set here.
		r := result{err: errors.New("etcd cannot use its directory " + settings.DataDir + ": see its log lines; if the disk is lost, replace the member")}
		defer func() {
			if p := recover(); p != nil {
				r = result{err: fmt.Errorf("etcd cannot use its directory %s: %v", settings.DataDir, p)}
			}
			done <- r
		}()
		srv, err := etcdserver.NewServer(settings)
		r = result{s: srv, err: err}
	}()
	r := <-done
	return r.s, r.err
}

func (m *member) servePeers(l net.Listener) {
	l = idleListener{l}
	if m.own.Identity != nil {
		l = m.own.Identity.Listen(l)
	}
	m.peers = &http.Server{
		Handler:           http.HandlerFunc(m.answer),
		ReadHeaderTimeout: timeoutPeerIdle,
		ReadTimeout:       5 * time.Minute,
		ErrorLog:          zap.NewStdLog(zap.NewNop()),
	}
	m.served.Go(func() {
		if err := m.peers.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			m.fail(fmt.Errorf("serve control members: %w", err))
		}
	})
}

// answer serves etcd's handler once there is one.
func (m *member) answer(w http.ResponseWriter, r *http.Request) {
	if h := m.handler.Load(); h != nil {
		if r.URL.Path == versionPath {
			w.Header().Set(leaderHeader, m.leader())
		}
		(*h).ServeHTTP(w, r)
		return
	}
	http.Error(w, "this control member is starting", http.StatusServiceUnavailable)
}

func (m *member) serveClients() {
	if m.own.Client == nil {
		return
	}
	var opts []grpc.ServerOption
	l := m.own.Client
	if id := m.own.Identity; id != nil {
		m.grpc = v3rpc.Server(m.server, id.Server("h2"), nil, opts...)
	} else {
		m.grpc = v3rpc.Server(m.server, nil, nil, opts...)
	}
	m.served.Go(func() {
		if err := m.grpc.Serve(l); err != nil {
			m.fail(fmt.Errorf("serve etcd clients: %w", err))
		}
	})
}

func (m *member) fail(err error) {
	select {
	case m.failed <- err:
	default:
	}
}

func (m *member) client() *clientv3.Client { return v3client.New(m.server) }

// wait returns when the member has failed, or ctx has ended.
func (m *member) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-m.failed:
		return err
	case <-m.server.StopNotify():
		return errors.New("the control member stopped by itself: it may have been removed from the cluster")
	}
}

// awaitLeader waits until there is a leader. Asking etcd before would make it
// wait for its own retry, half a second later.
func (m *member) awaitLeader(ctx context.Context) {
	for {
		changed := m.server.LeaderChangedNotify()
		if m.hasLeader() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// hasLeader reports whether the member follows, or is, a leader with a quorum.
func (m *member) hasLeader() bool { return m.server.Leader() != 0 }

// leader names the leader that the member follows, or is; empty without one.
func (m *member) leader() string {
	if l := m.server.Cluster().Member(m.server.Leader()); l != nil {
		return l.Name
	}
	return ""
}

// close stops everything; gracefully, it first hands leadership over if that is
// quick.
func (m *member) close(graceful bool) {
	if graceful {
		m.handOver()
	}
	if m.grpc != nil {
		m.grpc.Stop()
	}
	m.stop()
	m.peers.Close()
	m.served.Wait()
	m.probe.CloseIdleConnections()
}

// timeoutStop bounds the wait for etcd's end.
const timeoutStop = 5 * time.Second

// stop ends etcd. A member whose disk failed has lost the goroutine that would
// say so (its fatal errors end that, not the process), and is left as it is: its
// directory can be opened again by a new process.
func (m *member) stop() {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		m.server.HardStop()
	}()
	timer := time.NewTimer(timeoutStop)
	defer timer.Stop()
	select {
	case <-stopped:
	case <-timer.C:
	}
}

// handOver spares the others an election. Members that do not answer are not
// waited for long: an election then does it.
func (m *member) handOver() {
	if m.server.Leader() != m.server.MemberID() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeoutHandOver)
	defer cancel()
	missing, _ := m.missing(ctx, nil)
	for _, peer := range m.server.Cluster().Members() {
		if peer.ID == m.server.MemberID() || peer.IsLearner || slices.Contains(missing, peer.Name) {
			continue
		}
		if m.server.MoveLeader(ctx, uint64(m.server.MemberID()), uint64(peer.ID)) == nil || ctx.Err() != nil {
			return
		}
	}
}
