// Package wan is a simulated wide-area network between sites on one machine.
// Real sockets carry the bytes; the dialing side holds them back for half a
// round trip in each direction, loses them, or lets nothing pass while two
// sites are cut from each other.
//
// A site is a name: a region, a witness, a place a client sits at. Place says
// which addresses belong to which site, and a Dialer belongs to the site that
// dials. What goes to an address nobody placed goes to Outside.
//
//	net := wan.New(wan.Config{RoundTrip: func(a, b string) time.Duration { return 80 * time.Millisecond }})
//	defer net.Close()
//	net.Place("eu-west-1", netip.MustParsePrefix("127.0.20.1/32"), 0, 0)
//	conn, err := net.Dialer("us-east-1").DialContext(ctx, "tcp", "127.0.20.1:7071")
//	net.Cut("us-east-1", "eu-west-1")
//
// Delay does not cost bandwidth: bytes wait in a queue, each until its own time.
// A cut stalls streams, as a network that drops every packet does: the bytes
// wait for Heal, new dials time out, and it is the peers' own timeouts that end
// the connections. Datagrams are dropped. Bytes counts what was delivered, so a
// test can prove that nothing passes a cut.
//
// Software that dials by itself is sent through a Forwarder.
package wan
