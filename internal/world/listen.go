package world

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/meridian-run/meridian/internal/region"
)

// open binds a site's ports; conflicts are added to the list.
func open(s site, conflicts *[]string) (l region.Listeners, etcd net.Listener) {
	l.Admin = listen(s, "admin", portAdmin, conflicts)
	l.Link = listen(s, "link", portLink, conflicts)
	etcd = listen(s, "etcd", portEtcd, conflicts)
	if s.witness {
		return l, etcd
	}
	l.Gateway = listen(s, "gateway", portGateway, conflicts)
	l.Tables = listen(s, "tables", portTables, conflicts)
	l.DNS = listen(s, "DNS", portDNS, conflicts)
	packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s.at(portDNS))))
	if err != nil {
		*conflicts = append(*conflicts, conflict(s, "DNS (UDP)", portDNS, err))
		return l, etcd
	}
	l.DNSPackets = packets
	return l, etcd
}

func listen(s site, what string, port int, conflicts *[]string) net.Listener {
	l, err := net.Listen("tcp", s.at(port))
	if err != nil {
		*conflicts = append(*conflicts, conflict(s, what, port, err))
		return nil
	}
	return l
}

func conflict(s site, what string, port int, err error) string {
	why := err.Error()
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		why = "another program listens there"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = "this machine has no such address; --one-address does without it"
	case errors.Is(err, syscall.EACCES):
		why = "not permitted"
	}
	return fmt.Sprintf("  %-22s %s of %s: %s", s.at(port), what, s.name, why)
}

// errConflicts lists every port that could not be had.
func errConflicts(conflicts []string, portBase int) error {
	if len(conflicts) == 0 {
		return nil
	}
	slices.Sort(conflicts)
	return fmt.Errorf("%d ports cannot be had, so nothing was started:\n%s\nend what uses them, or move all ports: --port-base %d",
		len(conflicts), strings.Join(conflicts, "\n"), portBase+10000)
}
