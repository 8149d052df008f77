package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// endpoint is a server of the DynamoDB protocol and how to sign for it.
type endpoint struct {
	address, region string // host:port; the signing region
	id, secret      string
}

// tableName has items under one key; rowsTable has several under one partition
// key.
const (
	tableName = "bench"
	rowsTable = "rows"
)

// itemSize is that of the values written, in bytes.
const itemSize = 1024

var filling = strings.Repeat("0123456789abcdef", itemSize/16)

func putBody(key string) string {
	return `{"TableName":"` + tableName + `","Item":{"pk":{"S":"` + key + `"},"data":{"S":"` + filling + `"}}}`
}

func getBody(key string) string {
	return `{"TableName":"` + tableName + `","Key":{"pk":{"S":"` + key + `"}}}`
}

func updateBody(key string) string {
	return `{"TableName":"` + tableName + `","Key":{"pk":{"S":"` + key + `"}},"UpdateExpression":"SET #data = :data","ConditionExpression":"attribute_exists(pk)",` +
		`"ExpressionAttributeNames":{"#data":"data"},"ExpressionAttributeValues":{":data":{"S":"` + filling + `"}}}`
}

func putRowBody(partition string, row int) string {
	return `{"TableName":"` + rowsTable + `","Item":{"pk":{"S":"` + partition + `"},"sk":{"N":"` + strconv.Itoa(row) + `"},"data":{"S":"` + filling + `"}}}`
}

func queryBody(partition string) string {
	return `{"TableName":"` + rowsTable + `","KeyConditionExpression":"pk = :p","ExpressionAttributeValues":{":p":{"S":"` + partition + `"}}}`
}

// batchBody puts several items at once.
func batchBody(keys []string) string {
	var b strings.Builder
	b.WriteString(`{"RequestItems":{"` + tableName + `":[`)
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"PutRequest":{"Item":{"pk":{"S":"` + key + `"},"data":{"S":"` + filling + `"}}}}`)
	}
	b.WriteString(`]}}`)
	return b.String()
}

// createBodies create both tables.
var createBodies = []string{
	`{"TableName":"` + tableName + `","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}]}`,
	`{"TableName":"` + rowsTable + `","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],` +
		`"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"}]}`,
}

// request is a whole signed HTTP request, ready to be sent any number of times
// for some minutes: signing must not be what is measured.
func (e endpoint) request(operation, body string) []byte {
	now := time.Now().UTC()
	date, day := now.Format("20060102T150405Z"), now.Format("20060102")
	target := "DynamoDB_20120810." + operation
	const signed = "host;x-amz-date;x-amz-target"
	canonical := "POST\n/\n\nhost:" + e.address + "\nx-amz-date:" + date + "\nx-amz-target:" + target + "\n\n" + signed + "\n" + sum(body)
	scope := day + "/" + e.region + "/dynamodb/aws4_request"
	key := []byte("AWS4" + e.secret)
	for _, part := range []string{day, e.region, "dynamodb", "aws4_request"} {
		key = mac(key, part)
	}
	signature := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+sum(canonical)))
	return fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Date: %s\r\nX-Amz-Target: %s\r\n"+
		"Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s\r\nContent-Length: %d\r\n\r\n%s",
		e.address, date, target, e.id, scope, signed, signature, len(body), body)
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
