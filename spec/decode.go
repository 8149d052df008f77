package spec

import (
	"net/netip"
	"net/url"
	"strings"
)

// world reads the whole document.
func (p *parser) world(root value, w *World) {
	f := root.fields("world", "domain", "regions", "witness", "tables", "services", "networks", "references", "control", "access")
	if v, ok := f.need("world", "write world: NAME, such as world: notes"); ok {
		w.Name = v.name("world")
	}
	if v, ok := f.need("domain", "write the zone that the world answers for, such as domain: notes.example.com"); ok {
		w.Domain = v.domain()
	}
	if v, ok := f.need("regions", "name at least one region, such as regions: {us-east-1: {place: Ashburn}}"); ok {
		w.Regions = v.regions()
	}
	if v, ok := f.get("witness"); ok {
		witness := entry{WitnessName, v}.region()
		w.Witness = &witness
	}
	if v, ok := f.get("tables"); ok {
		w.Tables = v.tables(w)
	}
	if v, ok := f.get("services"); ok {
		w.Services = v.services(w)
	}
	if v, ok := f.get("networks"); ok {
		w.Networks = v.networks()
	}
	if v, ok := f.get("references"); ok {
		w.References = v.references()
	}
	if v, ok := f.get("control"); ok {
		w.Control = v.control()
	}
	if v, ok := f.get("access"); ok {
		how, _ := v.choice(accessSigned, accessAnonymous)
		w.Anonymous = how == accessAnonymous
	}
}

// name reads a name that must be a DNS label.
func (v value) name(what string) string {
	text, ok := v.text(labelInstead)
	if ok && !label(text) {
		v.fail(quote(text)+" cannot be the name of a "+what, labelInstead)
	}
	return text
}

func (v value) domain() string {
	const instead = "write a DNS name, such as notes.example.com"
	text, ok := v.text(instead)
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	if ok && !domain(name) {
		v.fail(quote(text)+" is not a domain", instead)
		return ""
	}
	return name
}

// networks reads client networks and their places.
func (v value) networks() []Network {
	entries := v.entries("write a network and its place, such as 10.0.0.0/8: Berlin")
	if len(entries) > networksMax {
		v.fail("too many networks", "write at most 10000")
		return nil
	}
	var list []Network
	seen := make(map[netip.Prefix]string)
	for _, e := range entries {
		prefix, ok := e.prefix()
		if other, again := seen[prefix]; ok && again {
			v.p.errorAtKey(e.path, quote(e.name)+" is the same network as "+quote(other), "keep one of them")
			continue
		}
		if ok {
			seen[prefix] = e.name
		}
		name, point, _ := e.place()
		list = append(list, Network{Prefix: prefix, Place: name, Point: point})
	}
	return list
}

// prefix reads a network in CIDR notation from the key.
func (e entry) prefix() (netip.Prefix, bool) {
	prefix, err := netip.ParsePrefix(e.name)
	if err != nil {
		instead := "write an address and the number of leading bits, such as 10.0.0.0/8 or 2001:db8::/32"
		if a, err := netip.ParseAddr(e.name); err == nil && a.Zone() == "" {
			instead = "write " + netip.PrefixFrom(a, a.BitLen()).String() + " for this one address"
		}
		e.p.errorAtKey(e.path, quote(e.name)+" is not a network", instead)
		return netip.Prefix{}, false
	}
	if prefix != prefix.Masked() {
		e.p.errorAtKey(e.path, quote(e.name)+" has bits set beyond its length", "write "+prefix.Masked().String())
		return netip.Prefix{}, false
	}
	return prefix, true
}

// references reads points outside the world; host:port means TCP.
func (v value) references() []string {
	const instead = "write host:port or a URL, such as 192.0.2.1:53 or https://example.com/"
	items := v.texts("write a list, such as [192.0.2.1:53, \"https://example.com/\"]")
	if len(items) > referencesMax {
		v.fail("too many references", "three to five tell as much")
		return nil
	}
	var list []string
	for _, item := range items {
		text := item.node.Value
		if !strings.Contains(text, "://") {
			text = "tcp://" + text
		}
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil:
			item.fail(quote(item.node.Value)+" is not an address", instead)
		case u.Scheme == "tcp" && (!endpoint(u.Host) || u.Path != "" || u.RawQuery != "" || u.Fragment != ""):
			item.fail(quote(item.node.Value)+" has no host and port", instead)
		case u.Scheme != "tcp" && u.Scheme != "http" && u.Scheme != "https":
			item.fail(quote(item.node.Value)+" has an unknown scheme", instead)
		default:
			list = append(list, text)
		}
	}
	return list
}

func (v value) control() Control {
	f := v.fields("etcd")
	etcd, ok := f.need("etcd", "list the client URLs of your etcd, or leave control out to embed it")
	if !ok {
		return Control{}
	}
	const instead = "list client URLs, such as [\"https://etcd.example.com:2379\"]"
	var c Control
	for _, item := range etcd.texts(instead) {
		u, err := url.Parse(item.node.Value)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			item.fail(quote(item.node.Value)+" is not a URL of etcd", instead)
			continue
		}
		c.Etcd = append(c.Etcd, item.node.Value)
	}
	return c
}
