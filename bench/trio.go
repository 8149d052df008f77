package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/meridian-run/meridian/client"
	"github.com/meridian-run/meridian/internal/access"
	"github.com/meridian-run/meridian/internal/wholebody"
)

// trio is a world of three `meridian serve` processes with one table, as an
// operator runs it; only that they share a machine.
type trio struct {
	dir   string
	nodes []*node
}

// node is one region of a trio.
type node struct {
	name   string
	bundle string
	data   string
	log    *os.File
	tables *dynamodb.Client // for the load, whose requests are given up when it ends
	reader *dynamodb.Client // for looking at what is there, with connections of its own

	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
}

// trioPlaces are where its regions are, and so how many.
var trioPlaces = []struct{ region, place string }{
	{"us-east-1", "Ashburn"}, {"eu-west-1", "Dublin"}, {"ap-southeast-2", "Sydney"},
}

// trioSpec is the world's spec, on ports of 127.0.0.1 from base on; what DNS would
// answer are addresses for documentation (RFC 5737).
func trioSpec(base int) string {
	var b strings.Builder
	b.WriteString("world: bench\ndomain: bench.test\nregions:\n")
	for i, p := range trioPlaces {
		port := base + 10*i
		fmt.Fprintf(&b, "  %s:\n    place: %s\n    address: 192.0.2.%d\n    addresses: {tables: \"127.0.0.1:%d\", gateway: \"127.0.0.1:%d\", admin: \"127.0.0.1:%d\", link: \"127.0.0.1:%d\", etcd: \"127.0.0.1:%d\", dns: \"127.0.0.1:%d\"}\n",
			p.region, p.place, i+1, port, port+1, port+2, port+3, port+4, port+5)
	}
	b.WriteString("tables:\n  " + tableName + ": {key: pk}\n")
	return b.String()
}

// startTrio makes bundles, starts all regions and waits until they serve.
func startTrio(ctx context.Context, b *bench) (*trio, error) {
	dir, err := b.scratch("trio")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "meridian.yaml")
	base := portBase + 9000
	if err := os.WriteFile(path, []byte(trioSpec(base)), 0o644); err != nil {
		return nil, err
	}
	bundles := filepath.Join(dir, "bundles")
	if out, err := exec.CommandContext(ctx, program, "init", "--spec", path, "--out", bundles).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("meridian init: %w\n%s", err, out)
	}
	t := &trio{dir: dir}
	for i, p := range trioPlaces {
		n := &node{name: p.region, bundle: filepath.Join(bundles, p.region), data: filepath.Join(dir, "data")}
		if n.log, err = os.Create(filepath.Join(dir, p.region+".log")); err != nil {
			return nil, err
		}
		keys, err := access.ReadFile(filepath.Join(n.bundle, "keys.json"))
		if err != nil || len(keys) == 0 {
			return nil, fmt.Errorf("the keys of %s: %w", n.name, err)
		}
		options := dynamodb.Options{
			Region: n.name, BaseEndpoint: aws.String(fmt.Sprintf("http://127.0.0.1:%d", base+10*i)),
			Credentials:      credentials.NewStaticCredentialsProvider(keys[0].ID, keys[0].Secret, ""),
			RetryMaxAttempts: 1, HTTPClient: wholebody.Client(nil),
		}
		n.tables, n.reader = dynamodb.New(options), dynamodb.New(options)
		t.nodes = append(t.nodes, n)
	}
	for _, n := range t.nodes {
		if err := n.start(); err != nil {
			return t, err
		}
	}
	for _, n := range t.nodes {
		if err := n.await(ctx, time.Minute); err != nil {
			return t, err
		}
	}
	return t, nil
}

// close ends every process.
func (t *trio) close() {
	for _, n := range t.nodes {
		n.kill()
		n.log.Close()
	}
}

// status is the world as its regions see it.
func (t *trio) status(ctx context.Context) (client.Status, error) {
	written, err := client.LoadContext(filepath.Join(t.dir, "bundles", client.ContextName))
	if err != nil {
		return client.Status{}, err
	}
	c, err := client.New(client.Config{Context: written})
	if err != nil {
		return client.Status{}, err
	}
	return c.Status(ctx)
}

func (n *node) start() error {
	n.cmd = exec.Command(program, "serve", "--bundle", n.bundle, "--data", n.data)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("%w; run make build first", err)
	}
	cmd, ended := n.cmd, make(chan struct{})
	n.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	return nil
}

// kill ends the process at once, as kill -9 does, and waits for its end.
func (n *node) kill() {
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	<-n.ended
}

// await waits until the region reads a table.
func (n *node) await(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		_, err := n.get(ctx, "none")
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-n.ended:
			return fmt.Errorf("%s has ended by itself; its log is %s", n.name, n.log.Name())
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve within %v: %w", n.name, within, err)
		}
	}
}
