package wan

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Dialer dials as one site. It fits http.Transport.DialContext and the Dialer of
// DNS clients.
type Dialer struct {
	net  *Network
	from string
}

// Dialer answers the dialer of a site.
func (n *Network) Dialer(from string) *Dialer { return &Dialer{n, from} }

// DialContext connects to address (host:port; networks tcp, udp and their 4 and
// 6 forms). A TCP connection costs a round trip; over a cut it times out.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := d.net.siteOf(ctx, address)
	if err != nil {
		return nil, err
	}
	return d.net.dial(ctx, pair{d.from, to}, network, address)
}

// siteOf finds the site of host:port; a name is resolved first.
func (n *Network) siteOf(ctx context.Context, address string) (string, error) {
	if addr, err := netip.ParseAddrPort(address); err == nil {
		return n.Site(addr), nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return "", err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "", err
	}
	for _, ip := range ips {
		if site := n.Site(netip.AddrPortFrom(ip, uint16(port))); site != Outside {
			return site, nil
		}
	}
	return Outside, nil
}

// target is the address of a dial, for its error.
type target struct{ network, address string }

func (t target) Network() string { return t.network }
func (t target) String() string  { return t.address }

func (n *Network) dial(ctx context.Context, way pair, network, address string) (net.Conn, error) {
	datagram := strings.HasPrefix(network, "udp")
	if !datagram {
		if err := n.handshake(ctx, way); err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Addr: target{network, address}, Err: err}
		}
	}
	var dialer net.Dialer
	real, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c, err := n.newConn(real, way.from, way.to, datagram)
	if err != nil {
		real.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Addr: target{network, address}, Err: err}
	}
	return c, nil
}

// handshake takes the time of a connection's first round trip, while both
// directions are open.
func (n *Network) handshake(ctx context.Context, way pair) error {
	ctx, cancel := context.WithTimeout(ctx, n.config.DialTimeout)
	defer cancel()
	for _, w := range []pair{way, {way.to, way.from}} {
		if err := pause(ctx, n.delay(w)); err != nil {
			return err
		}
		for {
			open, changed := n.open(w, 0)
			if open {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return dialError(ctx)
			}
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return dialError(ctx)
	}
}

// dialError is what a socket answers: a timeout, or the caller's cancellation.
func dialError(ctx context.Context) error {
	if ctx.Err() == context.DeadlineExceeded {
		return os.ErrDeadlineExceeded
	}
	return ctx.Err()
}
