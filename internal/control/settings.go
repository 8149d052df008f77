package control

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3compactor"
	"go.etcd.io/etcd/server/v3/features"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// Sizes of a member, small because control is: three in one process take about
// 40 MB.
const (
	quotaBackend     = 128 << 20 // bytes on disk; also the size of the memory map
	walSegment       = 4 << 20   // bytes, allocated ahead; etcd's own 64 MB is for busy clusters
	snapshotEntries  = 1000      // committed changes between two snapshots
	snapshotCatchUp  = 500       // changes kept in memory for a member that lags
	filesKept        = 2         // old snapshots and logs
	transactionOps   = 4096      // documents that one change may touch
	requestBytes     = 4 << 20   // one change; etcd's own 1.5 MB does not fit 4096 tables
	compactionWindow = 10 * time.Minute
	defragAfter      = 16 // MB that a defragmentation at start must free
	timeoutPeerIdle  = 5 * time.Second
	timeoutProbe     = 2 * time.Second
	timeoutHandOver  = time.Second
)

// settings are the member's, in etcd's words.
func (m *member) settings() (config.ServerConfig, error) {
	urls, err := types.NewURLsMap(memberList(m.own.Members))
	if err != nil {
		return config.ServerConfig{}, fmt.Errorf("control members: %w", err)
	}
	info := transport.TLSInfo{Logger: m.log, LocalAddr: m.own.LocalIP}
	if id := m.own.Identity; id != nil {
		files := id.Files()
		info.CertFile, info.KeyFile, info.TrustedCAFile = files.Certificate, files.Key, files.Authority
		info.ServerName = id.ServerName()
	}
	heartbeat := m.cfg.heartbeat()
	return config.ServerConfig{
		Name:                              m.cfg.Region,
		DataDir:                           filepath.Join(m.cfg.Dir, etcdDir),
		PeerURLs:                          urls[m.cfg.Region],
		InitialPeerURLsMap:                urls,
		InitialClusterToken:               clusterToken(m.cfg.World),
		ClientURLs:                        m.clientURLs(urls[m.cfg.Region]),
		PeerTLSInfo:                       info,
		TickMs:                            uint(heartbeat.Milliseconds()),
		ElectionTicks:                     int(m.cfg.election() / heartbeat),
		InitialElectionTickAdvance:        true,
		PreVote:                           true,
		StrictReconfigCheck:               true,
		SnapshotCount:                     snapshotEntries,
		SnapshotCatchUpEntries:            snapshotCatchUp,
		MaxSnapFiles:                      filesKept,
		MaxWALFiles:                       filesKept,
		QuotaBackendBytes:                 quotaBackend,
		BackendFreelistType:               bolt.FreelistMapType,
		BootstrapDefragThresholdMegabytes: defragAfter,
		AutoCompactionMode:                v3compactor.ModePeriodic,
		AutoCompactionRetention:           compactionWindow,
		CompactHashCheckTime:              time.Minute,
		MaxTxnOps:                         transactionOps,
		MaxRequestBytes:                   requestBytes,
		MaxConcurrentStreams:              256,
		MaxLearners:                       learnersMax,
		WarningApplyDuration:              time.Second,
		WarningUnaryRequestDuration:       m.cfg.timeoutRequest(),
		BcryptCost:                        10, // unused, but 0 is warned of
		Logger:                            m.log,
		V2Deprecation:                     config.V2DeprDefault,
		Metrics:                           "basic",
		ServerFeatureGate:                 features.NewDefaultServerFeatureGate(m.cfg.Region, m.log),
	}, nil
}

// clientURLs are what the member publishes: having some marks it as one that has
// taken part. Without a client port its peer URL has to do.
func (m *member) clientURLs(peer types.URLs) types.URLs {
	if m.own.Client == nil {
		return peer
	}
	return types.URLs{{Scheme: peer[0].Scheme, Host: m.own.Client.Addr().String()}}
}

// memberList is the members in etcd's own notation.
func memberList(members map[string]string) string {
	var list []string
	for name, u := range members {
		list = append(list, name+"="+u)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

// setSegment shrinks etcd's log files, once: it is a variable of the package.
var setSegment = sync.OnceFunc(func() { wal.SegmentSizeBytes = walSegment })
