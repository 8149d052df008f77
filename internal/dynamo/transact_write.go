package dynamo

import "context"

// transactWriteItems does up to 100 writes and checks of items, all or none.
func transactWriteItems(ctx context.Context, c *call) error {
	parts, err := c.parts(writeKinds)
	if err != nil {
		return err
	}
	actions := make([]action, len(parts))
	for i, p := range parts {
		actions[i] = action{write: p.write, check: p.kind.check}
	}
	return c.transactWrite(ctx, actions, func(of cost) error {
		c.out = append(c.out, '{')
		c.appendCost(of)
		var writes []written
		for _, a := range actions {
			if !a.check && c.asksCollections() {
				writes = append(writes, written{a.write.table, a.write.key})
			}
		}
		err := c.collectionsMetrics(writes)
		c.out = append(c.out, '}')
		return err
	})
}
