package nameserver

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

const (
	headerBytes = 12
	// udpBytesMax is the largest UDP answer: what fits everywhere unfragmented
	// (DNS flag day 2020). Larger ones are truncated and asked again over TCP.
	udpBytesMax = 1232
	udpBytesMin = 512 // without EDNS
	// queryBytesMax bounds a query over TCP; one over UDP that is longer than
	// the read buffer of this size does not parse.
	queryBytesMax = 4096
)

// Answer describes one reply, for counters.
type Answer struct {
	Network string // "udp" or "tcp"
	Type    string // "A"; "OTHER" for what has no name, so that it is no label bomb
	Rcode   string // "NOERROR"; "NODATA" for an empty one; "DROPPED" for no reply
	// Service and Region are set if an address was answered for one.
	Service, Region string
	FailOpen        bool
}

// query is a request that has been understood.
type query struct {
	msg      dns.Msg
	question dns.Question
	edns     *dns.OPT
	subnet   *subnet
	from     netip.AddrPort
	network  string
}

// respond answers one packet; nil means no reply. It does not panic and keeps
// nothing of the packet.
func (s *Server) respond(packet []byte, from netip.AddrPort, network string) (reply []byte) {
	answer := Answer{Network: network, Type: "OTHER", Rcode: "DROPPED"}
	defer func() {
		if broken := recover(); broken != nil {
			reply, answer.Rcode = nil, "PANIC"
		}
		s.config.OnAnswer(answer)
	}()
	return s.answer(packet, from, &answer)
}

// answer is respond without the safety net.
func (s *Server) answer(packet []byte, from netip.AddrPort, a *Answer) []byte {
	if len(packet) < headerBytes || packet[2]&0x80 != 0 { // a response: never answer, it would loop
		return nil
	}
	q := query{from: from, network: a.Network}
	rcode := q.parse(packet)
	if len(q.msg.Question) == 1 {
		a.Type = typeName(q.question.Qtype)
	}
	if rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented {
		a.Rcode = dns.RcodeToString[rcode]
		return bare(packet, rcode)
	}
	reply := new(dns.Msg)
	reply.SetReply(&q.msg)
	reply.Rcode = rcode
	scope := 0
	if rcode == dns.RcodeSuccess {
		scope = s.fill(reply, &q, a)
	}
	q.finish(reply, scope)
	if a.Rcode = rcodeName(reply.Rcode); reply.Rcode == dns.RcodeSuccess && len(reply.Answer) == 0 && !reply.Truncated {
		a.Rcode = "NODATA"
	}
	packed, err := reply.Pack()
	if err != nil {
		a.Rcode = "SERVFAIL"
		return bare(packet, dns.RcodeServerFailure)
	}
	return packed
}

// parse reads the packet into q and gives the error to answer, if any.
func (q *query) parse(packet []byte) (rcode int) {
	if opcode := int(packet[2]>>3) & 0xF; opcode != dns.OpcodeQuery {
		return dns.RcodeNotImplemented
	}
	if binary.BigEndian.Uint16(packet[4:]) != 1 || len(packet) > queryBytesMax {
		return dns.RcodeFormatError
	}
	if err := q.msg.Unpack(packet); err != nil || len(q.msg.Question) != 1 {
		return dns.RcodeFormatError
	}
	q.question = q.msg.Question[0]
	for _, section := range [][]dns.RR{q.msg.Answer, q.msg.Ns, q.msg.Extra} {
		for _, rr := range section {
			if opt, ok := rr.(*dns.OPT); ok {
				if q.edns != nil {
					return dns.RcodeFormatError // RFC 6891, 6.1.1: at most one
				}
				q.edns = opt
			}
		}
	}
	if q.msg.IsTsig() != nil {
		return dns.RcodeNotAuth // there are no keys
	}
	if q.edns == nil {
		return dns.RcodeSuccess
	}
	if q.edns.Version() != 0 {
		return dns.RcodeBadVers
	}
	return q.parseSubnets(packet)
}

func (q *query) parseSubnets(packet []byte) (rcode int) {
	options := rawOptions(packet, dns.EDNS0SUBNET)
	if len(options) > 1 {
		return dns.RcodeFormatError
	}
	for _, data := range options {
		parsed, err := parseSubnet(data)
		if err != nil {
			return dns.RcodeFormatError
		}
		q.subnet = &parsed
	}
	return dns.RcodeSuccess
}

// client is the network that the place is looked up of: what the client
// disclosed, otherwise the resolver's address.
func (q *query) client() netip.Prefix {
	if q.subnet != nil && q.subnet.disclosed() {
		return q.subnet.prefix
	}
	address := q.from.Addr().Unmap().WithZone("")
	return netip.PrefixFrom(address, address.BitLen())
}

// finish adds the OPT record and makes the reply fit.
func (q *query) finish(reply *dns.Msg, scope int) {
	size := udpBytesMin
	if q.edns != nil {
		opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		opt.SetUDPSize(udpBytesMax)
		if q.edns.Do() {
			opt.SetDo() // RFC 3225: copied, although nothing is signed
		}
		if q.subnet != nil && reply.Rcode != dns.RcodeBadVers {
			opt.Option = append(opt.Option, q.subnet.reply(scope))
		}
		reply.Extra = append(reply.Extra, opt)
		size = min(max(udpBytesMin, int(q.edns.UDPSize())), udpBytesMax)
	}
	reply.Compress = true
	if q.network != "tcp" {
		reply.Truncate(size)
	}
}

// bare is a reply of a header only, for packets that are not understood.
func bare(packet []byte, rcode int) []byte {
	reply := make([]byte, headerBytes)
	copy(reply, packet[:2])
	reply[2] = 0x80 | packet[2]&0x79 // a response; opcode and RD as they came
	reply[3] = byte(rcode & 0xF)
	return reply
}

func typeName(t uint16) string {
	if name, ok := dns.TypeToString[t]; ok {
		return name
	}
	return "OTHER"
}

func rcodeName(rcode int) string {
	if rcode == dns.RcodeBadVers {
		return "BADVERS" // miekg/dns calls it by its other meaning, BADSIG
	}
	return strings.ToUpper(dns.RcodeToString[rcode])
}
