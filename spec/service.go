package spec

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (v value) services(w *World) []Service {
	entries := v.entries("write a name and its settings, such as api: {function: {bundle: ./bundle}}")
	if len(entries) > servicesMax {
		v.fail(fmt.Sprintf("%d services", len(entries)), fmt.Sprintf("write at most %d", servicesMax))
		return nil
	}
	var list []Service
	for _, e := range entries {
		e.labelKey("service")
		list = append(list, e.service(w))
	}
	return list
}

func (e entry) service(w *World) Service {
	f := e.fields("host", "function", "backend", "tables", "regions", "health", "routing", "timeout", "body_limit")
	s := Service{Name: e.name, Regions: w.RegionNames(), Timeout: DefaultTimeout, BodyLimit: DefaultBodyLimit}
	if v, ok := f.get("regions"); ok {
		s.Regions = v.regionList(w)
	}
	s.Host = host(e.name, w.Domain)
	if v, ok := f.get("host"); ok {
		s.Host = v.host(w.Domain)
	}
	if v, ok := f.get("timeout"); ok {
		s.Timeout, _ = v.duration(timeoutMin, timeoutMax)
	}
	if v, ok := f.get("body_limit"); ok {
		s.BodyLimit, _ = v.size(bodyLimitMin, bodyLimitMax)
	}
	f.runs(&s)
	if v, ok := f.get("tables"); ok {
		s.Tables = v.tableList(w)
	}
	s.Health = f.health()
	s.Routing = f.routing(s.Regions)
	return s
}

// runs reads what answers the service's requests.
func (f fields) runs(s *Service) {
	function, isFunction := f.get("function")
	backend, isBackend := f.get("backend")
	if isFunction {
		_, given := f.get("timeout")
		s.Function = function.function(s, given)
	}
	if isBackend {
		s.Backend = backend.backend(s.Regions)
	}
	switch {
	case isFunction && isBackend:
		backend.p.errorAtKey(backend.path, "the service has a function and a backend", "keep one of them")
	case !isFunction && !isBackend:
		f.fail("missing setting function or backend", "write function: {bundle: ./bundle}, or backend: http://HOST:PORT")
	}
}

// host is the complete name for a host setting of one label, or "@".
func host(name, domain string) string {
	if name == "@" {
		return domain
	}
	return name + "." + domain
}

func (v value) host(zone string) string {
	if zone == "" {
		zone = "example.com" // its absence is an error already
	}
	instead := "write a name below " + zone + ", such as www, or \"@\" for " + zone + " itself"
	text, ok := v.text(instead)
	name := strings.ToLower(text)
	full := strings.TrimSuffix(name, ".")
	switch {
	case !ok:
		return ""
	case name == "@" || label(name):
		return host(name, zone)
	case !domain(full):
		v.fail(quote(text)+" is not a host name", instead)
	case full != zone && !strings.HasSuffix(full, "."+zone):
		v.fail(quote(text)+" is outside of the domain "+zone, instead)
	}
	return full
}

func (v value) tableList(w *World) []string {
	names := make([]string, len(w.Tables))
	for i, t := range w.Tables {
		names[i] = t.Name
	}
	var list []string
	for _, item := range v.texts("list tables, such as [notes]") {
		if item.reference("table", names) {
			list = append(list, item.node.Value)
		}
	}
	return list
}

// function reads a function; timeoutGiven tells whether the service sets its
// own timeout.
func (v value) function(s *Service, timeoutGiven bool) *Function {
	f := v.fields("bundle", "memory", "timeout", "concurrency", "idle", "env")
	fn := &Function{
		Memory: DefaultMemory, Timeout: DefaultFunctionTimeout,
		Concurrency: DefaultConcurrency, Idle: DefaultIdle,
	}
	if b, ok := f.need("bundle", "name the directory or zip file that has bootstrap, such as bundle: ./bundle"); ok {
		fn.Bundle, fn.Absolute = b.bundle()
	}
	if m, ok := f.get("memory"); ok {
		fn.Memory, _ = m.size(memoryMin, memoryMax)
	}
	if c, ok := f.get("concurrency"); ok {
		fn.Concurrency, _ = c.integer(1, concurrencyMax)
	}
	if i, ok := f.get("idle"); ok {
		fn.Idle, _ = i.duration(idleMin, idleMax)
	}
	if env, ok := f.get("env"); ok {
		fn.Env = env.environment()
	}
	t, ok := f.get("timeout")
	if ok {
		fn.Timeout, ok = t.duration(timeoutMin, timeoutMax)
	}
	switch {
	case !timeoutGiven:
		s.Timeout = max(s.Timeout, fn.Timeout)
	case ok && fn.Timeout > s.Timeout && s.Timeout > 0:
		t.fail(fmt.Sprintf("the function may take %s, but a request to the service only %s", short(fn.Timeout), short(s.Timeout)),
			"write at most the service's timeout, or raise that")
	case !ok && s.Timeout > 0:
		fn.Timeout = min(fn.Timeout, s.Timeout)
	}
	return fn
}

// bundle reads a path, relative to the spec's directory, and whether it was
// absolute.
func (v value) bundle() (path string, absolute bool) {
	const instead = "name the directory or zip file that has bootstrap, such as ./bundle"
	text, ok := v.text(instead)
	if !ok {
		return "", false
	}
	if strings.ContainsRune(text, 0) {
		v.fail("is not a path", instead)
		return "", false
	}
	absolute = filepath.IsAbs(text)
	if !absolute {
		text = filepath.Join(filepath.Dir(v.p.file.path), text)
	}
	if v.p.file.exists != nil {
		if what := v.p.file.exists(text); what != "" {
			v.fail(what, "build the function first, or correct the path, which is taken from the spec's directory")
		}
	}
	return filepath.Clean(text), absolute
}

var variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// environment reads variables; their values may be any scalar.
func (v value) environment() map[string]string {
	const instead = "write NAME: value"
	env := make(map[string]string)
	for _, e := range v.entries(instead) {
		switch {
		case !variablePattern.MatchString(e.name):
			e.p.errorAtKey(e.path, quote(e.name)+" cannot be the name of a variable", "write letters, digits and underscores")
		case reserved(e.name):
			e.p.errorAtKey(e.path, e.name+" is set by Meridian", "leave it out, or use another name")
		case e.null():
			env[e.name] = ""
		case !e.scalar():
			e.fail("is "+kind(e.node)+" where text is expected", instead)
		case strings.ContainsRune(e.node.Value, 0):
			e.fail("has a zero byte", "write text")
		default:
			env[e.name] = e.node.Value
		}
	}
	return env
}

// reservedVariables are what a region tells a function, as Lambda does.
var reservedVariables = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_REGION", "AWS_DEFAULT_REGION",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_EXECUTION_ENV", "AWS_ENDPOINT_URL",
	"AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "TABLE_NAME",
}

func reserved(name string) bool {
	return slices.Contains(reservedVariables, name) ||
		strings.HasPrefix(name, "AWS_LAMBDA_") || strings.HasPrefix(name, "TABLE_")
}

// backend reads one URL for all regions, with {region} in it or not, or one
// for each.
func (v value) backend(regions []string) map[string]string {
	backend := make(map[string]string)
	if v.scalar() || v.null() {
		text, ok := v.text(backendInstead)
		for _, region := range regions {
			backend[region] = strings.ReplaceAll(text, "{region}", region)
		}
		if ok {
			v.backendURL(strings.ReplaceAll(text, "{region}", "region"))
		}
		return backend
	}
	entries := v.entries(backendInstead)
	for _, e := range entries {
		if !slices.Contains(regions, e.name) {
			e.p.errorAtKey(e.path, "the service has no region "+quote(e.name), among(e.name, "region", regions))
			continue
		}
		text, ok := e.text(backendInstead)
		if ok {
			e.backendURL(text)
		}
		backend[e.name] = text
	}
	v.complete("URL", regions, slices.Collect(maps.Keys(backend)))
	return backend
}

const backendInstead = "write a URL, such as http://10.0.0.5:3000 or http://{region}.internal:3000, or one for each region"

func (v value) backendURL(text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		v.fail(quote(v.node.Value)+" is not an HTTP URL", backendInstead)
	case u.User != nil:
		v.fail("has a user name or password in it", "leave it out: secrets do not belong into a spec")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		v.fail(quote(v.node.Value)+" has a query or fragment", "end it with the host or a path")
	}
}

// complete reports the regions for which a mapping says nothing.
func (v value) complete(what string, regions, given []string) {
	if v.node.Kind != yaml.MappingNode {
		return // said already
	}
	for _, region := range regions {
		if !slices.Contains(given, region) {
			v.fail("has no "+what+" for "+region, "write one for each region of the service: "+strings.Join(regions, ", "))
		}
	}
}
