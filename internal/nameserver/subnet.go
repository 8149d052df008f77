package nameserver

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// errSubnet is a client subnet option that RFC 7871 says to answer FORMERR.
var errSubnet = errors.New("nameserver: bad client subnet option")

// subnet is a query's EDNS Client Subnet option.
type subnet struct {
	family uint16
	prefix netip.Prefix // invalid if nothing was disclosed
	source uint8
}

// parseSubnet reads the option's bytes, strictly (RFC 7871, 6 and 7.1.2): the
// family is known, the scope is 0, there are exactly as many octets of address
// as the prefix needs, and no bit is set beyond it. Family 0 with a prefix of 0
// is what dig sends for "+subnet=0".
func parseSubnet(data []byte) (subnet, error) {
	if len(data) < 4 {
		return subnet{}, errSubnet
	}
	s := subnet{family: binary.BigEndian.Uint16(data), source: data[2]}
	bits := map[uint16]int{0: 0, 1: 32, 2: 128}
	size, known := bits[s.family]
	if !known || int(s.source) > size || data[3] != 0 || len(data)-4 != (int(s.source)+7)/8 {
		return subnet{}, errSubnet
	}
	if s.family == 0 {
		return s, nil
	}
	address := make([]byte, size/8)
	copy(address, data[4:])
	ip, _ := netip.AddrFromSlice(address)
	s.prefix = netip.PrefixFrom(ip, int(s.source))
	if s.prefix.Masked() != s.prefix {
		return subnet{}, errSubnet
	}
	return s, nil
}

// disclosed reports whether the option says anything about the client.
func (s subnet) disclosed() bool { return s.source > 0 }

// reply is the option of the answer: the same network, and how many bits of it
// the answer is good for.
func (s subnet) reply(scope int) *dns.EDNS0_SUBNET {
	if !s.disclosed() {
		scope = 0
	}
	option := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: s.family, SourceNetmask: s.source, SourceScope: uint8(scope)}
	switch s.family {
	case 0:
		option.Address = net.IPv4zero
	default:
		option.Address = s.prefix.Addr().AsSlice()
	}
	return option
}

// rawOptions finds the options of the OPT record in a packed message. miekg/dns
// has checked the message, but does not keep what RFC 7871 wants looked at.
func rawOptions(packet []byte, code uint16) (found [][]byte) {
	off := 12
	questions := int(binary.BigEndian.Uint16(packet[4:]))
	records := int(binary.BigEndian.Uint16(packet[6:])) + int(binary.BigEndian.Uint16(packet[8:])) + int(binary.BigEndian.Uint16(packet[10:]))
	for range questions {
		if off = skipName(packet, off); off < 0 || off+4 > len(packet) {
			return nil
		}
		off += 4
	}
	for range records {
		if off = skipName(packet, off); off < 0 || off+10 > len(packet) {
			return found
		}
		kind, size := binary.BigEndian.Uint16(packet[off:]), int(binary.BigEndian.Uint16(packet[off+8:]))
		off += 10
		if off+size > len(packet) {
			return found
		}
		if kind == dns.TypeOPT {
			found = append(found, optionsOf(packet[off:off+size], code)...)
		}
		off += size
	}
	return found
}

func optionsOf(data []byte, code uint16) (found [][]byte) {
	for len(data) >= 4 {
		kind, size := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if data = data[4:]; size > len(data) {
			return found
		}
		if kind == code {
			found = append(found, data[:size])
		}
		data = data[size:]
	}
	return found
}

// skipName gives the offset behind a name, or -1.
func skipName(packet []byte, off int) int {
	for off < len(packet) {
		size := int(packet[off])
		switch {
		case size == 0:
			return off + 1
		case size&0xC0 == 0xC0:
			return off + 2
		case size&0xC0 != 0:
			return -1
		}
		off += 1 + size
	}
	return -1
}
