package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// history is what a load was told: it must be in the world whatever happens.
type history struct {
	mu     sync.Mutex // guards what follows
	puts   map[string]string
	counts map[string]*count
	raised int // acknowledged steps of all counters
	failed int
}

// count is a counter item that one worker raises, each time on the condition
// that it holds what the last answer said. Once the outcome of a step is
// unknown, the worker reads it before it goes on. Only the worker touches it,
// and check when the load has ended.
type count struct {
	acked    int  // highest value that was answered
	attempts int  // highest value that was tried
	unknown  bool // the last step has not been answered
}

func newHistory() *history {
	return &history{puts: map[string]string{}, counts: map[string]*count{}}
}

func (h *history) acknowledged() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.puts) + h.raised
}

// put writes an item that nobody else writes, and remembers it if that was
// acknowledged.
func (h *history) put(ctx context.Context, n *node, key string) error {
	value := n.name + " " + key
	_, err := n.tables.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(tableName),
		Item:      map[string]types.AttributeValue{"pk": text(key), "v": text(value)},
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.failed++
		return err
	}
	h.puts[key] = value
	return nil
}

// raise adds one to a counter of this worker's own, on the condition that it is
// what it was; a failed condition or a wrong answer is an error of the store.
func (h *history) raise(ctx context.Context, n *node, key string) error {
	c := h.counter(key)
	if c.unknown {
		at, err := n.count(ctx, key)
		if err != nil {
			return err
		}
		if at != c.acked && at != c.attempts {
			return wrong{fmt.Sprintf("%s: counter %s is %d, acknowledged were %d, tried %d", n.name, key, at, c.acked, c.attempts)}
		}
		c.acked, c.unknown = at, false
	}
	c.attempts = c.acked + 1
	_, err := n.tables.UpdateItem(ctx, raiseInput(key, c.acked))
	var failed *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &failed):
		return wrong{fmt.Sprintf("%s: counter %s is not %d, which was acknowledged", n.name, key, c.acked)}
	case err != nil:
		c.unknown = true
		return err
	}
	c.acked = c.attempts
	h.mu.Lock()
	defer h.mu.Unlock()
	h.raised++
	return nil
}

func (h *history) counter(key string) *count {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.counts[key]
	if c == nil {
		c = &count{}
		h.counts[key] = c
	}
	return c
}

// raiseInput adds one to a counter that is at now.
func raiseInput(key string, now int) *dynamodb.UpdateItemInput {
	input := &dynamodb.UpdateItemInput{
		TableName: aws.String(tableName), Key: map[string]types.AttributeValue{"pk": text(key)},
		UpdateExpression:          aws.String("SET c = :next"),
		ConditionExpression:       aws.String("c = :now"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":next": number64(now + 1), ":now": number64(now)},
	}
	if now == 0 {
		input.ConditionExpression = aws.String("attribute_not_exists(c)")
		delete(input.ExpressionAttributeValues, ":now")
	}
	return input
}

// wrong is what must not be: a broken promise, not a failure.
type wrong struct{ what string }

func (w wrong) Error() string { return w.what }

// check compares what a region holds with all that was acknowledged, anywhere.
func (h *history) check(ctx context.Context, n *node) (checked int, lost []string, err error) {
	held, err := n.scan(ctx)
	if err != nil {
		return 0, nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(h.puts)) {
		checked++
		if held[key] != h.puts[key] {
			lost = append(lost, fmt.Sprintf("%s holds %q at %s, not %q", n.name, held[key], key, h.puts[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(h.counts)) {
		c := h.counts[key]
		checked++
		at, _ := strconv.Atoi(held[key])
		if at != c.acked && !(c.unknown && at == c.attempts) {
			lost = append(lost, fmt.Sprintf("%s counts %d at %s, acknowledged were %d", n.name, at, key, c.acked))
		}
	}
	return checked, lost, nil
}

// scan reads all items: the value of each, or what it counts.
func (n *node) scan(ctx context.Context) (map[string]string, error) {
	held := map[string]string{}
	pages := dynamodb.NewScanPaginator(n.reader, &dynamodb.ScanInput{TableName: aws.String(tableName), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		for again := 0; closedUnderAnswer(err) && again < 3; again++ {
			page, err = pages.NextPage(ctx) // it stands where it stood
		}
		if err != nil {
			return nil, fmt.Errorf("scan %s: %w", n.name, err)
		}
		for _, item := range page.Items {
			key, _ := item["pk"].(*types.AttributeValueMemberS)
			switch v := item["v"].(type) {
			case *types.AttributeValueMemberS:
				held[key.Value] = v.Value
			default:
				if c, ok := item["c"].(*types.AttributeValueMemberN); ok {
					held[key.Value] = c.Value
				}
			}
		}
	}
	return held, nil
}

// closedUnderAnswer reports an error that the SDK and net/http make between them,
// on a loaded machine: the answer's head is there (status 200), and the client's own
// write loop closes its connection while the answer is being read (aws-sdk-go-v2
// issues 1825 and 2737). A server that closes, or is killed, is seen as an end or a
// reset instead.
func closedUnderAnswer(err error) bool {
	return err != nil && strings.Contains(err.Error(), "StatusCode: 200") && strings.Contains(err.Error(), net.ErrClosed.Error())
}

func (n *node) get(ctx context.Context, key string) (map[string]types.AttributeValue, error) {
	out, err := n.reader.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(tableName), ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"pk": text(key)},
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// count reads a counter; 0 where there is none.
func (n *node) count(ctx context.Context, key string) (int, error) {
	item, err := n.get(ctx, key)
	if err != nil {
		return 0, err
	}
	c, ok := item["c"].(*types.AttributeValueMemberN)
	if !ok {
		return 0, nil
	}
	return strconv.Atoi(c.Value)
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number64(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(n)}
}
