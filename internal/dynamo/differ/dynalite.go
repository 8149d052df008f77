package differ

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meridian-run/meridian/internal/dynamo/model"
)

// Dynalite is a dynalite that runs while histories are played: an
// implementation of DynamoDB's API in JavaScript, which knows most of AWS's
// messages and is wrong in places; known lists them.
type Dynalite struct {
	voice
	process *exec.Cmd
	stdin   io.WriteCloser
	ports   *bufio.Scanner
	start   func() error
	dead    bool
	seen    map[string]int // known differences, by name
}

const dynaliteName = "dynalite"

// dynaliteScript opens a new dynalite, without tables, for each line that it
// reads, and prints its port.
const dynaliteScript = `
const dynalite = require("dynalite")
let server
require("readline").createInterface({input: process.stdin}).on("line", () => {
  if (server) { server.close(); server.closeAllConnections() }
  server = dynalite({createTableMs: 0, updateTableMs: 0, deleteTableMs: 0})
  server.listen(0, "127.0.0.1", () => console.log(server.address().port))
}).on("close", () => process.exit(0))
`

// StartDynalite starts node in a directory with dynalite among its modules.
func StartDynalite(ctx context.Context, directory string) (*Dynalite, error) {
	d := &Dynalite{seen: map[string]int{}}
	d.voice = voice{signer: v4.NewSigner(), id: "differ", key: "differ", do: (&http.Client{Timeout: time.Minute}).Do}
	d.start = func() error { return d.launch(ctx, directory) }
	return d, d.start()
}

// launch starts a process.
func (d *Dynalite) launch(ctx context.Context, directory string) error {
	d.dead = false
	d.process = exec.CommandContext(ctx, "node", "-e", dynaliteScript)
	d.process.Dir = directory
	stdout, err := d.process.StdoutPipe()
	if err != nil {
		return err
	}
	d.ports = bufio.NewScanner(stdout)
	if d.stdin, err = d.process.StdinPipe(); err != nil {
		return err
	}
	if err := d.process.Start(); err != nil {
		return fmt.Errorf("start dynalite: %w", err)
	}
	return nil
}

// Stop ends it.
func (d *Dynalite) Stop() error {
	if d.dead {
		_ = d.process.Wait() // it has told that it failed
		return nil
	}
	return errors.Join(d.stdin.Close(), d.process.Wait())
}

// restart begins anew without tables.
func (d *Dynalite) restart() error {
	if d.dead {
		_ = d.process.Wait() // it has told that it failed
		if err := d.start(); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(d.stdin); err != nil {
		return fmt.Errorf("dynalite has ended: %w", err)
	}
	if !d.ports.Scan() {
		return fmt.Errorf("dynalite does not start; is it installed in %s?", d.process.Dir)
	}
	d.url = "http://127.0.0.1:" + strings.TrimSpace(d.ports.Text()) + "/"
	return nil
}

// createTable makes a table and waits until it can be used.
func (d *Dynalite) createTable(ctx context.Context, request map[string]any) error {
	a, err := d.ask(ctx, "CreateTable", request)
	for err == nil && a.Type == "" {
		a, err = d.ask(ctx, "DescribeTable", map[string]any{"TableName": request["TableName"]})
		description, _ := a.Body["Table"].(map[string]any)
		if description["TableStatus"] == "ACTIVE" {
			return nil
		}
	}
	if err == nil {
		err = fmt.Errorf("dynalite: create table: %s: %s", a.Type, a.Message)
	}
	return err
}

// covered are the operations that dynalite knows.
var covered = map[string]bool{
	"GetItem": true, "PutItem": true, "UpdateItem": true, "DeleteItem": true, "Query": true, "Scan": true, "BatchGetItem": true, "BatchWriteItem": true,
}

// compare asks dynalite what the others were asked. Where it is known to be
// wrong its items are made those of the model again.
func (d *Dynalite) compare(ctx context.Context, p *player, s Step, want model.Answer) (*Difference, error) {
	if d.dead {
		return nil, nil
	}
	if !covered[s.Operation] || usesReplaced(s) {
		return nil, d.restore(ctx, p, s)
	}
	if s.Request["IndexName"] != nil && (s.Request["Limit"] != nil || s.Request["ExclusiveStartKey"] != nil) {
		return nil, nil // the order among equal keys of an index is nobody's promise
	}
	if dies(s) {
		return nil, d.restore(ctx, p, s)
	}
	got, err := d.ask(ctx, s.Operation, s.Request)
	if err != nil && ctx.Err() == nil { // some requests end its process: it is asked again in the next history
		d.dead = true
		d.seen["ends"]++
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p.counts["dynalite"]++
	operation := s.Operation
	if s.Operation == "Query" && s.Request["IndexName"] != nil {
		operation = "Scan" // in any order
	}
	what := difference(operation, want, got)
	if what == "" {
		if s.Operation == "UpdateItem" {
			return nil, d.restore(ctx, p, s) // of what it may have stored, the answer does not tell
		}
		return nil, nil
	}
	for _, k := range known {
		if k.is(s, want, got) {
			d.seen[k.name]++
			return nil, d.restore(ctx, p, s)
		}
	}
	return &Difference{Step: s, Who: dynaliteName, What: what, Want: want, Got: got}, nil
}

// usesReplaced reports whether a request has parameters of before expressions,
// of which dynalite checks less and knows less than AWS.
func usesReplaced(s Step) bool {
	for _, name := range []string{"Expected", "ConditionalOperator", "AttributeUpdates", "QueryFilter", "ScanFilter", "KeyConditions", "AttributesToGet"} {
		if s.Request[name] != nil {
			return true
		}
	}
	return false
}

// dies reports whether dynalite's process might not survive a request: with IN,
// an operand that is not in the item ends it.
func dies(s Step) bool {
	for _, name := range []string{"ConditionExpression", "FilterExpression"} {
		if text, _ := s.Request[name].(string); strings.Contains(text, " IN ") {
			return true
		}
	}
	return false
}

// restore gives dynalite the items that a write was about as the model has them.
func (d *Dynalite) restore(ctx context.Context, p *player, s Step) error {
	for name, keys := range touched(s) {
		for _, key := range keys {
			request := map[string]any{"TableName": name, "Key": key}
			a := p.model.Ask("GetItem", clone(request))
			if a.Type != "" {
				continue // the request was refused
			}
			operation := "DeleteItem"
			if it, ok := a.Body["Item"]; ok {
				operation, request = "PutItem", map[string]any{"TableName": name, "Item": it}
			}
			if _, err := d.ask(ctx, operation, request); err != nil {
				d.dead = true
				return ctx.Err()
			}
		}
	}
	return nil
}

// touched are the keys that a write is about, by table.
func touched(s Step) map[string][]any {
	keys := map[string][]any{}
	add := func(name string, from any) {
		it, _ := from.(map[string]any)
		for _, schema := range schemas {
			if schema.name == name {
				key := map[string]any{}
				for _, a := range schema.keys {
					key[a.name] = it[a.name]
				}
				keys[name] = append(keys[name], key)
			}
		}
	}
	name, _ := s.Request["TableName"].(string)
	switch s.Operation {
	case "PutItem":
		add(name, s.Request["Item"])
	case "UpdateItem", "DeleteItem":
		add(name, s.Request["Key"])
	case "TransactWriteItems":
		list, _ := s.Request["TransactItems"].([]any)
		for _, one := range list {
			action, _ := one.(map[string]any)
			for _, j := range action {
				part, _ := j.(map[string]any)
				name, _ := part["TableName"].(string)
				add(name, part["Item"])
				add(name, part["Key"])
			}
		}
	case "BatchWriteItem":
		tables, _ := s.Request["RequestItems"].(map[string]any)
		for name, list := range tables {
			writes, _ := list.([]any)
			for _, w := range writes {
				one, _ := w.(map[string]any)
				put, _ := one["PutRequest"].(map[string]any)
				remove, _ := one["DeleteRequest"].(map[string]any)
				add(name, put["Item"])
				add(name, remove["Key"])
			}
		}
	}
	return keys
}
