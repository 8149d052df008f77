package dynamo

import (
	"context"
	"net/http"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/record"
	"github.com/meridian-run/meridian/internal/store"
)

// DynamoDB's limits on transactions.
const (
	transactMax      = 100
	transactBytesMax = 4 << 20
)

// action is one action of a transaction that writes: a write of one item, or only
// the check of its condition.
type action struct {
	*write
	check bool
}

// transactWrite does all actions or none, in one batch: it sees one state of all
// items, which nobody changes meanwhile. answer appends the answer to c.out, once
// that is durable; of a request that was done before under the same token, what it
// cost is reads.
func (c *call) transactWrite(ctx context.Context, actions []action, answer func(cost) error) error {
	keys := make([]record.Key, len(actions))
	for i, a := range actions {
		keys[i] = a.key
	}
	if err := distinct(keys); err != nil {
		return err
	}
	done, err := c.beginToken(ctx, actions)
	if err != nil {
		return err
	}
	if done {
		return c.transactAgain(ctx, actions, keys, answer)
	}
	defer c.endToken()
	return c.update(ctx, keys, func(tx *store.Tx) (wrote bool, err error) {
		return true, c.transact(tx, actions)
	}, func() error {
		var of cost
		if c.measures() {
			of = writeCost(actions)
		}
		return answer(of)
	})
}

// transact does the actions in a transaction of the store, which an error ends.
func (c *call) transact(tx *store.Tx, actions []action) error {
	reasons := make([]*apiError, len(actions))
	cancelled, size := false, 0
	for i, a := range actions {
		if err := a.act(tx); err != nil {
			if reasons[i] = c.reason(err); reasons[i] == nil || reasons[i].whole {
				return err
			}
			cancelled = true
		}
		size += max(a.old.Size(), a.new.Size())
	}
	switch {
	case cancelled:
		return transactionCancelled(reasons)
	case size > transactBytesMax:
		return tooMuch()
	}
	return nil
}

func (a action) act(tx *store.Tx) error {
	if a.reads() || a.call.measures() {
		if err := a.load(tx); err != nil {
			return err
		}
	}
	if err := a.test(); err != nil {
		return err
	}
	if a.check {
		a.kept = true
		return nil
	}
	return a.apply(tx)
}

// transactAgain answers a request whose effect was there before.
func (c *call) transactAgain(ctx context.Context, actions []action, keys []record.Key, answer func(cost) error) error {
	gets := make([]get, len(actions))
	for i, a := range actions {
		gets[i] = get{table: a.table, key: a.key}
	}
	if c.wantsCapacity() {
		if err := c.look(ctx, gets, keys); err != nil {
			return err
		}
	}
	c.written = c.server.config.Store.Position().Cursor.Sequence // its copies are waited for again
	return answer(readCost(gets))
}

// distinct refuses two actions on one item.
func distinct(keys []record.Key) error {
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		id := identity(key)
		if seen[id] {
			return invalid("Transaction request cannot include multiple operations on one item")
		}
		seen[id] = true
	}
	return nil
}

func tooMuch() error {
	return invalid("The aggregate size of the items in the transaction exceeded %d MB", transactBytesMax>>20)
}

// reason is why an action of a transaction cannot be done; nil if the error is
// not one of an action.
func (c *call) reason(err error) *apiError {
	known := c.server.known(err)
	if known == nil {
		return nil
	}
	switch known.code() {
	case "ConditionalCheckFailedException", "ValidationException", "DuplicateItemException", "ItemCollectionSizeLimitExceededException",
		"ProvisionedThroughputExceededException", "ThrottlingException":
		return known
	}
	return nil
}

// transactionCancelled is the answer to a transaction of which actions cannot be
// done.
func transactionCancelled(reasons []*apiError) error {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r.reasonCode()
	}
	return &apiError{
		status: http.StatusBadRequest, kind: database + "TransactionCanceledException", reasons: reasons,
		message: "Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]",
	}
}

// reasonCode is the error's name among the reasons of a cancelled transaction.
func (e *apiError) reasonCode() string {
	switch {
	case e == nil:
		return "None"
	case e.code() == "ValidationException":
		return "ValidationError"
	case e.code() == "ThrottlingException":
		return "ThrottlingError"
	}
	return strings.TrimSuffix(e.code(), "Exception")
}

func appendReasons(dst []byte, reasons []*apiError) []byte {
	dst = append(dst, '[')
	for i, r := range reasons {
		dst = append(comma(dst, i), '{')
		dst = item.AppendQuoted(member(dst, "Code"), r.reasonCode())
		if r != nil {
			if r.item != nil {
				dst = r.item.AppendJSON(member(dst, "Item"))
			}
			dst = item.AppendQuoted(member(dst, "Message"), r.message)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
