package spec

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/meridian-run/meridian/internal/place"
)

func (v value) regions() []Region {
	entries := v.entries("write a name and its settings, such as us-east-1: {place: Ashburn}")
	if len(entries) == 0 && len(v.node.Content) == 0 && !v.scalar() {
		v.fail("names no region", "write at least one, such as us-east-1: {place: Ashburn}")
	}
	if len(entries) > regionsMax {
		v.fail(fmt.Sprintf("%d regions", len(entries)), fmt.Sprintf("write at most %d", regionsMax))
		return nil
	}
	var list []Region
	for _, e := range entries {
		e.labelKey("region")
		if nameserver(e.name) || e.name == WitnessName {
			e.p.errorAtKey(e.path, quote(e.name)+" is reserved", "give the region another name")
		}
		list = append(list, e.region())
	}
	return list
}

// region reads one region, or the witness.
func (e entry) region() Region {
	f := e.fields("place", "address", "addresses")
	r := Region{Name: e.name}
	if v, ok := f.get("place"); ok {
		r.Place, r.Point, _ = v.place()
	} else if p, ok := place.Find(e.name); ok {
		r.Place, r.Point = p.Name, p.Point
	} else {
		f.need("place", "write place: Frankfurt, or place: {latitude: 50.11, longitude: 8.68}")
	}
	if v, ok := f.get("address"); ok {
		r.Address = v.addresses()
	}
	if v, ok := f.get("addresses"); ok {
		r.Addresses = v.endpoints()
	}
	if len(r.Address) > 0 {
		for _, part := range r.Addresses.parts() {
			if *part.address == "" {
				*part.address = net.JoinHostPort(r.Address[0].String(), strconv.Itoa(part.port))
			}
		}
	}
	return r
}

// place reads the name of a built-in place, or coordinates.
func (v value) place() (string, Point, bool) {
	if v.node.Kind == 0 || !v.scalar() && !v.null() {
		return v.coordinates()
	}
	name, ok := v.text("write a city or a region of a cloud, or {latitude: 50.11, longitude: 8.68}")
	if !ok {
		return "", Point{}, false
	}
	if p, ok := place.Find(name); ok {
		return p.Name, p.Point, true
	}
	instead := "write a large city, a region of a cloud, or {latitude: 50.11, longitude: 8.68}"
	if near := place.Suggest(name); len(near) > 0 {
		instead = "did you mean " + strings.Join(near, ", ") + "? Or write {latitude: 50.11, longitude: 8.68}"
	}
	v.fail("there is no built-in place "+quote(name), instead)
	return "", Point{}, false
}

func (v value) coordinates() (string, Point, bool) {
	f := v.fields("latitude", "longitude")
	lat, ok := f.need("latitude", "write degrees north, such as latitude: 50.11")
	lon, ok2 := f.need("longitude", "write degrees east, such as longitude: 8.68")
	if !ok || !ok2 {
		return "", Point{}, false
	}
	var p Point
	p.Latitude, ok = lat.degrees(90, "50.11")
	p.Longitude, ok2 = lon.degrees(180, "8.68")
	return "", p, ok && ok2
}

// coordinates writes a point as a spec would.
func coordinates(p Point) string {
	return "{latitude: " + strconv.FormatFloat(p.Latitude, 'f', -1, 64) + ", longitude: " + strconv.FormatFloat(p.Longitude, 'f', -1, 64) + "}"
}

// addresses reads one IP address or a list of them.
func (v value) addresses() []netip.Addr {
	const instead = "write an IP address, such as 203.0.113.10, or a list of them"
	items := []value{v}
	if v.node.Kind != 0 && !v.scalar() && !v.null() {
		items = v.texts(instead)
	} else if _, ok := v.text(instead); !ok {
		return nil
	}
	if len(items) > addressesMax {
		v.fail("too many addresses", fmt.Sprintf("write at most %d", addressesMax))
		return nil
	}
	var list []netip.Addr
	for _, item := range items {
		a, err := netip.ParseAddr(item.node.Value)
		switch {
		case err != nil || a.Zone() != "":
			item.fail(quote(item.node.Value)+" is not an IP address", instead+"; DNS answers carry no names")
		case a.IsUnspecified() || a.IsMulticast():
			item.fail(a.String()+" is not the address of one host", instead)
		default:
			list = append(list, a.Unmap())
		}
	}
	return list
}

// part is one field of Addresses: its key, port and place.
type part struct {
	name    string
	port    int
	address *string
}

func (a *Addresses) parts() []part {
	return []part{
		{"gateway", portGateway, &a.Gateway},
		{"tables", portTables, &a.Tables},
		{"admin", portAdmin, &a.Admin},
		{"link", portLink, &a.Link},
		{"etcd", portEtcd, &a.Etcd},
		{"dns", portDNS, &a.DNS},
	}
}

// endpoints reads the addresses that differ from the default.
func (v value) endpoints() Addresses {
	var a Addresses
	var names []string
	for _, part := range a.parts() {
		names = append(names, part.name)
	}
	f := v.fields(names...)
	for _, part := range a.parts() {
		e, ok := f.get(part.name)
		if !ok {
			continue
		}
		instead := fmt.Sprintf("write host:port, such as 203.0.113.10:%d", part.port)
		text, ok := e.text(instead)
		if ok && !endpoint(text) {
			e.fail(quote(text)+" is not host:port", instead)
		}
		*part.address = text
	}
	return a
}

// endpoint reports whether text is a host, as a name or an IP address, and a
// port.
func endpoint(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return false
	}
	_, err = netip.ParseAddr(host)
	return err == nil || domain(strings.ToLower(host))
}
