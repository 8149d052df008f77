package main

import (
	"context"
	"fmt"
	"time"
)

const (
	tableConnections = 32
	// tableKeys is how many different items are written and read.
	tableKeys = 8000
	tablesFor = 2 * time.Second
)

// server is one that speaks DynamoDB's protocol, in a process of its own.
type server struct {
	name string
	endpoint
	stop     func()
	used     func() time.Duration // processor time so far
	put, get [][]byte
	gets     tableRows
	puts     tableRows
}

// tableRows are what is told of one operation.
type tableRows struct{ rate, tail, cpu *row }

func (s *section) addTable(server, operation string) tableRows {
	what := server + ": " + operation
	return tableRows{s.add(what, "1/s"), s.add(what+" p99", "ms"), s.add(what+", processor time of the server", "µs")}
}

// measureTables loads Meridian and its peers with the same generator.
func measureTables(ctx context.Context, b *bench) (section, error) {
	s := section{
		title: "GetItem and durable PutItem beside dynalite",
		how: fmt.Sprintf("1 KB items, %d connections, SigV4 signed, %d keys; each server is a process of its own, the client (raw connections, requests signed beforehand) shares\n"+
			"the cores. Meridian is `meridian serve` with one region: every write is on disk (fsync) before it is acknowledged, and signatures are verified. dynalite 4.0.0 is\n"+
			"started with --path, so that it stores on disk (LevelDB), which it does not sync; it checks that a signature is there, not that it is right.", tableConnections, tableKeys),
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
	for _, x := range servers {
		x.gets, x.puts = s.addTable(x.name, "GetItem"), s.addTable(x.name, "PutItem")
		if err := x.fill(ctx); err != nil {
			return s, fmt.Errorf("%s: %w", x.name, err)
		}
	}
	servers[0].gets.rate.least(32_000)
	servers[0].puts.rate.least(18_000)
	for round := range b.rounds {
		for _, x := range servers {
			if err := x.measure(ctx); err != nil {
				return s, fmt.Errorf("%s: %w", x.name, err)
			}
			b.say("  round %d: %s: GetItem %.0f/s, PutItem %.0f/s", round+1, x.name, x.gets.rate.values[round], x.puts.rate.values[round])
		}
	}
	if missing != "" {
		s.note("%s", missing)
	}
	for _, x := range servers[1:] {
		s.note("Meridian ÷ %s: GetItem %.1f×, PutItem %.1f×.", x.name, servers[0].gets.rate.median()/x.gets.rate.median(), servers[0].puts.rate.median()/x.puts.rate.median())
	}
	s.note("The floors are for two quiet cores. Processor time (user and system) of the server a request depends less on what else the machine does.")
	return s, nil
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

// fill signs the requests and writes every item.
func (x *server) fill(ctx context.Context) error {
	for n := range tableKeys {
		key := fmt.Sprintf("key-%06d", n)
		x.put = append(x.put, x.request("PutItem", putBody(key)))
		x.get = append(x.get, x.request("GetItem", getBody(key)))
	}
	return send(ctx, x.address, x.put, tableConnections)
}

func (x *server) measure(ctx context.Context) error {
	for _, op := range []struct {
		requests [][]byte
		rows     tableRows
	}{{x.get, x.gets}, {x.put, x.puts}} {
		before := x.used()
		rate, took, err := drive(ctx, x.address, op.requests, tableConnections, tablesFor)
		if err != nil {
			return err
		}
		op.rows.rate.put(rate)
		op.rows.tail.put(percentile(in(time.Millisecond, took), 99))
		op.rows.cpu.put(float64(x.used()-before) / float64(time.Microsecond) / float64(len(took)))
	}
	return nil
}
