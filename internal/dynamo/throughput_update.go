package dynamo

import (
	"slices"
	"strings"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// byRequest reports whether the table will be billed by request after the
// request.
func (c *call) byRequest(t table.Table) bool {
	if mode := c.text("BillingMode"); mode != "" {
		return mode == "PAY_PER_REQUEST"
	}
	return t.Settings.Provisioned == nil
}

// changeBilling changes between provisioned throughput, which changeThroughput
// reads, and billing by request.
func changeBilling(c *call, t table.Table) (func(*table.Table) error, error) {
	now := c.server.config.Now().UnixMilli()
	if c.byRequest(t) {
		return func(t *table.Table) error {
			chargeByRequest(&t.Settings, now)
			return nil
		}, nil
	}
	if !c.request.Get("ProvisionedThroughput").Exists() {
		return nil, invalidValues("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
	}
	if t.Settings.Provisioned == nil {
		if lacking := c.unprovisioned(t); len(lacking) > 0 {
			return nil, invalidValues("ProvisionedThroughput must be specified for index: %s", strings.Join(lacking, ","))
		}
	}
	return func(t *table.Table) error {
		t.Settings.OnDemand = table.Throughput{}
		for name := range t.Settings.Indexes {
			t.Settings.SetIndex(name, func(x *table.IndexSettings) { x.OnDemand = table.Throughput{} })
		}
		return nil
	}, nil
}

// chargeByRequest takes away what was provisioned.
func chargeByRequest(s *table.Settings, now int64) {
	if s.Provisioned == nil {
		return
	}
	s.Provisioned, s.ByRequestSince = nil, now
	for name := range s.Indexes {
		s.SetIndex(name, func(x *table.IndexSettings) { x.Provisioned = nil })
	}
}

// unprovisioned are the table's indexes that the request gives no throughput.
func (c *call) unprovisioned(t table.Table) []string {
	var lacking []string
	for _, x := range globalIndexes(t) {
		lacking = append(lacking, x.Name)
	}
	updates := c.request.Get("GlobalSecondaryIndexUpdates")
	for n, ok := updates.First(); ok; n, ok = n.Next() {
		if u := n.Get("Update"); u.Get("ProvisionedThroughput").Exists() {
			name := u.Get("IndexName").Text()
			lacking = slices.DeleteFunc(lacking, func(l string) bool { return l == name })
		}
	}
	return lacking
}

// changeThroughput changes the provisioned throughput.
func changeThroughput(c *call, t table.Table) (func(*table.Table) error, error) {
	if c.byRequest(t) {
		return nil, invalidValues(noUnitsByRequest)
	}
	to, err := readProvisioned(c.request.Get("ProvisionedThroughput"))
	if err != nil {
		return nil, err
	}
	if err := changes(t.Settings.In(c.server.config.Region).Provisioned, to, "table"); err != nil {
		return nil, err
	}
	now := c.server.config.Now().UnixMilli()
	return func(t *table.Table) error {
		t.Settings.Provisioned = provision(t.Settings.Provisioned, to, now)
		c.unsetHere(t, func(own *table.ReplicaSettings) { own.Read = 0 })
		return nil
	}, nil
}

// changes refuses a throughput that is as it was, which AWS takes for a mistake.
func changes(have *table.Provisioned, to table.Throughput, what string) error {
	if have == nil || have.Throughput != to {
		return nil
	}
	return invalid("The provisioned throughput for the %[1]s will not change. The requested value equals the current value. "+
		"Current ReadCapacityUnits provisioned for the %[1]s: %[2]d. Requested ReadCapacityUnits: %[2]d. "+
		"Current WriteCapacityUnits provisioned for the %[1]s: %[3]d. Requested WriteCapacityUnits: %[3]d. "+
		"Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.", what, to.Read, to.Write)
}

// provision is a throughput changed at a time; nil begins with it.
func provision(have *table.Provisioned, to table.Throughput, now int64) *table.Provisioned {
	if have == nil {
		return &table.Provisioned{Throughput: to}
	}
	next := *have
	next.Change(to, now)
	return &next
}

// changeOnDemand changes the bounds of a table that is billed by request.
func changeOnDemand(c *call, t table.Table) (func(*table.Table) error, error) {
	s, to := t.Settings, t.Settings.OnDemand
	if s.Provisioned == nil && !c.byRequest(t) {
		s.Provisioned = &table.Provisioned{}
	} else if c.byRequest(t) {
		s.Provisioned = nil
	}
	if err := readOnDemand(c.request.Get("OnDemandThroughput"), &to, heldAgainst{of: &s, what: "table"}); err != nil {
		return nil, err
	}
	bounds := c.request.Get("OnDemandThroughput").Get("MaxReadRequestUnits").Exists()
	return func(t *table.Table) error {
		t.Settings.OnDemand = to
		if bounds {
			c.unsetHere(t, func(own *table.ReplicaSettings) { own.OnDemandRead = 0 })
		}
		return nil
	}, nil
}

// unsetHere takes away by fn what this region's replica has of its own: what is
// asked for here, for the table, holds here too.
func (c *call) unsetHere(t *table.Table, fn func(own *table.ReplicaSettings)) {
	t.Settings.SetReplica(c.server.config.Region, fn)
}

// changeWarm raises what the table shall be ready for.
func changeWarm(c *call, t table.Table) (func(*table.Table) error, error) {
	to := t.Settings.Warm
	if err := readWarm(c.request.Get("WarmThroughput"), &to, heldAgainst{of: &t.Settings, what: "table"}); err != nil {
		return nil, err
	}
	return func(t *table.Table) error {
		t.Settings.Warm = to
		return nil
	}, nil
}

// changeIndexThroughput reads an Update of GlobalSecondaryIndexUpdates: the
// throughput of an index.
func (c *call) changeIndexThroughput(t table.Table, n item.Node) (func(*table.Table) error, error) {
	name := n.Get("IndexName").Text()
	if x, ok := t.Index(name); !ok || x.Local {
		return nil, missing("Requested resource not found")
	}
	x := t.Settings.Indexes[name]
	if p := n.Get("ProvisionedThroughput"); p.Exists() {
		if c.byRequest(t) {
			return nil, invalidValues("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: %s when BillingMode is PAY_PER_REQUEST", name)
		}
		to, err := readProvisioned(p)
		if err != nil {
			return nil, err
		}
		if err := changes(t.Settings.In(c.server.config.Region).Indexes[name].Provisioned, to, "index "+name); err != nil {
			return nil, err
		}
		x.Provisioned = provision(x.Provisioned, to, c.server.config.Now().UnixMilli())
	}
	s := t.Settings
	if c.byRequest(t) {
		s.Provisioned = nil
	} else {
		s.Provisioned = x.Provisioned
	}
	if err := readOnDemand(n.Get("OnDemandThroughput"), &x.OnDemand, heldAgainst{of: &s, what: "index : " + name}); err != nil {
		return nil, err
	}
	if err := readWarm(n.Get("WarmThroughput"), &x.Warm, heldAgainst{of: &s, what: "index " + name}); err != nil {
		return nil, err
	}
	return func(t *table.Table) error {
		t.Settings.SetIndex(name, func(to *table.IndexSettings) { *to = x })
		c.unsetHere(t, func(own *table.ReplicaSettings) {
			own.SetIndex(name, func(o *table.ReplicaIndex) {
				if n.Get("ProvisionedThroughput").Exists() {
					o.Read = 0
				}
				if n.Get("OnDemandThroughput").Get("MaxReadRequestUnits").Exists() {
					o.OnDemandRead = 0
				}
			})
		})
		return nil
	}, nil
}
