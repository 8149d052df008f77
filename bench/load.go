package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// caller is one connection that sends ready requests and reads the answers. It
// parses no more than it must, so that little of the machine goes to the client.
type caller struct {
	conn   net.Conn
	reader *bufio.Reader
}

func dial(address string) (*caller, error) {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &caller{conn, bufio.NewReaderSize(conn, 16<<10)}, nil
}

func (c *caller) close() { c.conn.Close() }

// answerMax bounds an answer's body, in bytes: a page of 1 MB, and the JSON
// around its items.
const answerMax = 4 << 20

// ask sends a request and returns the length of the answer's body, which it
// skips. An answer that is no success is an error with its body.
func (c *caller) ask(request []byte) (int, error) {
	length, err := c.head(request)
	if err != nil {
		return 0, err
	}
	_, err = c.reader.Discard(length)
	return length, err
}

// read is ask, with the answer's body.
func (c *caller) read(request []byte) ([]byte, error) {
	length, err := c.head(request)
	if err != nil {
		return nil, err
	}
	body := make([]byte, length)
	_, err = io.ReadFull(c.reader, body)
	return body, err
}

// head sends a request and reads the answer up to its body.
func (c *caller) head(request []byte) (length int, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, err
	}
	status := ""
	length = -1
	empty := false
	for first := true; ; first = false {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 2")) {
			status = string(bytes.TrimSpace(line))
		}
		empty = empty || first && bytes.HasPrefix(line, []byte("HTTP/1.1 204"))
		const name = "content-length:"
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return 0, err
			}
		}
		if len(line) == 2 {
			break
		}
	}
	if empty {
		return 0, nil
	}
	if length < 0 || length > answerMax {
		return 0, errors.New("an answer without a sensible Content-Length")
	}
	if status != "" {
		body, _ := c.reader.Peek(min(length, 300))
		return 0, fmt.Errorf("%s: %s", status, body)
	}
	return length, nil
}

// drive sends requests over connections for a time, each as fast as it is
// answered, and returns the answers a second.
func drive(ctx context.Context, address string, requests [][]byte, connections int, d time.Duration) (rate float64, took []time.Duration, err error) {
	group, ctx := errgroup.WithContext(ctx)
	all := make([][]time.Duration, connections)
	began := time.Now()
	for i := range connections {
		group.Go(func() error {
			c, err := dial(address)
			if err != nil {
				return err
			}
			defer c.close()
			for n := i * len(requests) / connections; ctx.Err() == nil; n++ {
				sent := time.Now()
				if sent.Sub(began) >= d {
					return nil
				}
				if _, err := c.ask(requests[n%len(requests)]); err != nil {
					return err
				}
				all[i] = append(all[i], time.Since(sent))
			}
			return ctx.Err()
		})
	}
	err = group.Wait()
	for _, list := range all {
		took = append(took, list...)
	}
	return float64(len(took)) / time.Since(began).Seconds(), took, err
}

// paced sends requests over connections at a rate a second for a time, and
// returns how long after they were due they were answered.
func paced(ctx context.Context, address string, requests [][]byte, connections int, rate float64, d time.Duration) (took []time.Duration, err error) {
	group, ctx := errgroup.WithContext(ctx)
	all := make([][]time.Duration, connections)
	every := time.Duration(float64(connections) / rate * float64(time.Second))
	began := time.Now()
	for i := range connections {
		group.Go(func() error {
			c, err := dial(address)
			if err != nil {
				return err
			}
			defer c.close()
			due := began.Add(every * time.Duration(i) / time.Duration(connections))
			for n := i * len(requests) / connections; ctx.Err() == nil && due.Sub(began) < d; n++ {
				time.Sleep(time.Until(due))
				if _, err := c.ask(requests[n%len(requests)]); err != nil {
					return err
				}
				all[i] = append(all[i], time.Since(due))
				due = due.Add(every)
			}
			return ctx.Err()
		})
	}
	err = group.Wait()
	for _, list := range all {
		took = append(took, list...)
	}
	return took, err
}

// send sends each request once, over connections.
func send(ctx context.Context, address string, requests [][]byte, connections int) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range connections {
		group.Go(func() error {
			c, err := dial(address)
			if err != nil {
				return err
			}
			defer c.close()
			for n := i; n < len(requests) && ctx.Err() == nil; n += connections {
				if _, err := c.ask(requests[n]); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}
