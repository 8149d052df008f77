package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	tableConnections = 32
	// tableKeys is how many different items are written and read.
	tableKeys = 8000
	tablesFor = 2 * time.Second
	// queryItems is how many items a Query finds, batchItems how many a
	// BatchWriteItem writes: its most.
	queryItems = 20
	batchItems = 25
)

// server is one that speaks DynamoDB's protocol, in a process of its own.
type server struct {
	name string
	endpoint
	pid  int
	stop func()
	used func() time.Duration // processor time so far
	rows map[string]tableRows // by operation
}

// tableLoad is one operation that is measured.
type tableLoad struct {
	operation string
	what      string
	body      func(n int) string
	count     int // of different bodies
	// floor is in requests a second, times how many times those of dynalite.
	floor, times float64
}

var tableLoads = []tableLoad{
	{"GetItem", "GetItem", func(n int) string { return getBody(keyOf(n)) }, tableKeys, 32_000, 2},
	{"PutItem", "PutItem", func(n int) string { return putBody(keyOf(n)) }, tableKeys, 18_000, 1.1},
	{"UpdateItem", "conditional UpdateItem", func(n int) string { return updateBody(keyOf(n)) }, tableKeys, 12_000, 2},
	{"Query", "Query of 20 items", func(n int) string { return queryBody(partitionOf(n)) }, tableKeys / queryItems, 8_000, 3},
	{"BatchWriteItem", "BatchWriteItem of 25", func(n int) string { return batchBody(batchKeys(n)) }, tableKeys / batchItems, 1_500, 2},
}

func keyOf(n int) string       { return fmt.Sprintf("key-%06d", n) }
func partitionOf(n int) string { return fmt.Sprintf("partition-%06d", n) }

func batchKeys(n int) []string {
	keys := make([]string, batchItems)
	for i := range keys {
		keys[i] = keyOf(n*batchItems + i)
	}
	return keys
}

// tableRows are what is told of one operation.
type tableRows struct{ rate, tail, cpu, half *row }

func (s *section) addTable(server, what string) tableRows {
	what = server + ": " + what
	return tableRows{s.add(what, "1/s"), s.add(what+" p99", "ms"), s.add(what+", processor time of the server", "µs"), nil}
}

// measureTables loads Meridian and its peers with the same generator.
func measureTables(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "Tables beside dynalite",
		how: fmt.Sprintf("1 KB items, %d connections, SigV4 signed, %d keys; each server is a process of its own, the client (raw connections, requests signed beforehand) shares\n"+
			"the cores. Meridian is `meridian serve` with one region: every write is on disk (fsync) before it is acknowledged, and signatures are verified. dynalite 4.0.0\n"+
			"keeps everything in memory, and checks that a signature is there, not that it is right. The update is `SET #data = :data` under `attribute_exists(pk)`.\n"+
			"\"At half that load\" sends half of the floor's rate at even times, over as many connections; a request that has to wait for its connection counts from when it was due.", tableConnections, tableKeys),
	}
	servers, missing, err := startServers(ctx, b)
	defer func() {
		for _, x := range servers {
			x.stop()
		}
	}()
	if err != nil {
		return s, err
	}
	for i, x := range servers {
		if err := x.fill(ctx); err != nil {
			return s, fmt.Errorf("%s: %w", x.name, err)
		}
		x.rows = map[string]tableRows{}
		for _, l := range x.loads() {
			rows := s.addTable(x.name, l.what)
			if i == 0 {
				rows.rate.least(l.floor)
				rows.half = s.add(fmt.Sprintf("%s: %s at half that load, %.0f/s: p99", x.name, l.what, l.floor/2), "ms").most(5)
			}
			x.rows[l.operation] = rows
		}
	}
	for round := range b.rounds {
		for _, x := range servers {
			if err := x.measure(ctx); err != nil {
				return s, fmt.Errorf("%s: %w", x.name, err)
			}
			b.say("  round %d: %s: %s", round+1, x.name, x.said(round))
		}
	}
	s.compare(servers, missing)
	return s, nil
}

// compare notes how many times the rates of the peers Meridian's are.
func (s *section) compare(servers []*server, missing string) {
	if missing != "" {
		s.note("%s", missing)
	}
	for _, x := range servers[1:] {
		var parts []string
		for _, l := range x.loads() {
			times := servers[0].rows[l.operation].rate.median() / x.rows[l.operation].rate.median()
			part := fmt.Sprintf("%s %.1f×", l.what, times)
			if !x.bare() {
				part += fmt.Sprintf(" (floor %.1f×)", l.times)
			}
			parts = append(parts, part)
		}
		s.note("Meridian ÷ %s: %s.", x.name, strings.Join(parts, ", "))
	}
	s.note("The floors are for two quiet cores. Processor time (user and system) of the server a request depends less on what else the machine does.")
}

// bare reports whether x stores nothing.
func (x *server) bare() bool { return x.region == "none" }

// loads are what x is measured with.
func (x *server) loads() []tableLoad {
	if x.bare() {
		return tableLoads[:2]
	}
	return tableLoads
}

func (x *server) said(round int) string {
	var parts []string
	for _, l := range x.loads() {
		parts = append(parts, fmt.Sprintf("%s %.0f/s", l.operation, x.rows[l.operation].rate.values[round]))
	}
	return strings.Join(parts, ", ")
}

// startServers starts Meridian first, then what it is compared with.
func startServers(ctx context.Context, b *bench) (servers []*server, missing string, err error) {
	meridian, err := startMeridian(ctx, b)
	if err != nil {
		return nil, "", err
	}
	servers = append(servers, meridian)
	dynalite, err := startDynalite(ctx, b)
	if err != nil {
		missing = "dynalite is left out: " + err.Error() + "."
		b.say("  %s", missing)
	} else {
		servers = append(servers, dynalite)
	}
	bare, err := startBare(ctx)
	if err != nil {
		return servers, missing, err
	}
	return append(servers, bare), missing, nil
}

// fill writes every item.
func (x *server) fill(ctx context.Context) error {
	if x.bare() {
		return nil
	}
	var requests [][]byte
	for n := range tableKeys {
		requests = append(requests,
			x.request("PutItem", putBody(keyOf(n))),
			x.request("PutItem", putRowBody(partitionOf(n/queryItems), n%queryItems)))
	}
	return send(ctx, x.address, requests, tableConnections)
}

// measure runs one round of all operations.
func (x *server) measure(ctx context.Context) error {
	for _, l := range x.loads() {
		requests := make([][]byte, l.count)
		for n := range requests {
			requests[n] = x.request(l.operation, l.body(n))
		}
		rows := x.rows[l.operation]
		before := x.used()
		rate, took, err := drive(ctx, x.address, requests, tableConnections, tablesFor)
		if err != nil {
			return fmt.Errorf("%s: %w", l.operation, err)
		}
		rows.rate.put(rate)
		rows.tail.put(percentile(in(time.Millisecond, took), 99))
		rows.cpu.put(float64(x.used()-before) / float64(time.Microsecond) / float64(len(took)))
		if rows.half == nil {
			continue
		}
		if took, err = paced(ctx, x.address, requests, tableConnections, l.floor/2, tablesFor); err != nil {
			return fmt.Errorf("%s: %w", l.operation, err)
		}
		rows.half.put(percentile(in(time.Millisecond, took), 99))
	}
	return nil
}
