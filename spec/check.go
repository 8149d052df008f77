package spec

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// check compares settings with each other. Each check is silent about what
// an earlier error has already named.
func (p *parser) check(w *World) {
	p.checkVoters(w)
	p.checkAddresses(w)
	for _, t := range w.Tables {
		p.checkAttributes(t)
	}
	hosts := make(map[string]string)
	for _, s := range w.Services {
		p.checkNames(w, s)
		p.checkHost(w, s, hosts)
		p.checkReplicas(w, s)
	}
}

// checkVoters refuses a world in which the loss of either of two regions
// would stop all changes.
func (p *parser) checkVoters(w *World) {
	if len(w.Regions) == 2 && w.Witness == nil && len(w.Control.Etcd) == 0 && !p.has("witness") && !p.has("control") {
		p.errorAt("regions", "two regions cannot agree on anything when one is lost",
			"add a witness in a third place, such as witness: {place: Frankfurt}, or a third region")
	}
}

// checkAddresses refuses two regions at one address, and a world where some
// have an address and some have none.
func (p *parser) checkAddresses(w *World) {
	type place struct {
		path   string
		region Region
	}
	var all []place
	for _, r := range w.Regions {
		all = append(all, place{join("regions", r.Name), r})
	}
	if w.Witness != nil {
		all = append(all, place{"witness", *w.Witness})
	}
	owner := make(map[netip.Addr]string)
	endpoints := make(map[string]string) // host:port → path
	with := slices.IndexFunc(all, func(a place) bool { return p.has(a.path + ".address") })
	for _, a := range all {
		if with >= 0 && !p.has(a.path+".address") {
			p.errorAt(a.path, "missing setting address, which "+all[with].path+" has", "write one for each region and the witness, or for none")
		}
		for i, ip := range a.region.Address {
			path := a.path + ".address"
			if indexed := path + "[" + strconv.Itoa(i) + "]"; p.has(indexed) {
				path = indexed
			}
			if other, taken := owner[ip]; taken {
				p.errorAt(path, fmt.Sprintf("%v is already the address of %s", ip, other), "give each region an address of its own")
				continue
			}
			owner[ip] = a.path
		}
		for _, part := range a.region.Addresses.parts() {
			path := a.path + ".addresses." + part.name
			given := p.has(path)
			if other, taken := endpoints[*part.address]; taken && *part.address != "" && given {
				p.errorAt(path, *part.address+" is already "+other, "give each part of each region an address of its own")
				continue
			}
			if given || endpoints[*part.address] == "" {
				endpoints[*part.address] = path
			}
		}
	}
}

// checkAttributes refuses one key attribute of two types, and keys that name
// one attribute twice.
func (p *parser) checkAttributes(t Table) {
	path := join("tables", t.Name)
	types := make(map[string]string)
	use := func(path string, a Attribute) {
		switch known := types[a.Name]; {
		case a.Name == "" || a.Type == "":
		case known == "":
			types[a.Name] = a.Type
		case known != a.Type:
			p.errorAt(path, fmt.Sprintf("the attribute %s is of type %s here and %s before", quote(a.Name), a.Type, known), "write one type for it everywhere")
		}
	}
	keys := func(path string, key Attribute, sort *Attribute) {
		use(path+".key", key)
		if sort == nil {
			return
		}
		if sort.Name == key.Name && key.Name != "" {
			p.errorAt(path+".sort", quote(sort.Name)+" is already the key", "name another attribute, or leave sort out")
			return
		}
		use(path+".sort", *sort)
	}
	keys(path, t.Key, t.Sort)
	for _, index := range t.Indexes {
		path := join(path+".indexes", index.Name)
		if index.Local {
			if use(path+".local", *index.Sort); index.Sort.Name == t.Key.Name {
				p.errorAt(path+".local", quote(t.Key.Name)+" is the table's key", "name another attribute")
			}
			continue
		}
		keys(path, index.Key, index.Sort)
		seen := map[string]bool{index.Key.Name: true, index.sortName(): true}
		for _, a := range index.more() {
			if use(path+".key", a); a.Name != "" && seen[a.Name] {
				p.errorAt(path, quote(a.Name)+" is in the key twice", "name each attribute once")
			}
			seen[a.Name] = true
		}
	}
	if types[t.TTL] != "" && types[t.TTL] != "N" {
		p.errorAt(path+".ttl", quote(t.TTL)+" is a key of another type than N", "name the attribute that holds the expiry in seconds")
	}
}

var nameserverPattern = regexp.MustCompile(`^ns\d*$`)

// nameserver reports whether a label is kept for the world's nameservers.
func nameserver(name string) bool { return nameserverPattern.MatchString(name) }

// checkNames refuses services whose names the world's zone uses itself.
func (p *parser) checkNames(w *World, s Service) {
	path := join("services", s.Name)
	switch {
	case nameserver(s.Name):
		p.errorAtKey(path, quote(s.Name)+" is reserved for the world's nameservers", "give the service another name")
	case slices.Contains(w.RegionNames(), s.Name):
		p.errorAtKey(path, quote(s.Name)+" is the name of a region, below which the regional names are", "give the service another name")
	}
	for _, region := range w.RegionNames() {
		if name := w.RegionalHost(s.Name, region); len(name) > nameMax && label(s.Name) && label(region) && domain(w.Domain) {
			p.errorAtKey(path, "its regional name "+name+" is longer than DNS allows", "shorten the domain or the names")
			return
		}
	}
}

// checkHost refuses a host that something else answers.
func (p *parser) checkHost(w *World, s Service, taken map[string]string) {
	if s.Host == "" || w.Domain == "" {
		return
	}
	path := join("services", s.Name)
	at := path + ".host"
	if other := taken[s.Host]; other != "" {
		p.errorAt(at, fmt.Sprintf("%s is already the host of %s in line %d", s.Host, other, p.line(other)), "give each service a host of its own")
		return
	}
	taken[s.Host] = path
	if !p.has(at) {
		return // checkNames has judged the service's name
	}
	inside, below := strings.CutSuffix(s.Host, "."+w.Domain)
	last := inside[strings.LastIndexByte(inside, '.')+1:]
	switch {
	case !below:
	case nameserver(last):
		p.errorAt(at, s.Host+" is reserved for the world's nameservers", "write another name")
	case slices.Contains(w.RegionNames(), last):
		p.errorAt(at, s.Host+" is among the regional names of "+last, "write another name")
	}
}

// checkReplicas refuses a service that would run where its data is not.
func (p *parser) checkReplicas(w *World, s Service) {
	path := join("services", s.Name)
	for _, name := range s.Tables {
		t, ok := w.Table(name)
		if !ok {
			continue
		}
		var lacking, good []string
		for _, region := range s.Regions {
			if t.In(region) {
				good = append(good, region)
			} else {
				lacking = append(lacking, region)
			}
		}
		if len(lacking) == 0 || len(t.Regions) == 0 {
			continue
		}
		instead := fmt.Sprintf("add %s to %s.regions", strings.Join(lacking, ", "), join("tables", name))
		if len(good) > 0 {
			instead += fmt.Sprintf(", or write %s.regions: [%s]", path, strings.Join(good, ", "))
		}
		p.errorAt(p.element(path+".tables", name), fmt.Sprintf("the table %s has no replica in %s, where the service runs", quote(name), strings.Join(lacking, ", ")), instead)
	}
}

// element is the path of the list element with this text.
func (p *parser) element(list, text string) string {
	for i := 0; ; i++ {
		path := list + "[" + strconv.Itoa(i) + "]"
		n := p.nodes[path]
		if n == nil {
			return list
		}
		if n.Value == text {
			return path
		}
	}
}
