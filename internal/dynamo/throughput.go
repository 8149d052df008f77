package dynamo

import (
	"strconv"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// DynamoDB's bounds on throughput, in units a second: the most that can be asked
// for, and what a table that is billed by request is ready for from the first
// moment.
const (
	unitsMax   = 1_000_000_000_000
	readyRead  = 12_000
	readyWrite = 4_000
)

// Parameters of throughput. Those without a minimum have their bounds, and what
// is said about them, in the functions that read them.
var (
	billingMode           = parameter{name: "BillingMode", enum: []string{"PROVISIONED", "PAY_PER_REQUEST"}}
	provisionedThroughput = parameter{name: "ProvisionedThroughput", form: objectForm, members: []parameter{
		{name: "WriteCapacityUnits", form: integerForm, required: true, min: 1},
		{name: "ReadCapacityUnits", form: integerForm, required: true, min: 1},
	}}
	onDemandThroughput = parameter{name: "OnDemandThroughput", form: objectForm, members: []parameter{
		{name: "MaxReadRequestUnits", form: integerForm, min: -1}, {name: "MaxWriteRequestUnits", form: integerForm, min: -1},
	}}
	warmThroughput = parameter{name: "WarmThroughput", form: objectForm, members: []parameter{
		{name: "ReadUnitsPerSecond", form: integerForm, min: 1}, {name: "WriteUnitsPerSecond", form: integerForm, min: 1},
	}}
)

const noUnitsByRequest = "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"

// units is a number of capacity units, which may be larger than integer's.
func units(n item.Node) int64 {
	f, err := strconv.ParseFloat(n.Text(), 64)
	if err != nil && f == 0 {
		return 0
	}
	return int64(max(min(f, 1<<62), -1<<62))
}

// readProvisioned reads a ProvisionedThroughput, whose form is checked.
func readProvisioned(n item.Node) (t table.Throughput, err error) {
	for _, u := range []struct {
		name string
		to   *int64
	}{{"ReadCapacityUnits", &t.Read}, {"WriteCapacityUnits", &t.Write}} {
		if *u.to = units(n.Get(u.name)); *u.to > unitsMax {
			return t, invalid("Given value %d for %s is out of bounds", *u.to, u.name)
		}
	}
	return t, nil
}

// billed reads how a new table is billed.
func (c *call) billed(s *table.Settings) error {
	n := c.request.Get("ProvisionedThroughput")
	switch byRequest := c.text("BillingMode") == "PAY_PER_REQUEST"; {
	case byRequest && n.Exists():
		return invalidValues(noUnitsByRequest)
	case !byRequest && !n.Exists():
		return invalidValues("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	case !byRequest:
		to, err := readProvisioned(n)
		if err != nil {
			return err
		}
		s.Provisioned = &table.Provisioned{Throughput: to}
	}
	if err := readOnDemand(c.request.Get("OnDemandThroughput"), &s.OnDemand, heldAgainst{of: s, what: "table", creating: true}); err != nil {
		return err
	}
	return readWarm(c.request.Get("WarmThroughput"), &s.Warm, heldAgainst{of: s, what: "table", creating: true})
}

// billIndex reads how a new index of a table with the settings is billed.
func billIndex(s *table.Settings, index string, n item.Node) error {
	x := s.Indexes[index]
	throughput := n.Get("ProvisionedThroughput")
	switch {
	case s.Provisioned == nil && throughput.Exists():
		return invalidValues("ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", index)
	case s.Provisioned != nil && !throughput.Exists():
		return invalidValues("ProvisionedThroughput is not specified for index: %s", index)
	case s.Provisioned != nil:
		to, err := readProvisioned(throughput)
		if err != nil {
			return err
		}
		x.Provisioned = &table.Provisioned{Throughput: to}
	}
	b := heldAgainst{of: s, what: "index " + index, creating: true}
	if err := readOnDemand(n.Get("OnDemandThroughput"), &x.OnDemand, b); err != nil {
		return err
	}
	if err := readWarm(n.Get("WarmThroughput"), &x.Warm, b); err != nil {
		return err
	}
	s.SetIndex(index, func(to *table.IndexSettings) { *to = x })
	return nil
}

// heldAgainst is what throughput is held against: the table's settings, and whether
// the table, or its index, is new.
type heldAgainst struct {
	of       *table.Settings
	what     string
	creating bool
}

// readOnDemand reads the bound on a table that is billed by request into to; -1
// takes it away.
func readOnDemand(n item.Node, to *table.Throughput, b heldAgainst) error {
	for _, u := range []struct {
		name string
		to   *int64
	}{{"MaxReadRequestUnits", &to.Read}, {"MaxWriteRequestUnits", &to.Write}} {
		value := n.Get(u.name)
		if !value.Exists() {
			continue
		}
		switch v := units(value); {
		case b.of.Provisioned != nil:
			return invalidValues("%s for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED", u.name)
		case v == -1 && !b.creating:
			*u.to = 0
		case v < 1 || v > unitsMax:
			return invalidValues("Requested %s for OnDemandThroughput for %s is outside of valid range", u.name, b.what)
		default:
			*u.to = v
		}
	}
	return nil
}

// readWarm reads what a table shall be ready for, which only rises, into to.
func readWarm(n item.Node, to *table.Throughput, b heldAgainst) error {
	have := warm(b.of.Provisioned, *to)
	for _, u := range []struct {
		name, unit string
		have       int64
		to         *int64
	}{{"ReadUnitsPerSecond", "ReadCapacityUnits", have.Read, &to.Read}, {"WriteUnitsPerSecond", "WriteCapacityUnits", have.Write, &to.Write}} {
		value := n.Get(u.name)
		if !value.Exists() {
			continue
		}
		v := units(value)
		lower := invalidValues
		switch {
		case v > unitsMax:
			return invalid("Given value %d for %s is out of bounds", v, u.name)
		case v >= u.have:
			*u.to = v
		case !b.creating:
			return lower("Requested %s for WarmThroughput for %s is lower than current WarmThroughput, decreasing WarmThroughput is not supported", u.name, b.what)
		case b.of.Provisioned != nil:
			return lower("Requested %s for WarmThroughput for %s is lower than %s of ProvisionedThroughput", u.name, b.what, u.unit)
		default:
			return lower("Requested %s for WarmThroughput for %s is lower than initial throughput for OnDemand", u.name, b.what)
		}
	}
	return nil
}

// warm is what a table, or an index, is ready for.
func warm(p *table.Provisioned, asked table.Throughput) table.Throughput {
	least := table.Throughput{Read: readyRead, Write: readyWrite}
	if p != nil {
		least = p.Throughput
	}
	return table.Throughput{Read: max(least.Read, asked.Read), Write: max(least.Write, asked.Write)}
}
