package spec

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// health reads the service's health check; "/path" is the short form.
func (f fields) health() Health {
	h := Health{
		Path: DefaultHealthPath, Every: DefaultHealthEvery, Timeout: DefaultHealthTimeout,
		FailAfter: DefaultFailAfter, RecoverAfter: DefaultFailAfter, DeepEvery: DefaultDeepEvery,
	}
	v, ok := f.get("health")
	if !ok {
		return h
	}
	if v.scalar() {
		h.Path = v.healthPath()
		return h
	}
	s := v.fields("path", "every", "timeout", "fail_after", "recover_after", "deep_every")
	if v, ok := s.get("path"); ok {
		h.Path = v.healthPath()
	}
	if v, ok := s.get("every"); ok {
		h.Every, _ = v.duration(everyMin, everyMax)
		h.Timeout = min(h.Timeout, h.Every)
	}
	if v, ok := s.get("timeout"); ok {
		h.Timeout, ok = v.duration(healthTimeoutMin, healthTimeoutMax)
		if ok && h.Every > 0 && h.Timeout > h.Every {
			v.fail(short(h.Timeout)+" is longer than the interval of "+short(h.Every), "write at most "+short(h.Every)+", or raise every")
		}
	}
	if v, ok := s.get("fail_after"); ok {
		h.FailAfter, _ = v.integer(1, thresholdMax)
		h.RecoverAfter = h.FailAfter
	}
	if v, ok := s.get("recover_after"); ok {
		h.RecoverAfter, _ = v.integer(1, thresholdMax)
	}
	if v, ok := s.get("deep_every"); ok {
		h.DeepEvery, _ = v.duration(deepEveryMin, deepEveryMax)
	}
	return h
}

func (v value) healthPath() string {
	const instead = "write a path that starts with a slash, such as /health"
	text, ok := v.text(instead)
	if !ok {
		return ""
	}
	u, err := url.ParseRequestURI(text)
	if err != nil || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || u.Host != "" || strings.ContainsAny(text, " #") || len(text) > 255 {
		v.fail(quote(text)+" is not a path", instead)
	}
	return text
}

// policySettings are the keys that belong to one policy only.
var policySettings = map[string]string{"weights": Weighted, "primary": Failover, "order": Failover}

// routing reads how clients are routed; a policy alone is the short form.
func (f fields) routing(regions []string) Routing {
	r := Routing{Policy: DefaultPolicy, TTL: DefaultTTL}
	v, ok := f.get("routing")
	if !ok {
		return r
	}
	if v.scalar() {
		r.Policy, ok = v.choice(Latency, Weighted, Failover)
		switch {
		case ok && r.Policy == Weighted:
			v.fail("weighted needs weights", "write {policy: weighted, weights: {"+example(regions)+": 90, …}}")
		case ok && r.Policy == Failover:
			r.Order = regions
		}
		return r
	}
	s := v.fields("policy", "ttl", "weights", "primary", "order")
	known := true
	if v, ok := s.get("policy"); ok {
		r.Policy, known = v.choice(Latency, Weighted, Failover)
	}
	if v, ok := s.get("ttl"); ok {
		r.TTL = v.ttl()
	}
	if !known {
		return r
	}
	s.foreign(r.Policy)
	switch r.Policy {
	case Weighted:
		if v, ok := s.need("weights", "write a number from 0 to 255 for each region, such as weights: {"+example(regions)+": 90, …}"); ok {
			r.Weights = v.weights(regions)
		}
	case Failover:
		r.Order = s.order(regions)
	}
	return r
}

// foreign refuses the settings of other policies.
func (f fields) foreign(policy string) {
	for _, name := range []string{"weights", "primary", "order"} {
		if v, ok := f.get(name); ok && policySettings[name] != policy {
			v.p.errorAtKey(v.path, name+" has no meaning for the policy "+policy, "leave it out, or write policy: "+policySettings[name])
		}
	}
}

// ttl reads whole seconds: DNS has no others, and 0 would forbid caching.
func (v value) ttl() time.Duration {
	d, err := time.ParseDuration(v.node.Value)
	switch {
	case v.scalar() && err == nil && d == 0:
		v.fail("a TTL of 0 makes every client ask for every request", "write at least 1s")
		return 0
	case v.scalar() && err == nil && d%time.Second != 0:
		v.fail(v.node.Value+" is not in whole seconds, and DNS knows no others", "write "+short(max(d.Round(time.Second), time.Second)))
		return 0
	}
	d, _ = v.duration(ttlMin, ttlMax)
	return d
}

func (v value) weights(regions []string) map[string]int {
	weights := make(map[string]int)
	var given []string
	sum, good := 0, true
	for _, e := range v.entries("write a number for each region, such as {" + example(regions) + ": 90, …}") {
		given = append(given, e.name)
		if !slices.Contains(regions, e.name) {
			e.p.errorAtKey(e.path, "the service has no region "+quote(e.name), among(e.name, "region", regions))
			good = false
			continue
		}
		weight, ok := e.integer(0, weightMax)
		weights[e.name], sum, good = weight, sum+weight, good && ok
	}
	if v.node.Kind != yaml.MappingNode && !v.null() {
		return weights // said already
	}
	for _, region := range regions {
		if !slices.Contains(given, region) {
			v.fail("has no weight for "+region, "write "+region+": 0 if it is to serve only when the others fail")
			good = false
		}
	}
	if good && sum == 0 && len(regions) > 0 {
		v.fail("the weights sum to zero", "give at least one region a number above 0")
	}
	return weights
}

// order reads the regions of a failover service. What primary or a short
// order leaves out follows in the file's order.
func (f fields) order(regions []string) []string {
	primary, hasPrimary := f.get("primary")
	order, hasOrder := f.get("order")
	var first []string
	add := func(v value) {
		if slices.Contains(regions, v.node.Value) {
			first = append(first, v.node.Value)
			return
		}
		v.fail("the service has no region "+quote(v.node.Value), among(v.node.Value, "region", regions))
	}
	switch {
	case hasPrimary && hasOrder:
		primary.p.errorAtKey(primary.path, "primary and order both say which region comes first", "keep order, or keep primary")
	case hasPrimary:
		if _, ok := primary.text("write the region that serves while it is healthy, such as " + example(regions)); ok {
			add(primary)
		}
	case hasOrder:
		for _, item := range order.texts("list regions, the primary first, such as [" + strings.Join(regions[:min(2, len(regions))], ", ") + "]") {
			add(item)
		}
	}
	for _, region := range regions {
		if !slices.Contains(first, region) {
			first = append(first, region)
		}
	}
	return first
}

// example is a region for messages.
func example(regions []string) string {
	if len(regions) == 0 {
		return "us-east-1"
	}
	return regions[0]
}
