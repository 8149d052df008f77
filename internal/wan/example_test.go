package wan_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/meridian-run/meridian/internal/wan"
)

func Example() {
	network := wan.New(wan.Config{
		RoundTrip:   func(a, b string) time.Duration { return 20 * time.Millisecond },
		DialTimeout: 100 * time.Millisecond,
	})
	defer network.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	address := netip.MustParseAddrPort(l.Addr().String())
	network.Place("Dublin", netip.PrefixFrom(address.Addr(), 32), address.Port(), address.Port())

	start := time.Now()
	conn, err := network.Dialer("Ashburn").DialContext(context.Background(), "tcp", address.String())
	fmt.Println("connected after a round trip:", err == nil && time.Since(start) >= 20*time.Millisecond)
	conn.Close()

	network.Cut("Ashburn", "Dublin")
	_, err = network.Dialer("Ashburn").DialContext(context.Background(), "tcp", address.String())
	fmt.Println("cut:", errors.Is(err, os.ErrDeadlineExceeded))
	// Output:
	// connected after a round trip: true
	// cut: true
}
