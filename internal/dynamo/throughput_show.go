package dynamo

import (
	"strconv"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/table"
)

// appendBilling appends how a table is billed, as its description tells it.
func (c *call) appendBilling(dst []byte, s table.Settings) []byte {
	dst = appendMode(member(dst, "BillingModeSummary"), s)
	dst = c.appendProvisioned(dst, s.Provisioned)
	dst = appendOnDemand(dst, s.OnDemand)
	return appendWarm(dst, warm(s.Provisioned, s.Warm))
}

// appendMode appends a BillingModeSummary.
func appendMode(dst []byte, s table.Settings) []byte {
	mode := "PAY_PER_REQUEST"
	if s.Provisioned != nil {
		mode = "PROVISIONED"
	}
	dst = item.AppendQuoted(append(dst, `{"BillingMode":`...), mode)
	return append(appendTime(dst, "LastUpdateToPayPerRequestDateTime", s.ByRequestSince), '}')
}

// appendIndexBilling does the same for an index.
func (c *call) appendIndexBilling(dst []byte, s table.Settings, index string) []byte {
	x := s.Indexes[index]
	if s.Provisioned == nil {
		x.Provisioned = nil
	}
	dst = c.appendProvisioned(dst, x.Provisioned)
	dst = appendOnDemand(dst, x.OnDemand)
	return appendWarm(dst, warm(x.Provisioned, x.Warm))
}

// appendProvisioned appends a throughput; nil is none.
func (c *call) appendProvisioned(dst []byte, p *table.Provisioned) []byte {
	if p == nil {
		p = &table.Provisioned{}
	}
	dst = append(member(dst, "ProvisionedThroughput"), '{')
	dst = appendTime(dst, "LastIncreaseDateTime", p.Raised)
	dst = appendTime(dst, "LastDecreaseDateTime", p.Lowered)
	dst = appendNumber(dst, "NumberOfDecreasesToday", int64(p.LoweredOn(c.server.config.Now().UnixMilli())))
	dst = appendNumber(dst, "ReadCapacityUnits", p.Read)
	return append(appendNumber(dst, "WriteCapacityUnits", p.Write), '}')
}

// appendOnDemand appends the bounds of a table that is billed by request, if it
// has one.
func appendOnDemand(dst []byte, t table.Throughput) []byte {
	if t == (table.Throughput{}) {
		return dst
	}
	unbound := func(v int64) int64 {
		if v == 0 {
			return -1
		}
		return v
	}
	dst = append(member(dst, "OnDemandThroughput"), '{')
	dst = appendNumber(dst, "MaxReadRequestUnits", unbound(t.Read))
	return append(appendNumber(dst, "MaxWriteRequestUnits", unbound(t.Write)), '}')
}

func appendWarm(dst []byte, t table.Throughput) []byte {
	dst = append(member(dst, "WarmThroughput"), '{')
	dst = appendNumber(dst, "ReadUnitsPerSecond", t.Read)
	dst = appendNumber(dst, "WriteUnitsPerSecond", t.Write)
	return append(dst, `,"Status":"ACTIVE"}`...)
}

func appendNumber(dst []byte, name string, v int64) []byte {
	return strconv.AppendInt(member(dst, name), v, 10)
}

// appendTime appends a time that is given in Unix milliseconds, in seconds; 0 is
// never.
func appendTime(dst []byte, name string, millis int64) []byte {
	if millis == 0 {
		return dst
	}
	return strconv.AppendFloat(member(dst, name), float64(millis)/1000, 'f', -1, 64)
}

// appendText appends a member that is text, if there is any.
func appendText(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return item.AppendQuoted(member(dst, name), text)
}
