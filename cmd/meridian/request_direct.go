package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"

	"github.com/meridian-run/meridian/client"
)

// responseBytesMax bounds what a service may answer to request.
const responseBytesMax = 16 << 20

// timeoutAsk is how long a request may take if nobody says.
const timeoutAsk = 30 * time.Second

// sendDirectly makes the request over the real network: the world is asked for
// the DNS answer and its reason, then this machine connects to that address.
func sendDirectly(ctx context.Context, c *client.Client, r client.Request) (client.Response, error) {
	timeout := timeoutAsk
	if r.TimeoutMillis > 0 {
		timeout = time.Duration(r.TimeoutMillis) * time.Millisecond
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s; --timeout waits longer", timeout))
	defer cancel()
	begin := time.Now()
	service, err := serviceOf(ctx, c, r.Service)
	if err != nil {
		return client.Response{}, err
	}
	lookup, err := c.Lookup(ctx, client.LookupRequest{Name: service, From: r.From})
	if err != nil {
		return client.Response{}, err
	}
	if len(lookup.Answers) == 0 || lookup.Answers[0].API == "" {
		return client.Response{}, fmt.Errorf("%s has no address: %s", lookup.Name, lookup.Reason)
	}
	response := client.Response{Lookup: lookup, Region: lookup.Answers[0].Region, Address: lookup.Answers[0].API}
	response.Timings.DNSMillis = since(begin)
	if err := exchange(ctx, begin, r, &response); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return response, fmt.Errorf("%s %s from %s at %s: %w", r.Method, r.Path, response.Region, response.Address, err)
	}
	return response, nil
}

// serviceOf returns the name to look up: the only service if none is named.
func serviceOf(ctx context.Context, c *client.Client, name string) (string, error) {
	if name != "" {
		return name, nil
	}
	status, err := c.Status(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, s := range status.Services {
		names = append(names, s.Name)
	}
	if len(names) != 1 {
		return "", usagef("request: this world has the services %v: choose one with --service", names)
	}
	return names[0], nil
}

// exchange sends r to response.Address and fills in what came back.
func exchange(ctx context.Context, begin time.Time, r client.Request, response *client.Response) error {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectDone:          func(_, _ string, _ error) { response.Timings.ConnectMillis = since(begin) },
		GotFirstResponseByte: func() { response.Timings.FirstByteMillis = since(begin) },
	})
	request, err := http.NewRequestWithContext(ctx, r.Method, "http://"+response.Address+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return err
	}
	maps.Copy(request.Header, r.Header)
	request.Host = response.Lookup.Name
	transport := &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: true, DisableCompression: true}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	response.Body, err = io.ReadAll(io.LimitReader(answer.Body, responseBytesMax))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	response.Timings.TotalMillis = since(begin)
	response.Status, response.Header = answer.StatusCode, answer.Header
	response.ServedBy = answer.Header.Get("Meridian-Region")
	response.RequestID = answer.Header.Get("X-Request-Id")
	return nil
}

func since(begin time.Time) float64 { return float64(time.Since(begin)) / float64(time.Millisecond) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
