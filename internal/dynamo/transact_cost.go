package dynamo

import "github.com/meridian-run/meridian/internal/table"

// transactFactor is how much more a transaction costs than its actions alone.
const transactFactor = 2

// cost is what a transaction consumes, by table in the order of its actions.
type cost []tableCost

type tableCost struct {
	name string
	consumed
}

// of is what is consumed of a table, to be added to.
func (c *cost) of(t *table.Table, kind string) *consumed {
	for i := range *c {
		if (*c)[i].name == t.Name {
			return &(*c)[i].consumed
		}
	}
	*c = append(*c, tableCost{t.Name, consumed{kind: kind}})
	return &(*c)[len(*c)-1].consumed
}

func writeCost(actions []action) (c cost) {
	for _, a := range actions {
		into := c.of(&a.table, "WriteCapacityUnits")
		units := a.consumed()
		into.table += transactFactor * units.table
		for _, x := range units.indexes {
			into.addIndex(x.index, transactFactor*x.units)
		}
	}
	return c
}

func readCost(gets []get) (c cost) {
	for _, g := range gets {
		c.of(&g.table, "ReadCapacityUnits").table += transactFactor * readUnits(g.size, true)
	}
	return c
}

// appendCost charges a cost, and appends ConsumedCapacity if the request asks
// for it.
func (c *call) appendCost(of cost) {
	for _, t := range of {
		c.charge(t.name, t.consumed)
	}
	if !c.wantsCapacity() {
		return
	}
	c.out = append(member(c.out, "ConsumedCapacity"), '[')
	for i, t := range of {
		c.out = c.appendCapacity(comma(c.out, i), t.name, t.consumed)
	}
	c.out = append(c.out, ']')
}
