package spec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Format writes the world as a spec in one certain form: every default spelled
// out, no short forms, no comments. Parsing it gives an equal world, and equal
// worlds format equally.
func (w *World) Format() []byte {
	root := mapping()
	root.text("world", w.Name)
	root.text("domain", w.Domain)
	regions := mapping()
	for _, r := range w.Regions {
		regions.add(r.Name, r.format())
	}
	root.add("regions", regions)
	if w.Witness != nil {
		root.add("witness", w.Witness.format())
	}
	addAll(root, "tables", w.Tables, func(t Table) (string, node) { return t.Name, t.format() })
	addAll(root, "services", w.Services, func(s Service) (string, node) { return s.Name, s.format(filepath.Dir(w.File)) })
	addAll(root, "networks", w.Networks, func(n Network) (string, node) { return n.Prefix.String(), where(n.Place, n.Point) })
	root.texts("references", w.References)
	if len(w.Control.Etcd) > 0 {
		control := mapping()
		control.texts("etcd", w.Control.Etcd)
		root.add("control", control)
	}
	if w.Anonymous {
		root.text("access", accessAnonymous)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(root.Node); err != nil {
		panic("spec: format: " + err.Error()) // the nodes are all ours
	}
	return b.Bytes()
}

// Digest is the SHA-256 of Format in hexadecimal: equal for specs that mean
// the same, whatever their comments, order of keys and short forms, and
// wherever the file lies.
func (w *World) Digest() string {
	sum := sha256.Sum256(w.Format())
	return hex.EncodeToString(sum[:])
}

func (r Region) format() node {
	m := mapping()
	m.add("place", where(r.Place, r.Point))
	addresses := make([]string, len(r.Address))
	for i, a := range r.Address {
		addresses[i] = a.String()
	}
	m.texts("address", addresses)
	endpoints := mapping()
	for _, part := range r.Addresses.parts() {
		if *part.address != "" && !r.derives(part) {
			endpoints.text(part.name, *part.address)
		}
	}
	if len(endpoints.Content) > 0 {
		m.add("addresses", endpoints)
	}
	return m
}

// derives reports whether the part's address is the region's with the
// part's own port.
func (r Region) derives(p part) bool {
	return len(r.Address) > 0 && *p.address == net.JoinHostPort(r.Address[0].String(), strconv.Itoa(p.port))
}

func (t Table) format() node {
	m := mapping()
	m.add("key", t.Key.format())
	if t.Sort != nil {
		m.add("sort", t.Sort.format())
	}
	addAll(m, "indexes", t.Indexes, func(x Index) (string, node) { return x.Name, x.format() })
	if t.TTL != "" {
		m.text("ttl", t.TTL)
	}
	if t.Images != nil {
		m.add("images", t.Images.format())
	}
	if t.Stream != "" {
		m.text("stream", t.Stream)
	}
	m.texts("regions", t.Regions)
	m.text("consistency", t.Consistency)
	if t.Primary != "" {
		m.text("primary", t.Primary)
	}
	if t.Copies > 1 {
		durability := mapping()
		durability.number("copies", t.Copies)
		durability.text("otherwise", t.Otherwise)
		m.add("durability", durability)
	}
	if t.Throttle != nil {
		m.add("throttle", t.Throttle.format())
	}
	if t.Merge != "" {
		m.text("merge", t.Merge)
	}
	if len(t.Counters) > 0 {
		m.texts("counters", t.Counters)
	}
	return m
}

func (a Attribute) format() node {
	m := mapping()
	m.text(a.Name, a.Type)
	return m
}

func (s Service) format(dir string) node {
	m := mapping()
	m.text("host", s.Host+".")
	if s.Function != nil {
		m.add("function", s.Function.format(dir))
	}
	if s.Backend != nil {
		m.add("backend", sortedTexts(s.Backend))
	}
	m.texts("tables", s.Tables)
	m.texts("regions", s.Regions)
	health := mapping()
	health.text("path", s.Health.Path)
	health.duration("every", s.Health.Every)
	health.duration("timeout", s.Health.Timeout)
	health.number("fail_after", s.Health.FailAfter)
	health.number("recover_after", s.Health.RecoverAfter)
	health.duration("deep_every", s.Health.DeepEvery)
	m.add("health", health)
	m.add("routing", s.Routing.format())
	m.duration("timeout", s.Timeout)
	m.text("body_limit", bytesText(s.BodyLimit))
	return m
}

func (f Function) format(dir string) node {
	m := mapping()
	bundle := f.Bundle
	if relative, err := filepath.Rel(dir, bundle); err == nil && !f.Absolute {
		bundle = relative
	}
	m.text("bundle", bundle)
	m.text("memory", bytesText(f.Memory))
	m.duration("timeout", f.Timeout)
	m.number("concurrency", f.Concurrency)
	m.duration("idle", f.Idle)
	if len(f.Env) > 0 {
		m.add("env", sortedTexts(f.Env))
	}
	return m
}

func (r Routing) format() node {
	m := mapping()
	m.text("policy", r.Policy)
	m.duration("ttl", r.TTL)
	if r.Weights != nil {
		weights := mapping()
		for _, region := range slices.Sorted(maps.Keys(r.Weights)) {
			weights.number(region, r.Weights[region])
		}
		m.add("weights", weights)
	}
	m.texts("order", r.Order)
	return m
}

// where writes a place's name, or coordinates.
func where(name string, p Point) node {
	if name != "" {
		return scalar("!!str", name)
	}
	m := mapping()
	m.add("latitude", scalar("", strconv.FormatFloat(p.Latitude, 'f', -1, 64)))
	m.add("longitude", scalar("", strconv.FormatFloat(p.Longitude, 'f', -1, 64)))
	return m
}

// node builds YAML.
type node struct{ *yaml.Node }

func mapping() node { return node{&yaml.Node{Kind: yaml.MappingNode}} }

func scalar(tag, text string) node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
	if tag == "!!str" {
		n.SetString(text)
	}
	return node{n}
}

func (m node) add(key string, value node) {
	m.Content = append(m.Content, scalar("!!str", key).Node, value.Node)
}

func (m node) text(key, text string)                { m.add(key, scalar("!!str", text)) }
func (m node) number(key string, n int)             { m.add(key, scalar("!!int", strconv.Itoa(n))) }
func (m node) duration(key string, d time.Duration) { m.text(key, short(d)) }

// texts adds a list on one line, unless it is empty.
func (m node) texts(key string, list []string) {
	if len(list) == 0 {
		return
	}
	n := node{&yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}}
	for _, text := range list {
		n.Content = append(n.Content, scalar("!!str", text).Node)
	}
	m.add(key, n)
}

// addAll adds a mapping of named things, unless there are none.
func addAll[T any](m node, key string, list []T, format func(T) (string, node)) {
	if len(list) == 0 {
		return
	}
	all := mapping()
	for _, one := range list {
		all.add(format(one))
	}
	m.add(key, all)
}

func sortedTexts(texts map[string]string) node {
	m := mapping()
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		m.text(key, texts[key])
	}
	return m
}

// Init is a spec to start from: three regions, a table and a service, with
// comments that say what to change. A name that cannot be a world's is
// replaced by "world".
func Init(name string) []byte {
	if !label(name) {
		name = "world"
	}
	return fmt.Appendf(nil, strings.TrimPrefix(starter, "\n"), name, name+".test")
}

const starter = `
# A world: everything here runs in every region. "meridian validate" checks
# this file, "meridian dev" runs it on this machine.
world: %s
domain: %s            # the zone that Meridian answers; .test for local work

regions:                     # name: where it is (a city or a cloud's region)
  us-east-1:      {place: Ashburn}
  eu-west-1:      {place: Dublin}
  ap-southeast-2: {place: Sydney}

tables:
  items: {key: pk}           # every region has all items

services:
  api:                       # http://api.<domain>, in the nearest healthy region
    backend: http://127.0.0.1:3000
    # Or a Lambda-compatible program, started on demand in each region:
    # function: {bundle: ./bundle}
    # tables:   [items]
    health:  {path: /health, every: 5s, fail_after: 3}
    routing: {policy: latency, ttl: 5s}
`
