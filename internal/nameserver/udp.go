package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	// udpReadersMax is how many goroutines read one socket: more than a few only
	// wait for each other.
	udpReadersMax = 4
	// udpErrorsMax is how many reads may fail in a row before the socket counts
	// as broken; single ones come from clients that have gone.
	udpErrorsMax = 100
)

// serveUDP answers on one socket until it is closed.
func (s *Server) serveUDP(ctx context.Context, conn net.PacketConn) error {
	readers := min(udpReadersMax, runtime.GOMAXPROCS(0))
	failures := make(chan error, readers)
	exchange := s.exchanger(conn)
	var running sync.WaitGroup
	for range readers {
		running.Go(func() { failures <- repeat(ctx, exchange()) })
	}
	running.Wait()
	return <-failures
}

// repeat exchanges packets until the socket is closed or broken.
func repeat(ctx context.Context, exchange func() error) error {
	for failed := 0; ; {
		err := exchange()
		switch {
		case err == nil:
			failed = 0
		case ctx.Err() != nil:
			return nil
		default:
			if failed++; failed >= udpErrorsMax || errors.Is(err, net.ErrClosed) {
				return err
			}
		}
	}
}

// exchanger gives what makes a function that reads one packet and answers it;
// each reader has its own, with its own buffer. A real UDP socket may be bound
// to all addresses of a host: the answer then leaves from the one that was
// asked.
func (s *Server) exchanger(conn net.PacketConn) func() func() error {
	if udp, ok := conn.(*net.UDPConn); ok && wantDestination(udp) {
		return func() func() error {
			buffer := make([]byte, queryBytesMax+1)
			return func() error { return s.exchangeUDP(udp, buffer) }
		}
	}
	return func() func() error {
		buffer := make([]byte, queryBytesMax+1)
		return func() error { return s.exchangePacket(conn, buffer) }
	}
}

// wantDestination asks the system to tell to which address packets were sent.
func wantDestination(conn *net.UDPConn) bool {
	err6 := ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	err4 := ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	return err6 == nil || err4 == nil
}

func (s *Server) exchangeUDP(conn *net.UDPConn, buffer []byte) error {
	size, session, err := dns.ReadFromSessionUDP(conn, buffer)
	if err != nil {
		return err
	}
	if reply := s.respond(buffer[:size], addrPort(session.RemoteAddr()), "udp"); reply != nil {
		dns.WriteToSessionUDP(conn, reply, session) // a lost answer is asked again
	}
	return nil
}

func (s *Server) exchangePacket(conn net.PacketConn, buffer []byte) error {
	size, from, err := conn.ReadFrom(buffer)
	if err != nil {
		return err
	}
	if reply := s.respond(buffer[:size], addrPort(from), "udp"); reply != nil {
		conn.WriteTo(reply, from) // a lost answer is asked again
	}
	return nil
}

// addrPort is the sender's address; the zero value, which is nowhere, for a
// network that has other addresses.
func addrPort(from net.Addr) netip.AddrPort {
	switch from := from.(type) {
	case *net.UDPAddr:
		return from.AddrPort()
	case *net.TCPAddr:
		return from.AddrPort()
	}
	parsed, _ := netip.ParseAddrPort(from.String())
	return parsed
}
