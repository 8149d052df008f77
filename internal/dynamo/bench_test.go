package dynamo_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meridian-run/meridian/internal/kv/pebblekv"
)

const connections = 32

// signed is a request as bytes, to be sent again and again: the client must not
// be what is measured.
func (r *region) signed(operation, body string) []byte {
	r.t.Helper()
	req, err := http.NewRequest("POST", r.url+"/", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	hash := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: admin.ID, SecretAccessKey: admin.Secret}, req, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1", r.now()); err != nil {
		r.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := req.Write(&b); err != nil {
		r.t.Fatal(err)
	}
	return b.Bytes()
}

// ask sends a request over the connection and skips its answer, which must be
// a success.
func ask(conn net.Conn, reader *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.Contains(line, []byte(" 200 ")) {
			return fmt.Errorf("answer %s", line)
		}
		if rest, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(rest)))
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := reader.Discard(length)
	return err
}

// BenchmarkServer measures 1 KB items over HTTP and SigV4 at 32 connections, on
// the embedded engine with real syncs.
func BenchmarkServer(b *testing.B) {
	engine, err := pebblekv.Open(pebblekv.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	r := start(b, engine).tables()
	text := strings.Repeat("x", 950)
	for _, c := range []struct {
		name, operation string
		body            func(i int) string
	}{
		{"PutItem", "PutItem", func(i int) string {
			return fmt.Sprintf(`{"TableName":"notes","Item":{"pk":{"S":"key-%d"},"count":{"N":"%d"},"text":{"S":%q}}}`, i, i, text)
		}},
		{"TransactWriteItems of 10", "TransactWriteItems", func(i int) string {
			var actions []string
			for j := range 10 {
				actions = append(actions, fmt.Sprintf(`{"Put":{"TableName":"notes","Item":{"pk":{"S":"key-%d-%d"},"text":{"S":%q}},"ConditionExpression":"attribute_not_exists(gone)"}}`, i, j, text))
			}
			return one(actions...) // a token would let each have effect once
		}},
		{"TransactGetItems of 10", "TransactGetItems", func(i int) string {
			var gets []string
			for j := range 10 {
				gets = append(gets, fmt.Sprintf(`{"Get":{"TableName":"notes","Key":{"pk":{"S":"key-%d-%d"}}}}`, i, j))
			}
			return one(gets...)
		}},
		{"UpdateItem with a condition", "UpdateItem", func(i int) string {
			return fmt.Sprintf(`{"TableName":"notes","Key":{"pk":{"S":"key-%d"}},"UpdateExpression":"SET #t = :t","ConditionExpression":"attribute_exists(pk)","ExpressionAttributeNames":{"#t":"text"},"ExpressionAttributeValues":{":t":{"S":%q}}}`, i, text)
		}},
		{"BatchWriteItem of 25", "BatchWriteItem", func(i int) string {
			var puts []string
			for j := range 25 {
				puts = append(puts, fmt.Sprintf(`{"PutRequest":{"Item":{"pk":{"S":"partition-%d"},"sk":{"N":"%d"},"text":{"S":%q}}}}`, i, j, text))
			}
			return `{"RequestItems":{"events":[` + strings.Join(puts, ",") + `]}}`
		}},
		{"Query of 20", "Query", func(i int) string {
			return fmt.Sprintf(`{"TableName":"events","Limit":20,"KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"partition-%d"}}}`, i)
		}},
		{"Scan of 1 MB", "Scan", func(int) string { return `{"TableName":"events"}` }},
		{"SELECT of one", "ExecuteStatement", func(i int) string {
			return fmt.Sprintf(`{"Statement":"SELECT * FROM notes WHERE pk = ?","Parameters":[{"S":"key-%d"}]}`, i)
		}},
		{"GetItem", "GetItem", func(i int) string { return fmt.Sprintf(`{"TableName":"notes","Key":{"pk":{"S":"key-%d"}}}`, i) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			requests := make([][]byte, 512)
			for i := range requests {
				requests[i] = r.signed(c.operation, c.body(i))
			}
			b.ReportAllocs()
			b.ResetTimer()
			r.load(b, requests)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

// load sends b.N of the requests over all connections.
func (r *region) load(b *testing.B, requests [][]byte) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			reader := bufio.NewReaderSize(conn, 8<<10)
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := ask(conn, reader, requests[int(i)%len(requests)]); err != nil && err != io.EOF {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
