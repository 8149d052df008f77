package dynamo

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/meridian-run/meridian/internal/item"
	"github.com/meridian-run/meridian/internal/store"
	"github.com/meridian-run/meridian/internal/table"
)

// recoveryDays is AWS's default for how far back a table can be restored.
const recoveryDays = 35

var updateContinuousParameters = []parameter{
	tableName,
	{name: "PointInTimeRecoverySpecification", form: objectForm, required: true, members: []parameter{
		{name: "PointInTimeRecoveryEnabled", form: flagForm, required: true},
		{name: "RecoveryPeriodInDays", form: integerForm, min: 1, max: recoveryDays},
	}},
}

// millis is a time in seconds, with fractions, in Unix milliseconds; 0 is none.
func millis(n item.Node) int64 {
	seconds, err := strconv.ParseFloat(n.Text(), 64)
	if err != nil || math.IsNaN(seconds) {
		return 0
	}
	return int64(math.Round(max(min(seconds, 1<<40), -1<<40) * 1000))
}

func describeContinuousBackups(_ context.Context, c *call) error {
	t, err := c.sourceTable(tableFrom(c.text("TableName")))
	if err != nil {
		return err
	}
	return c.answerContinuous(t)
}

// updateContinuousBackups begins or ends to keep what restoring to a point in time
// takes.
func updateContinuousBackups(ctx context.Context, c *call) error {
	t, err := c.sourceTable(tableFrom(c.text("TableName")))
	if err != nil {
		return err
	}
	if c.status(t) == table.Creating {
		return refusal("ContinuousBackupsUnavailableException", "Backups are being enabled for the table: %s. Please retry later", t.Name)
	}
	n := c.request.Get("PointInTimeRecoverySpecification")
	enabled, days := n.Get("PointInTimeRecoveryEnabled").Form() == item.True, integer(n.Get("RecoveryPeriodInDays"))
	if !enabled && days != 0 {
		return invalidValues("RecoveryPeriodInDays cannot be specified when PointInTimeRecoveryEnabled is false")
	}
	now := c.server.config.Now().UnixMilli()
	t, err = c.server.config.Catalog.UpdateTable(ctx, t.Name, func(t *table.Table) error {
		switch {
		case !enabled:
			t.Recovery = nil
		case t.Recovery == nil:
			t.Recovery = &table.Recovery{Days: recoveryDays, Since: now}
		}
		if enabled && days != 0 {
			t.Recovery.Days = days
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.answerContinuous(t)
}

// answerContinuous answers a ContinuousBackupsDescription. A table of the spec
// that keeps images can be restored as far back as they go.
func (c *call) answerContinuous(t table.Table) error {
	c.out = append(c.out, `{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"ENABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":`...)
	keep, ok := t.Recoverable()
	if !ok {
		c.out = append(c.out, `"DISABLED"}}}`...)
		return nil
	}
	c.out = append(c.out, `"ENABLED"`...)
	const day = 24 * time.Hour
	c.out = appendNumber(c.out, "RecoveryPeriodInDays", int64((keep+day-1)/day))
	since, until, err := c.server.recoverable(t)
	switch {
	case errors.Is(err, store.ErrNoImages): // it has not begun here yet
	case err != nil:
		return err
	default:
		c.out = appendTime(c.out, "EarliestRestorableDateTime", since.UnixMilli())
		c.out = appendTime(c.out, "LatestRestorableDateTime", until.UnixMilli())
	}
	c.out = append(c.out, "}}}"...)
	return nil
}

// checkMoment refuses a moment, in Unix milliseconds, to which the table's changes
// do not reach.
func (c *call) checkMoment(t table.Table, at int64, exception string) error {
	if _, ok := t.Recoverable(); !ok {
		return refusal("PointInTimeRecoveryUnavailableException", "Point in time recovery is not enabled for table '%s'", t.Name)
	}
	since, until, err := c.server.recoverable(t)
	switch {
	case errors.Is(err, store.ErrNoImages):
		return refusal("PointInTimeRecoveryUnavailableException", "Point in time recovery is being enabled for table '%s': try again in a moment", t.Name)
	case err != nil:
		return err
	case at < since.UnixMilli() || at > until.UnixMilli():
		const form = "2006-01-02T15:04:05.000Z"
		return refusal(exception, "The specified time is not between EarliestRestorableDateTime (%s) and LatestRestorableDateTime (%s) of table %s", since.UTC().Format(form), until.UTC().Format(form), t.Name)
	}
	return nil
}
